"""The store: atomic writes, versions, history."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from func.core.label_selectors import Selector
from func.devcluster.errors import ApiError
from func.devcluster.resources import CONFIG_MAPS, NAMESPACES, WORKFLOWS
from func.devcluster.store import Event, Store, View

NAMES = st.sampled_from(["a", "b", "c"])
LABELS = st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["1", "2"]))
WRITES = st.lists(st.tuples(st.sampled_from(["n", "m"]), NAMES, LABELS | st.none()), max_size=25)
SELECTORS = st.sampled_from(["", "x=1", "x=1,y=2", "x", "x!=1", "y in (1,2)", "!x,y=1"])


def store_with(namespaces: tuple[str, ...] = ("n", "m"), **bounds: Any) -> Store:  # noqa: ANN401 - passed on
    store = Store(**bounds)
    for name in namespaces:
        store.ensure_namespace(name)
    return store


def workflow(name: str, labels: dict[str, str] | None = None, **spec: object) -> dict[str, Any]:
    metadata = {"name": name, "labels": labels or {}}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": metadata, "spec": spec}


def write(store: Store, namespace: str, name: str, labels: dict[str, str] | None) -> None:
    """Give the object these labels, creating it if need be; None deletes it."""
    there = any(each.key == (namespace, name) for each in store.select(WORKFLOWS).items)
    if labels is None:
        if there:
            store.delete(WORKFLOWS, namespace, name)
    elif there:
        change = {"labels": labels}
        store.change(WORKFLOWS, namespace, name, lambda old: {**old, "metadata": {**old["metadata"], **change}})
    else:
        store.create(WORKFLOWS, namespace, workflow(name, labels))


@given(WRITES, SELECTORS, st.sampled_from(["", "n"]))
@settings(max_examples=60, deadline=None)
def test_a_list_has_what_is_selected_in_order(
    writes: list[tuple[str, str, dict[str, str] | None]], text: str, namespace: str
) -> None:
    store = store_with()
    expected: dict[tuple[str, str], dict[str, str]] = {}
    for where, name, labels in writes:
        write(store, where, name, labels)
        if labels is None:
            expected.pop((where, name), None)
        else:
            expected[where, name] = labels
    selector = Selector.parse(text)
    found = [each.key for each in store.select(WORKFLOWS, View(namespace, selector)).items]
    wanted = [key for key, labels in expected.items() if selector.matches(labels)]
    assert found == sorted(key for key in wanted if namespace in ("", key[0]))


@given(WRITES, WRITES, SELECTORS)
@settings(max_examples=60, deadline=None)
def test_a_list_and_the_watch_from_it_give_the_list_of_later(
    before: list[tuple[str, str, dict[str, str] | None]],
    after: list[tuple[str, str, dict[str, str] | None]],
    text: str,
) -> None:
    store = store_with()
    for each in before:
        write(store, *each)
    view = View("n", Selector.parse(text))
    page = store.select(WORKFLOWS, view)
    copy = {each.name: each for each in page.items}
    for each in after:
        write(store, *each)
    events: list[Event] = []
    store.subscribe(WORKFLOWS, events.append, since=page.version).close()
    for event in events:
        kind, stored = event.seen(view) or ("", None)
        if stored and kind == "DELETED":
            assert stored.version == event.version
            del copy[stored.name]
        elif stored:
            assert (stored.name in copy) is (kind == "MODIFIED")
            copy[stored.name] = stored
    now = store.select(WORKFLOWS, view).items
    assert [copy[name] for name in sorted(copy)] == now


def test_history_is_bounded_and_older_versions_have_expired() -> None:
    store = store_with(history=3)
    start = store.version
    for name in "abcde":
        store.create(WORKFLOWS, "n", workflow(name))
    events: list[Event] = []
    store.subscribe(WORKFLOWS, events.append, since=start + 2)
    assert [event.new.name for event in events if event.new] == ["c", "d", "e"]
    with pytest.raises(ApiError) as refused:
        store.subscribe(WORKFLOWS, lambda _: None, since=start + 1)
    assert (refused.value.code, refused.value.reason) == (410, "Expired")


def test_each_of_many_concurrent_writes_happens_once() -> None:
    store = store_with()
    store.create(WORKFLOWS, "n", workflow("w", count=0))
    seen: list[int] = []
    store.subscribe(WORKFLOWS, lambda event: seen.append(event.version))

    def add(_: int) -> None:
        for _ in range(50):
            store.change(WORKFLOWS, "n", "w", lambda old: {**old, "spec": {"count": old["spec"]["count"] + 1}})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    stored = store.get(WORKFLOWS, "n", "w")
    assert stored.document["spec"]["count"] == 200
    assert stored.metadata["generation"] == 201
    assert seen == list(range(stored.version - 199, stored.version + 1))


def test_a_closed_subscription_hears_nothing_more() -> None:
    store = store_with()
    events: list[Event] = []
    subscription = store.subscribe(WORKFLOWS, events.append)
    store.create(WORKFLOWS, "n", workflow("a"))
    store.create(CONFIG_MAPS, "n", {"metadata": {"name": "other"}})
    subscription.close()
    subscription.close()
    store.create(WORKFLOWS, "n", workflow("b"))
    assert [event.new.name for event in events if event.new] == ["a"]


def test_a_namespace_goes_with_all_that_is_in_it() -> None:
    store = store_with()
    for namespace in ("n", "m"):
        store.create(WORKFLOWS, namespace, workflow("w"))
    store.delete(NAMESPACES, "", "n")
    assert [each.key for each in store.select(WORKFLOWS).items] == [("m", "w")]
    with pytest.raises(ApiError, match='namespaces "n" not found'):
        store.create(WORKFLOWS, "n", workflow("w"))


def test_loading_keeps_what_a_file_says_of_itself() -> None:
    store = store_with(())
    document = workflow("w", {"a": "b"})
    document["metadata"] |= {
        "namespace": "from-file",
        "uid": "0000",
        "creationTimestamp": "2026-11-22T10:00:00Z",
        "resourceVersion": "5",
        "generation": 4,
        "annotations": {"c": "d"},
    }
    stored = store.load(WORKFLOWS, document)
    kept = {key: value for key, value in document["metadata"].items() if key != "resourceVersion"}
    assert {key: stored.metadata[key] for key in kept} == kept
    assert stored.metadata["resourceVersion"] == str(store.version) != "5"
    again = store.load(WORKFLOWS, document)
    assert again.version > stored.version
    assert store.select(WORKFLOWS).items == [again]


def test_a_name_that_is_generated_may_be_long() -> None:
    store = store_with()
    document = workflow("")
    document["metadata"] = {"generateName": "a" * 200}
    assert len(store.create(WORKFLOWS, "n", document).name) == 63
