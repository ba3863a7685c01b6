"""Lists: selectors, metadata only, parts."""

from __future__ import annotations

import pytest

from tests.contract.api import PARTIAL_LIST, Api

LABELS = {
    "one": {"task": "1", "stage": "a"},
    "two": {"task": "2", "stage": "a"},
    "three": {"task": "2"},
    "four": {},
}


@pytest.fixture
def labelled(kubernetes_api: Api) -> Api:
    """A namespace with four Workflows."""
    for name, labels in LABELS.items():
        kubernetes_api.create(name, labels=labels)
    return kubernetes_api


def names(api: Api, **query: object) -> set[str]:
    return {item["metadata"]["name"] for item in api.must("GET", api.workflows, **query)["items"]}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", {"one", "two", "three", "four"}),
        ("task=2", {"two", "three"}),
        ("task==2", {"two", "three"}),
        ("task = 2 , stage=a", {"two"}),
        ("task!=2", {"one", "four"}),
        ("task in (1,2)", {"one", "two", "three"}),
        ("task in ( 2 ),stage", {"two"}),
        ("task notin (1)", {"two", "three", "four"}),
        ("stage", {"one", "two"}),
        ("!stage", {"three", "four"}),
        ("task,!stage", {"three"}),
        ("task=", set()),
        ("task=3", set()),
        ("other/label=x", set()),
    ],
)
def test_label_selectors(labelled: Api, selector: str, expected: set[str]) -> None:
    assert names(labelled, labelSelector=selector) == expected


def test_the_field_selector_of_a_name(labelled: Api) -> None:
    for selector in ("metadata.name=two", "metadata.name==two"):
        assert names(labelled, fieldSelector=selector) == {"two"}


@pytest.mark.parametrize(
    "query",
    [
        {"labelSelector": "a in b"},
        {"labelSelector": "a=b c"},
        {"labelSelector": "ain (b)"},
        {"labelSelector": "anotin (b)"},
        {"labelSelector": "not/a/key=b"},
        {"labelSelector": "a=" + "x" * 64},
        {"fieldSelector": "spec.x=1"},
        {"fieldSelector": "metadata.name"},
        {"limit": "x"},
    ],
)
def test_an_invalid_selector_or_limit_is_a_bad_request(kubernetes_api: Api, query: dict[str, str]) -> None:
    answer = kubernetes_api.request("GET", kubernetes_api.workflows, **query)
    assert answer.refusal[:2] == (400, "BadRequest")


def test_a_list_names_its_kind_and_version(labelled: Api) -> None:
    listed = labelled.must("GET", labelled.workflows, labelSelector="task=1")
    assert (listed["kind"], listed["apiVersion"]) == ("WorkflowList", "argoproj.io/v1alpha1")
    newest = max(int(each["metadata"]["resourceVersion"]) for each in labelled.must("GET", labelled.workflows)["items"])
    assert int(listed["metadata"]["resourceVersion"]) >= newest
    assert listed["items"] == [labelled.must("GET", labelled.workflow("one"))]


def test_metadata_alone_can_be_listed(labelled: Api) -> None:
    listed = labelled.must("GET", labelled.workflows, labelSelector="task=2", accept=PARTIAL_LIST)
    assert (listed["kind"], listed["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    whole = labelled.must("GET", labelled.workflows, labelSelector="task=2")["items"]
    assert [item["metadata"] for item in listed["items"]] == [item["metadata"] for item in whole]
    assert all(set(item) <= {"metadata", "kind", "apiVersion"} for item in listed["items"])


def test_a_list_over_all_namespaces_has_those_of_each(labelled: Api) -> None:
    listed = labelled.must("GET", "/apis/argoproj.io/v1alpha1/workflows", labelSelector="stage=a")
    here = {each["metadata"]["name"] for each in listed["items"] if each["metadata"]["namespace"] == labelled.namespace}
    assert here == {"one", "two"}


def test_a_list_can_be_read_in_parts_of_one_snapshot(labelled: Api) -> None:
    first = labelled.must("GET", labelled.workflows, limit=2)
    assert [each["metadata"]["name"] for each in first["items"]] == ["four", "one"]
    labelled.create("other")
    labelled.must("DELETE", labelled.workflow("three"))
    labelled.patch("two", [{"op": "add", "path": "/metadata/labels/late", "value": "1"}])
    rest = labelled.must("GET", labelled.workflows, limit=2, **{"continue": first["metadata"]["continue"]})
    assert [each["metadata"]["name"] for each in rest["items"]] == ["three", "two"]
    assert "late" not in rest["items"][1]["metadata"]["labels"]
    assert not rest["metadata"].get("continue")
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_parts_of_a_selection_are_of_that_selection(labelled: Api) -> None:
    seen = []
    token = ""
    for _ in range(3):
        page = labelled.must("GET", labelled.workflows, labelSelector="task", limit=1, **{"continue": token})
        seen += [each["metadata"]["name"] for each in page["items"]]
        token = page["metadata"].get("continue", "")
    assert seen == ["one", "three", "two"]
    assert token == ""
