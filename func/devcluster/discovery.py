"""The documents by which kubectl and other clients learn what is served.

Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#unaggregated-discovery
"""

from __future__ import annotations

from func.devcluster.documents import Document
from func.devcluster.resources import RESOURCES, Resource

TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_VERSION = {"major": "1", "minor": "35", "gitVersion": "v1.35.4", "platform": "embedded"}


def documents() -> dict[str, Document]:
    """Return each discovery document by its path."""
    served: dict[str, list[Resource]] = {}
    for each in RESOURCES:
        served.setdefault(each.root, []).append(each)
    groups = []
    for each in (kinds[0] for kinds in served.values() if kinds[0].group):
        entry = {"groupVersion": each.api_version, "version": each.version}
        groups.append({"name": each.group, "versions": [entry], "preferredVersion": entry})
    found: dict[str, Document] = {
        "/version": _VERSION,
        "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
        "/openapi/v3": {"paths": {root[1:]: {"serverRelativeURL": f"/openapi/v3{root}"} for root in served}},
    }
    for group in groups:
        found[f"/apis/{group['name']}"] = {"kind": "APIGroup", "apiVersion": "v1", **group}
    for root, kinds in served.items():
        found[root] = {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": kinds[0].api_version,
            "resources": [_api_resource(each) for each in kinds],
        }
        found[f"/openapi/v3{root}"] = _openapi(kinds)
    return found


def _api_resource(resource: Resource) -> Document:
    return {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
        "shortNames": list(resource.short_names),
    }


def _openapi(served: list[Resource]) -> Document:
    """Return the least that makes kubectl leave the validation of fields to the server, instead of failing."""
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
    return {"openapi": "3.0.0", "info": {"title": "Embedded", "version": _VERSION["gitVersion"]}, "paths": paths}
