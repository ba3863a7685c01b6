"""The kinds that the embedded API serves, as one table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Resource:
    """One kind of object and the rules that differ between kinds.

    Args:
        custom: Stored as a custom resource: updates must name a resourceVersion, `generation` counts changes.
        objects: Fields that must be JSON objects where they are present.
        required: Fields without which the object is refused.
        fields: All that is kept beside apiVersion, kind and metadata; empty keeps everything.
        selectable: The paths that field selectors may name.
        verbs: What is served of it.

    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    custom: bool = False
    short_names: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    selectable: tuple[str, ...] = ("metadata.name",)
    verbs: tuple[str, ...] = ("create", "delete", "get", "list", "patch", "update", "watch")

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The name that messages use: `workflows.argoproj.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """The kind as messages use it: `Workflow.argoproj.io`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def root(self) -> str:
        """The path that all paths of this group and version start with."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


WORKFLOWS = Resource(
    "argoproj.io",
    "v1alpha1",
    "workflows",
    "Workflow",
    custom=True,
    short_names=("wf",),
    objects=("spec", "status"),
    required=("spec",),
    fields=("spec", "status"),
)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False, short_names=("ns",))
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", short_names=("cm",), objects=("data",))
# kubectl describe selects the Events of an object by these fields.
# Source: https://github.com/kubernetes/kubernetes/blob/v1.35.4/pkg/registry/core/event/strategy.go (ToSelectableFields)
EVENTS = Resource(
    "",
    "v1",
    "events",
    "Event",
    short_names=("ev",),
    selectable=("metadata.name", *(f"involvedObject.{each}" for each in ("kind", "name", "namespace", "uid"))),
)
# The same objects by their newer name, by which the function creates them. They are read as EVENTS.
NEW_EVENTS = Resource("events.k8s.io", "v1", "events", "Event", verbs=("create",))

RESOURCES = (WORKFLOWS, NAMESPACES, CONFIG_MAPS, EVENTS, NEW_EVENTS)


def by_path(group: str, version: str, plural: str) -> Resource | None:
    """Return the resource of a request path, None for one that is not served."""
    return next(
        (each for each in RESOURCES if (each.group, each.version, each.plural) == (group, version, plural)), None
    )


def by_kind(api_version: object, kind: object) -> Resource | None:
    """Return the resource that an object names, None for one that is not served."""
    return next((each for each in RESOURCES if (each.api_version, each.kind) == (api_version, kind)), None)
