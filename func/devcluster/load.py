"""Objects from JSON and YAML files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from func.core.yaml_loader import UniqueKeyLoader
from func.devcluster import documents, objects, resources
from func.devcluster.documents import Document
from func.devcluster.errors import ApiError
from func.devcluster.resources import Resource

_SUFFIXES = (".json", ".yaml", ".yml")


class LoadError(ValueError):
    """A file does not hold objects that the cluster serves; the message is one sentence that names it."""


def load_objects(paths: Iterable[str | Path]) -> list[Document]:
    """Return all objects in files and folders.

    A folder stands for all .json, .yaml and .yml files below it, in the order of their paths. A file may hold several
    YAML documents and lists (any kind that ends in List).

    Raises:
        LoadError: a path does not exist, a file is not JSON or YAML, or holds something that is not served.
    """
    return [document for path in paths for file in _files(Path(path)) for document in _objects(file)]


def resource_of(document: Document) -> Resource:
    """Return the resource of a loaded object.

    Raises:
        LoadError: it is not served.
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


def _objects(file: Path) -> list[Document]:
    try:
        content = file.read_bytes()
        # YAML goes through JSON, because it can hold what JSON cannot: sets, binary, keys that are not strings.
        values = [content] if file.suffix == ".json" else map(documents.encode, yaml.load_all(content, UniqueKeyLoader))
        return [document for value in values for document in _flat(documents.parse(value))]
    except TypeError as problem:
        raise LoadError(f"{file}: it holds something that JSON cannot hold ({problem})") from None
    except (OSError, ValueError, yaml.YAMLError, RecursionError, ApiError) as problem:
        raise LoadError(f"{file}: {' '.join(str(problem).split())}") from None


def _flat(value: object) -> Iterator[Document]:
    """Yield the objects of one document: none if it is empty, the items of a list, or itself."""
    if value is None:
        return
    if not isinstance(value, dict):
        raise LoadError("it holds something that is not a Kubernetes object")
    kind, items = value.get("kind"), value.get("items")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
        for item in items:
            # Lists of a kind leave the kind of their items out.
            default = {"apiVersion": value.get("apiVersion"), "kind": kind[:-4]} if kind != "List" else {}
            yield from _flat({**default, **item} if isinstance(item, dict) else item)
        return
    objects.loaded(resource_of(value), value, now="2000-01-01T00:00:00Z", uid="-")
    yield value
