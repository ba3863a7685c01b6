"""Objects from JSON and YAML files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from func.devcluster import documents, objects, resources
from func.devcluster.documents import Document
from func.devcluster.errors import ApiError
from func.devcluster.resources import Resource

_SUFFIXES = (".json", ".yaml", ".yml")


class LoadError(ValueError):
    """A file does not hold what the cluster could be filled with; the message is one sentence that names it."""


class _Loader(yaml.SafeLoader):
    """YAML without dates: a timestamp stays the text that the API server would get."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_objects(paths: Iterable[str | Path]) -> list[Document]:
    """All objects in files and folders.

    A folder stands for all .json, .yaml and .yml files below it, in the order of their paths. A file may hold several
    YAML documents and lists (any kind that ends in List).

    Args:
        paths: Files or folders.

    Raises:
        LoadError: A path is not there, a file is no JSON or YAML, or holds something that is not served.

    """
    return [document for path in paths for file in _files(Path(path)) for document in _objects(file)]


def resource_of(document: Document) -> Resource:
    """The resource of a loaded object.

    Raises:
        LoadError: It is not served.

    """
    resource = resources.by_kind(document.get("apiVersion"), document.get("kind"))
    if resource is None:
        served = ", ".join(f"{each.api_version} {each.kind}" for each in resources.RESOURCES)
        found = f"{document.get('apiVersion')} {document.get('kind')}"
        raise LoadError(f"{found} is not served here; served are {served}")
    return resource


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(each for each in path.rglob("*") if each.suffix in _SUFFIXES and each.is_file())
        if not found:
            raise LoadError(f"{path}: there is no .json, .yaml or .yml file in this folder")
        return found
    if not path.is_file():
        raise LoadError(f"{path}: there is no such file or folder")
    return [path]


def _objects(file: Path) -> Iterator[Document]:
    try:
        content = file.read_bytes()
        values = [documents.parse(content)] if file.suffix == ".json" else list(_yaml_documents(content))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as problem:
        raise LoadError(f"{file}: {' '.join(str(problem).split())}") from None
    try:
        for value in values:
            yield from _flat(value)
    except (ApiError, LoadError, objects.MalformedError) as problem:
        raise LoadError(f"{file}: {problem}") from None


def _yaml_documents(content: bytes) -> Iterator[object]:
    for value in yaml.load_all(content, Loader=_Loader):
        if value is not None:
            # Through JSON, because YAML can hold what JSON cannot: sets, binary, keys that are no text.
            yield _plain(value)


def _plain(value: object) -> object:
    try:
        return documents.parse(documents.encode(value))
    except TypeError as problem:
        raise ValueError(f"it holds something that JSON cannot hold ({problem})") from None


def _flat(value: object) -> Iterator[Document]:
    if not isinstance(value, dict):
        raise LoadError("it holds something that is not a Kubernetes object")
    kind = value.get("kind")
    items = value.get("items")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
        for item in items:
            # Lists of a kind leave the kind of their items out.
            yield from _flat(
                {"apiVersion": value.get("apiVersion"), "kind": kind[:-4], **item} if _bare(kind, item) else item
            )
        return
    _check(value)
    yield value


def _bare(kind: str, item: object) -> bool:
    return kind != "List" and isinstance(item, dict) and "kind" not in item


def _check(document: dict[str, Any]) -> None:
    resource = resource_of(document)
    objects.loaded(resource, document, now="2000-01-01T00:00:00Z", uid="-")
