"""The kinds of object that the embedded API serves, as one table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Resource:
    """One kind of object and the rules that differ between kinds.

    Args:
        custom: a custom resource: updates must name a resourceVersion, `generation` counts changes, and of its fields
            only `objects` are kept.
        objects: fields that must be JSON objects where they are present.
        required: fields without which the object is rejected.
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
    verbs: tuple[str, ...] = ("create", "delete", "get", "list", "patch", "update", "watch")

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The name that messages use: `workflows.argoproj.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

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
)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False, short_names=("ns",))
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", short_names=("cm",), objects=("data",))
EVENTS = Resource("", "v1", "events", "Event", short_names=("ev",))
# The same objects by their newer name, by which the function creates them. They are read as EVENTS.
NEW_EVENTS = Resource("events.k8s.io", "v1", "events", "Event", verbs=("create",))

RESOURCES = (WORKFLOWS, NAMESPACES, CONFIG_MAPS, EVENTS, NEW_EVENTS)


def by_path(group: str, version: str, plural: str) -> Resource | None:
    """Return the resource of a request path; None for one that is not served."""
    return next(
        (each for each in RESOURCES if (each.group, each.version, each.plural) == (group, version, plural)), None
    )


def by_kind(api_version: object, kind: object) -> Resource | None:
    """Return the resource that an object names; None for one that is not served."""
    return next((each for each in RESOURCES if (each.api_version, each.kind) == (api_version, kind)), None)
