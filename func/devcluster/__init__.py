"""An embedded Kubernetes API with a small workflow controller, for trying Taskgate out and for its tests.

It keeps the rules of the real API server where the function relies on them; `tests/contract` holds both to the same
tests. It is no part of the function: nothing that runs in the container imports it.
"""

from func.devcluster.errors import ApiError
from func.devcluster.load import LoadError, load_objects
from func.devcluster.resources import CONFIG_MAPS, EVENTS, NAMESPACES, WORKFLOWS
from func.devcluster.reviews import Identity
from func.devcluster.server import Change, EmbeddedCluster

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
