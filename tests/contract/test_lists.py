"""Lists: selectors, metadata only, parts."""

from __future__ import annotations

import base64
import json

import pytest

from tests.contract.api import PARTIAL, PARTIAL_LIST, Api

LABELS = {
    "one": {"task": "1", "stage": "a", "number": "5"},
    "two": {"task": "2", "stage": "a", "number": "15"},
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
        ("number>7", {"two"}),
        ("number<7", {"one"}),
        ("task=", set()),
        ("task=3", set()),
        ("other/label=x", set()),
    ],
)
def test_label_selectors(labelled: Api, selector: str, expected: set[str]) -> None:
    assert names(labelled, labelSelector=selector) == expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("metadata.name=two", {"two"}),
        ("metadata.name!=two", {"one", "three", "four"}),
        ("metadata.name==two,metadata.name!=two", set()),
        ("metadata.namespace=elsewhere", set()),
    ],
)
def test_field_selectors(labelled: Api, selector: str, expected: set[str]) -> None:
    assert names(labelled, fieldSelector=selector) == expected


@pytest.mark.parametrize(
    "query",
    [
        {"labelSelector": "a in b"},
        {"labelSelector": "a=b c"},
        {"labelSelector": "not/a/key=b"},
        {"labelSelector": "a=" + "x" * 64},
        {"labelSelector": "a>x"},
        {"fieldSelector": "spec.x=1"},
        {"fieldSelector": "metadata.name"},
        {"continue": "no token"},
        {"continue": "e30"},
        {"limit": "x"},
    ],
)
def test_what_is_no_selector_or_token_is_a_bad_request(kubernetes_api: Api, query: dict[str, str]) -> None:
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
    refused = labelled.request("GET", labelled.workflows, accept=PARTIAL)
    assert refused.refusal[:2] == (406, "NotAcceptable")


def test_a_list_over_all_namespaces_has_those_of_each(labelled: Api) -> None:
    listed = labelled.must("GET", "/apis/argoproj.io/v1alpha1/workflows", labelSelector="stage=a")
    here = {each["metadata"]["name"] for each in listed["items"] if each["metadata"]["namespace"] == labelled.namespace}
    assert here == {"one", "two"}


def test_a_list_can_be_read_in_parts_of_one_snapshot(labelled: Api) -> None:
    first = labelled.must("GET", labelled.workflows, limit=2)
    assert [each["metadata"]["name"] for each in first["items"]] == ["four", "one"]
    assert first["metadata"]["remainingItemCount"] == 2
    labelled.create("other")
    labelled.must("DELETE", labelled.workflow("three"))
    labelled.patch("two", [{"op": "add", "path": "/metadata/labels/late", "value": "1"}])
    rest = labelled.must("GET", labelled.workflows, limit=2, **{"continue": first["metadata"]["continue"]})
    assert [each["metadata"]["name"] for each in rest["items"]] == ["three", "two"]
    assert "late" not in rest["items"][1]["metadata"]["labels"]
    assert not rest["metadata"].get("continue")
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_parts_of_a_selection_do_not_tell_how_many_follow(labelled: Api) -> None:
    seen = []
    token = ""
    for _ in range(3):
        page = labelled.must("GET", labelled.workflows, labelSelector="task", limit=1, **{"continue": token})
        assert "remainingItemCount" not in page["metadata"]
        seen += [each["metadata"]["name"] for each in page["items"]]
        token = page["metadata"].get("continue", "")
    assert seen == ["one", "three", "two"]
    assert token == ""


def test_a_version_that_is_still_to_come_is_not_waited_for_long(kubernetes_api: Api) -> None:
    answer = kubernetes_api.request("GET", kubernetes_api.workflows, resourceVersion=10**12)
    assert answer.refusal[:2] == (504, "Timeout")
    assert answer.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


def test_a_list_can_be_asked_for_at_an_exact_version(labelled: Api) -> None:
    then = labelled.must("GET", labelled.workflows)
    labelled.must("DELETE", labelled.workflow("one"))
    version = then["metadata"]["resourceVersion"]
    exact = labelled.must("GET", labelled.workflows, resourceVersion=version, resourceVersionMatch="Exact")
    assert exact["items"] == then["items"]
    at_least = labelled.must("GET", labelled.workflows, resourceVersion=version)
    assert len(at_least["items"]) == len(then["items"]) - 1


def test_a_token_of_a_version_that_is_gone_has_expired(labelled: Api) -> None:
    first = labelled.must("GET", labelled.workflows, limit=1)
    token = first["metadata"]["continue"]
    content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    old = base64.urlsafe_b64encode(json.dumps({**content, "rv": 2}).encode()).decode().rstrip("=")
    answer = labelled.request("GET", labelled.workflows, limit=1, **{"continue": old})
    if answer.status == 200:
        pytest.skip("this server has not forgotten its oldest versions yet")
    assert answer.refusal[:2] == (410, "Expired")
