"""The cluster as a command: it serves until somebody stops it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType

from func.devcluster.load import load_objects
from func.devcluster.server import EmbeddedCluster


def run(
    *,
    port: int,
    paths: Iterable[str | Path],
    kubeconfig: str | Path,
    controller: bool,
    say: Callable[[str], None],
    namespace: str = "default",
) -> None:
    """Serve the objects of some files until the process gets SIGINT or SIGTERM.

    Must be called in the main thread, because of the signals; their handlers are put back in the end.

    Args:
        port: TCP port on loopback; 0 takes a free one.
        paths: Files and folders to load.
        kubeconfig: Where to write the kubeconfig of this cluster.
        controller: Whether Workflows are moved on.
        say: Gets one line when the cluster is ready.
        namespace: The namespace of the kubeconfig's context.

    Raises:
        LoadError: A file does not hold what can be served; the message names it.
        OSError: The port is taken, or the kubeconfig cannot be written.

    """
    objects = load_objects(paths)
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with EmbeddedCluster(port, controller=controller, objects=objects) as cluster:
            cluster.write_kubeconfig(kubeconfig, namespace)
            say(f"Kubernetes API ready at {cluster.url} with {len(objects)} objects; kubeconfig: {kubeconfig}")
            stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
