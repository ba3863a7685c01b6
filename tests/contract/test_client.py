"""The official Python client, as the function uses it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import kubernetes
import pytest

from func.kube.connection import connect
from func.kube.errors import Expired
from func.kube.workflows import Workflows
from tests.contract.api import Api

PLACE = ("argoproj.io", "v1alpha1")


@pytest.fixture
def custom(kubeconfig: Path) -> Iterator[kubernetes.client.CustomObjectsApi]:
    client = cast("Any", kubernetes.config.new_client_from_config)(config_file=str(kubeconfig))
    with client:
        yield kubernetes.client.CustomObjectsApi(client)


def test_get_list_and_patch(kubernetes_api: Api, custom: kubernetes.client.CustomObjectsApi) -> None:
    created = kubernetes_api.create()
    place = (*PLACE, kubernetes_api.namespace, "workflows")
    assert custom.get_namespaced_custom_object(*place, "waiting") == created
    listed = cast("dict[str, Any]", custom.list_namespaced_custom_object(*place, label_selector="task-id=3"))
    assert listed["items"] == [created]
    patch = [
        {"op": "test", "path": "/metadata/uid", "value": created["metadata"]["uid"]},
        {"op": "add", "path": "/metadata/labels/a", "value": "b"},
    ]
    patched = custom.patch_namespaced_custom_object(
        *place, "waiting", patch, _content_type="application/json-patch+json"
    )
    assert cast("dict[str, Any]", patched)["metadata"]["labels"]["a"] == "b"


def test_refusals_are_exceptions_with_the_servers_words(
    kubernetes_api: Api, custom: kubernetes.client.CustomObjectsApi
) -> None:
    with pytest.raises(kubernetes.client.ApiException) as refused:
        custom.get_namespaced_custom_object(*PLACE, kubernetes_api.namespace, "workflows", "nobody")
    assert refused.value.status == 404
    assert '\\"nobody\\" not found' in str(refused.value.body)


def test_watch(kubernetes_api: Api, custom: kubernetes.client.CustomObjectsApi) -> None:
    kubernetes_api.create()
    watch = cast("Any", kubernetes.watch.Watch)()
    place = (*PLACE, kubernetes_api.namespace, "workflows")
    events = watch.stream(custom.list_namespaced_custom_object, *place, timeout_seconds=5)
    event = next(events)
    events.close()
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "waiting")


def test_our_own_list_and_watch(kubernetes_api: Api, kubeconfig: Path) -> None:
    workflows = Workflows(connect(kubeconfig, 1), kubernetes_api.namespace)
    kubernetes_api.create("before")
    ((items, version),) = workflows.list_pages("task-id=3")
    assert [item["metadata"]["name"] for item in items] == ["before"]
    watch = workflows.watch("task-id=3", version)
    kubernetes_api.create("after")
    kind, found = next(iter(watch))
    assert (kind, found["metadata"]["name"]) == ("ADDED", "after")
    watch.close()


def test_our_own_watch_of_what_is_forgotten(kubernetes_api: Api, kubeconfig: Path) -> None:
    kubernetes_api.create()
    with pytest.raises(Expired, match="too old resource version"):
        list(Workflows(connect(kubeconfig, 1), kubernetes_api.namespace).watch("task-id=3", "1"))
