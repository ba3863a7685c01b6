"""The embedded cluster: the API on a loopback port, its store, and the controller that advances Workflows."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import uvicorn

from func.core.label_selectors import Selector
from func.devcluster import load
from func.devcluster.api import Api, Identity, Recorded
from func.devcluster.controller import Controller
from func.devcluster.documents import Document
from func.devcluster.follower import Change, Follower
from func.devcluster.store import Store, View
from func.service.sockets import listen

_KEPT_REQUESTS = 100_000


class EmbeddedCluster:
    """A Kubernetes API on loopback, in a thread of this process.

    Args:
        port: TCP port; 0 takes a free one.
        controller: whether to advance Workflows as Argo's controller does.
        objects: what is in the cluster from the start.

    Raises:
        ApiError: one of the objects is not valid.
        LoadError: one of the objects is of a kind that is not served.
        OSError: the port is in use.
    """

    def __init__(self, port: int = 0, *, controller: bool = True, objects: Iterable[Document] = ()) -> None:
        self.store = Store()
        self.requests: deque[Recorded] = deque(maxlen=_KEPT_REQUESTS)
        self.tokens: dict[str, Identity] = {}
        self.store.ensure_namespace("default")
        for document in objects:
            self.store.load(load.resource_of(document), document)
        self._api = Api(self.store, record=self.requests.append, tokens=self.tokens)
        self._controller = Controller(self.store) if controller else None
        self._followers: list[Follower] = []
        self._socket = listen("127.0.0.1", port)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config: dict[str, Any] = {"http": "h11", "ws": "none", "lifespan": "off", "log_config": None}
        config |= {"access_log": False, "server_header": False, "timeout_keep_alive": 60}
        self._server = uvicorn.Server(uvicorn.Config(self._api, timeout_graceful_shutdown=2, **config))
        name = f"embedded-cluster-{self.port}"
        run = {"sockets": [self._socket]}
        self._thread = threading.Thread(target=self._server.run, kwargs=run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to serve. The socket listens already, so clients need not wait for anything."""
        self._thread.start()
        if self._controller:
            self.follow(self._controller.on_change, existing=True)

    def stop(self) -> None:
        """End everything that was started, and return when it has ended."""
        for follower in self._followers:
            follower.close()
        self._api.stop()
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    def write_kubeconfig(self, path: str | Path, namespace: str = "default") -> Path:
        """Write a kubeconfig for this cluster, its only context.

        Args:
            namespace: the one that kubectl uses if none is named.

        Raises:
            OSError: the file cannot be written.
        """
        name = "taskgate"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": self.url}}],
            "users": [{"name": name, "user": {}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
            "current-context": name,
        }
        file = Path(path)
        file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")  # JSON is YAML
        return file

    def follow(
        self, callback: Callable[[Change], None], *, label_selector: str = "", existing: bool = False
    ) -> Follower:
        """Call back with each change of a Workflow, in order, in a thread of its own; the callback may write.

        Args:
            label_selector: only Workflows with these labels; one that gets them is ADDED, one that loses them DELETED.
            existing: begin with an ADDED for each Workflow that is there.

        Raises:
            ValueError: the selector is not valid.
        """
        follower = Follower(self.store, View("", Selector.parse(label_selector)), callback, existing=existing)
        self._followers.append(follower)
        return follower
