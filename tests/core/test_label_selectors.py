"""Label selectors as pure functions."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from func.core.label_selectors import Selector

KEYS = st.sampled_from(["task", "stage", "taskgate.dev/parked", "x.y-z/A_1"])
VALUES = st.sampled_from(["1", "2", "a", "A.b_c-d", "10"])
LABELS = st.dictionaries(KEYS, VALUES)
SPACE = st.sampled_from(["", " "])


@st.composite
def requirements(draw: st.DrawFn) -> tuple[str, str, list[str], str]:
    """Key, operator and values, and the text that says so."""
    key, values = draw(KEYS), draw(st.lists(VALUES, min_size=1, max_size=3))
    operator = draw(st.sampled_from(["=", "==", "!=", "in", "notin", "exists", "absent"]))
    space = draw(SPACE)
    text = {
        "in": f"{key} in{space}({f',{space}'.join(values)})",
        "notin": f"{key} notin ({','.join(values)}{space})",
        "exists": key,
        "absent": f"!{key}",
    }.get(operator, f"{key}{space}{operator}{space}{values[0]}")
    return key, operator, values, f"{space}{text}"


def holds(labels: dict[str, str], key: str, operator: str, values: list[str]) -> bool:
    """The meaning of an operator, said once more in the plainest way."""
    if operator in ("=", "=="):
        return key in labels and labels[key] == values[0]
    if operator == "!=":
        return key not in labels or labels[key] != values[0]
    if operator == "in":
        return key in labels and labels[key] in values
    if operator == "notin":
        return key not in labels or labels[key] not in values
    return (key in labels) is (operator == "exists")


@settings(deadline=None)
@given(LABELS, st.lists(requirements(), max_size=4))
def test_an_object_is_selected_if_all_requirements_hold(
    labels: dict[str, str], wanted: list[tuple[str, str, list[str], str]]
) -> None:
    selector = Selector.parse(",".join(text for *_, text in wanted))
    expected = all(holds(labels, key, operator, values) for key, operator, values, _ in wanted)
    assert selector.matches(labels) is expected


@settings(deadline=None)
@given(st.text(alphabet="ab=!<>(), ini./-_1\u00e9\n", max_size=20))
def test_any_text_is_a_selector_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        Selector.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "a=b=c",
        "=b",
        "a in",
        "a in b",
        "a in (b",
        "(a)",
        "a,,b",
        "a b",
        "-a=b",
        "a=-b",
        "A/b=c",
        "a>b",
        "a notin b",
        "ain (b)",
        "anotin (b)",
    ],
)
def test_what_is_no_label_selector_is_said_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a label selector|no label can have the value '-b'"):
        Selector.parse(text)
