"""An embedded Kubernetes API with a stand-in workflow controller, to try Taskgate out and to test it.

It follows the rules of the real API server where the function and kubectl rely on them; `tests/contract` runs the same
tests against both. It is not part of the function: nothing that runs in the container imports it. It applies
patches with code of its own, so that a mistake of the function shows. It reads label selectors as the function does.
"""

from func.devcluster.api import Identity
from func.devcluster.errors import ApiError
from func.devcluster.follower import Change
from func.devcluster.load import LoadError, load_objects
from func.devcluster.resources import CONFIG_MAPS, EVENTS, NAMESPACES, WORKFLOWS
from func.devcluster.server import EmbeddedCluster

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
