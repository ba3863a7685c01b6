"""The volumes of a pod, as files: what the kubelet makes of them."""

from __future__ import annotations

import base64
from pathlib import Path

from tests.cluster.api_server import RealApiServer
from tests.cluster.argo_events import Object
from tests.manifests.building import function


def fill_volumes(folder: Path, spec: Object, api: RealApiServer, manifests: list[Object]) -> dict[str, Path]:
    """Makes the files of all volumes of a pod; returns where they are, by the path that the container mounts them at.

    Args:
        folder: a new one, for the files.
        spec: of the pod, with one container.
        api: has the Secrets, and issues the token of the ServiceAccount.
        manifests: have the ConfigMaps, and the function with its namespace.
    """
    (container,) = spec["containers"]
    namespace = function(manifests)["metadata"]["namespace"]
    folders = {}
    for volume in spec["volumes"]:
        folders[volume["name"]] = folder / volume["name"]
        _fill(folder / volume["name"], volume, spec, api, manifests, namespace)
    return {mount["mountPath"]: folders[mount["name"]] for mount in container["volumeMounts"]}


def _fill(
    folder: Path, volume: Object, spec: Object, api: RealApiServer, manifests: list[Object], namespace: str
) -> None:
    folder.mkdir(parents=True)
    if "configMap" in volume:
        name = volume["configMap"]["name"]
        (source,) = (one for one in manifests if one["kind"] == "ConfigMap" and one["metadata"]["name"] == name)
        for key, text in source["data"].items():
            (folder / key).write_text(text)
    elif "projected" in volume:
        for source in volume["projected"]["sources"]:
            _project(folder, source, spec, api, namespace)
    else:
        name = volume["secret"]["secretName"]
        data = api.admin.must("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")["data"]
        for item in volume["secret"]["items"]:
            (folder / item["path"]).write_bytes(base64.b64decode(data[item["key"]]))


def _project(folder: Path, source: Object, spec: Object, api: RealApiServer, namespace: str) -> None:
    if "serviceAccountToken" in source:
        token = api.token_for(spec["serviceAccountName"], namespace)
        (folder / source["serviceAccountToken"]["path"]).write_text(token)
    elif "configMap" in source:  # kube-root-ca.crt, which only kube-controller-manager creates
        (item,) = source["configMap"]["items"]
        (folder / item["path"]).write_bytes(api.ca_file.read_bytes())
    else:
        (item,) = source["downwardAPI"]["items"]
        (folder / item["path"]).write_text(namespace)
