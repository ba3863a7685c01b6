"""An embedded Kubernetes API with a small workflow controller, for trying Taskgate out and for its tests.

It keeps the rules of the real API server where the function relies on them; `tests/contract` holds both to the same
tests. It is no part of the function: nothing that runs in the container imports it.
"""

from func.embedded.errors import ApiError
from func.embedded.load import LoadError, load_objects
from func.embedded.resources import CONFIG_MAPS, EVENTS, NAMESPACES, WORKFLOWS
from func.embedded.reviews import Identity
from func.embedded.server import Change, EmbeddedCluster

__all__ = [
    "CONFIG_MAPS",
    "EVENTS",
    "NAMESPACES",
    "WORKFLOWS",
    "ApiError",
    "Change",
    "EmbeddedCluster",
    "Identity",
    "LoadError",
    "load_objects",
]
