"""The documents by which clients learn what is served.

Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#unaggregated-discovery
"""

from __future__ import annotations

from typing import Any

from func.devcluster.documents import Document
from func.devcluster.resources import RESOURCES, Resource

VERSION = {"major": "1", "minor": "35", "gitVersion": "v1.35.4", "platform": "embedded"}


def documents() -> dict[str, Document]:
    """Each discovery document by its path."""
    groups = sorted({(each.group, each.version) for each in RESOURCES if each.group})
    roots = sorted({each.root for each in RESOURCES})
    reviews = {
        ("authentication.k8s.io", "v1"): ("tokenreviews", "TokenReview"),
        ("authorization.k8s.io", "v1"): ("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    }
    found: dict[str, Document] = {
        "/version": VERSION,
        "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
        "/apis": {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group(group, version) for group, version in (*groups, *reviews)],
        },
        "/openapi/v3": {"paths": {root[1:]: {"serverRelativeURL": f"/openapi/v3{root}"} for root in roots}},
    }
    for group, version in (("", "v1"), *groups):
        served = [each for each in RESOURCES if (each.group, each.version) == (group, version)]
        found[served[0].root] = _list(served[0].api_version, [_resource(each) for each in served])
        found[f"/openapi/v3{served[0].root}"] = _openapi(served)
    for (group, version), (plural, kind) in reviews.items():
        entry = {"name": plural, "singularName": "", "namespaced": False, "kind": kind, "verbs": ["create"]}
        found[f"/apis/{group}/{version}"] = _list(f"{group}/{version}", [entry])
    for group, version in (*groups, *reviews):
        found[f"/apis/{group}"] = {"kind": "APIGroup", "apiVersion": "v1", **_group(group, version)}
    return found


def _group(group: str, version: str) -> Document:
    entry = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [entry], "preferredVersion": entry}


def _list(group_version: str, resources: list[dict[str, Any]]) -> Document:
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def _openapi(served: list[Resource]) -> Document:
    """Just so much that kubectl leaves the checking of fields to the server, instead of refusing to send anything."""
    parameter = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
    paths = {
        f"{each.root}/{each.plural}/{{name}}": {
            "patch": {
                "parameters": [parameter],
                "responses": {"200": {"description": "OK"}},
                "x-kubernetes-group-version-kind": {"group": each.group, "version": each.version, "kind": each.kind},
            }
        }
        for each in served
    }
    return {"openapi": "3.0.0", "info": {"title": "Embedded", "version": VERSION["gitVersion"]}, "paths": paths}


def _resource(resource: Resource) -> dict[str, Any]:
    return {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
        "shortNames": list(resource.short_names),
    }
