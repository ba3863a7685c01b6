"""Reading objects from files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from func.devcluster import LoadError, load_objects

RECORDINGS = Path(__file__).parent.parent / "data" / "argo-recordings"
WORKFLOW = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "w"}, "spec": {}}
YAML = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: one, namespace: n, creationTimestamp: 2026-11-22T10:19:53Z}
spec: {}
---
# nothing here
---
apiVersion: v1
kind: ConfigMap
metadata: {name: two}
data: {a: b}
"""


def names(objects: list[dict[str, dict[str, str]]]) -> list[str]:
    return [each["metadata"]["name"] for each in objects]


def test_recordings_are_loaded_as_they_are() -> None:
    files = sorted(RECORDINGS.glob("*/waiting.json"))
    assert load_objects(files) == [json.loads(file.read_text()) for file in files]


def test_a_yaml_file_may_hold_several_documents(tmp_path: Path) -> None:
    file = tmp_path / "objects.yaml"
    file.write_text(YAML)
    one, two = load_objects([file])
    assert (one["kind"], two["kind"]) == ("Workflow", "ConfigMap")
    assert one["metadata"]["creationTimestamp"] == "2026-11-22T10:19:53Z"


@pytest.mark.parametrize("kind", ["List", "WorkflowList"])
def test_a_list_stands_for_its_items(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "list.json"
    version = "v1" if kind == "List" else "argoproj.io/v1alpha1"
    bare = {key: value for key, value in WORKFLOW.items() if key not in ("apiVersion", "kind")}
    items = [WORKFLOW, WORKFLOW if kind == "List" else bare]
    file.write_text(json.dumps({"apiVersion": version, "kind": kind, "items": items}))
    assert load_objects([file]) == [WORKFLOW, WORKFLOW]


def test_a_folder_stands_for_its_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in ("b.json", "a.yml", "below/c.yaml", "ignored.txt"):
        (tmp_path / name).write_text(json.dumps({**WORKFLOW, "metadata": {"name": name.replace("/", "-")}}))
    assert names(load_objects([tmp_path])) == ["a.yml", "b.json", "below-c.yaml"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", "{", "Expecting property name"),
        ("a.json", '{"a": NaN}', "NaN is not JSON"),
        ("a.json", "[]", "not a Kubernetes object"),
        ("a.json", "{}", "None None is not served here"),
        ("a.json", json.dumps({**WORKFLOW, "kind": "CronWorkflow"}), "CronWorkflow is not served here"),
        ("a.json", json.dumps({**WORKFLOW, "metadata": {"name": "Upper"}}), 'Invalid value: "Upper"'),
        ("a.json", json.dumps({**WORKFLOW, "metadata": {"name": 5}}), r"metadata\.name must be a string"),
        ("a.json", json.dumps({**WORKFLOW, "metadata": "x"}), "metadata must be an object"),
        ("a.json", json.dumps({**WORKFLOW, "spec": None}), "spec: Required value"),
        pytest.param("a.json", "[" * 100_000, "nested too deeply", id="deep"),
        ("a.yaml", "a: [", "while parsing"),
        ("a.yaml", "kind: List\nkind: List", "the key 'kind' occurs twice"),
        ("a.yaml", "- !!set {a, b}", "JSON cannot hold"),
        ("a.yaml", "a: !!python/object:os.system {}", "could not determine a constructor"),
        ("a.yaml", "a: \x00", "not allowed"),
    ],
)
def test_bad_input_is_one_sentence_that_names_the_file(tmp_path: Path, name: str, content: str, words: str) -> None:
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(LoadError, match=words) as refused:
        load_objects([file])
    assert str(refused.value).startswith(f"{file}: ")
    assert "\n" not in str(refused.value)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"absent\.json: there is no such file or folder"):
        load_objects([tmp_path / "absent.json"])
    with pytest.raises(LoadError, match=r"there is no \.json, \.yaml or \.yml file in this folder"):
        load_objects([tmp_path])
