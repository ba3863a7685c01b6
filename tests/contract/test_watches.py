"""Watches: what Argo Events' resource EventSource and Knative's ApiServerSource rely on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from tests.contract.api import PARTIAL, Api

PARKED = "/metadata/labels/taskgate.dev~1parked"


def summary(events: Iterator[Any], count: int) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"]["name"]) for event in islice(events, count)]


def version(api: Api) -> str:
    return str(api.must("GET", api.workflows)["metadata"]["resourceVersion"])


def test_a_watch_from_a_list_shows_all_that_came_after(kubernetes_api: Api) -> None:
    kubernetes_api.create("before")
    since = version(kubernetes_api)
    created = kubernetes_api.create("after")
    kubernetes_api.patch("after", [{"op": "add", "path": "/metadata/labels/a", "value": "b"}])
    kubernetes_api.patch("after", [{"op": "add", "path": "/metadata/labels/a", "value": "b"}])
    kubernetes_api.must("DELETE", kubernetes_api.workflow("before"))
    events = list(islice(kubernetes_api.watch(kubernetes_api.workflows, resourceVersion=since), 3))
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in events] == [
        ("ADDED", "after"),
        ("MODIFIED", "after"),
        ("DELETED", "before"),
    ]
    assert events[0]["object"] == created
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))


def test_a_watch_without_a_version_begins_with_what_is_there(kubernetes_api: Api) -> None:
    kubernetes_api.create("b")
    kubernetes_api.create("a")
    events = summary(kubernetes_api.watch(kubernetes_api.workflows), 2)
    assert sorted(events) == [("ADDED", "a"), ("ADDED", "b")]


def test_a_label_that_comes_is_added_and_one_that_goes_is_deleted(kubernetes_api: Api) -> None:
    kubernetes_api.create("quiet")
    kubernetes_api.create("parked")
    since = version(kubernetes_api)
    kubernetes_api.patch("quiet", [{"op": "add", "path": "/metadata/labels/a", "value": "b"}])
    kubernetes_api.patch("parked", [{"op": "add", "path": PARKED, "value": "true"}])
    kubernetes_api.patch("parked", [{"op": "add", "path": "/metadata/labels/a", "value": "b"}])
    gone = kubernetes_api.patch("parked", [{"op": "remove", "path": PARKED}]).body
    kubernetes_api.patch("parked", [{"op": "add", "path": "/metadata/labels/a", "value": "c"}])
    kubernetes_api.patch("parked", [{"op": "add", "path": PARKED, "value": "true"}])
    watch = kubernetes_api.watch(
        kubernetes_api.workflows, resourceVersion=since, labelSelector="taskgate.dev/parked=true"
    )
    events = list(islice(watch, 4))
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in events] == [
        ("ADDED", "parked"),
        ("MODIFIED", "parked"),
        ("DELETED", "parked"),
        ("ADDED", "parked"),
    ]
    # What leaves the selection is shown as it was in it, at the version at which it left.
    assert events[2]["object"]["metadata"]["labels"]["taskgate.dev/parked"] == "true"
    assert events[2]["object"]["metadata"]["resourceVersion"] == gone["metadata"]["resourceVersion"]


def test_a_watch_ends_when_its_time_is_up(kubernetes_api: Api) -> None:
    kubernetes_api.create()
    events = list(kubernetes_api.watch(kubernetes_api.workflows, timeoutSeconds=1))
    assert [event["type"] for event in events] == ["ADDED"]


def test_a_watch_from_a_version_that_is_gone_is_told_so(kubernetes_api: Api) -> None:
    kubernetes_api.create()
    (event,) = list(kubernetes_api.watch(kubernetes_api.workflows, resourceVersion="1"))
    assert event["type"] == "ERROR"
    assert (event["object"]["kind"], event["object"]["code"], event["object"]["reason"]) == ("Status", 410, "Expired")
    assert event["object"]["message"].startswith("too old resource version: 1 (")


def test_metadata_alone_can_be_watched(kubernetes_api: Api) -> None:
    metadata = kubernetes_api.create()["metadata"]
    (event,) = islice(kubernetes_api.watch(kubernetes_api.workflows, accept=PARTIAL), 1)
    assert event["object"] == {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}


def test_one_object_can_be_watched(kubernetes_api: Api) -> None:
    kubernetes_api.create("one")
    kubernetes_api.create("two")
    events = kubernetes_api.watch(kubernetes_api.workflows, fieldSelector="metadata.name=two", timeoutSeconds=1)
    assert summary(events, 2) == [("ADDED", "two")]


def test_only_collections_are_watched(kubernetes_api: Api) -> None:
    created = kubernetes_api.create()
    assert kubernetes_api.must("GET", kubernetes_api.workflow("waiting"), watch="true") == created


def test_the_first_objects_can_be_told_from_later_ones(kubernetes_api: Api) -> None:
    kubernetes_api.create()
    events = kubernetes_api.watch(
        kubernetes_api.workflows,
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
    )
    first, mark = islice(events, 2)
    assert (first["type"], mark["type"]) == ("ADDED", "BOOKMARK")
    assert mark["object"]["kind"] == "Workflow"
    assert mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true"
    assert int(mark["object"]["metadata"]["resourceVersion"]) >= int(first["object"]["metadata"]["resourceVersion"])


@pytest.mark.parametrize("query", [{"labelSelector": "a in b"}, {"fieldSelector": "spec.x=1"}])
def test_a_watch_with_a_bad_selector_is_a_bad_request(kubernetes_api: Api, query: dict[str, str]) -> None:
    answer = kubernetes_api.request("GET", kubernetes_api.workflows, watch="true", timeoutSeconds=1, **query)
    assert answer.refusal[:2] == (400, "BadRequest")
