"""One node with its control plane, in a network, a mount and a process namespace of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.cluster.api_server import RealApiServer
from tests.cluster.processes import Process, Processes, wait_for
from tests.image.network import PodNetwork
from tests.image.podman import store_environment

NAME = "node"
PODS = "10.244.0.0/24"
BUILD = Path(__file__).with_name("build")
_PAUSE = "localhost/pause:1"
_ENVIRONMENT = {"PATH": os.environ["PATH"]}
# crun refuses a machine that has cgroups of both versions.
_HOLD = """
if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
echo 1 > /proc/sys/net/ipv4/ip_forward
touch "$0"
while :; do sleep 3600 & wait $!; done
"""


def find_node_tools() -> Path:
    """The folder of the kubelet and the others; the test that asks is skipped where they are not built."""
    found = subprocess.run([BUILD, "--where"], text=True, capture_output=True, check=False)
    if os.getuid() == 0 and found.returncode == 0:
        return Path(found.stdout.strip())
    missing = "no node: run 'make node' as root, which builds its components and runs one"
    if os.environ.get("TASKGATE_REQUIRE_NODE") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


class Node:
    """A node that takes pods, from `start` to `close`.

    Args:
        tools: what `build` built.
        network: the node's own; `network.pod` is the node's address.
        api: listens on `network.machine`.
    """

    def __init__(self, tools: Path, processes: Processes, network: PodNetwork, api: RealApiServer) -> None:
        self._tools, self._processes, self._network, self._api = tools, processes, network, api
        # Sockets have short names; a folder of pytest is too deep.
        self.folder = Path(tempfile.mkdtemp(prefix="taskgate-node-"))
        holding = self.folder / "holding"
        enter = [*network.enter, "unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"]
        self._holder = processes.add("node", [*enter, "sh", "-c", _HOLD, str(holding)], _ENVIRONMENT)
        self._holder.start()
        wait_for("the node's namespaces", lambda: holding.exists() or None, self._holder)
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        (first,) = children.read_text().split()
        self.enter = ["nsenter", f"--target={first}", "--net", "--mount", "--pid", "--"]
        self._socket = self.folder / "containerd.sock"

    def start(self, images: Mapping[str, str]) -> None:
        """Start everything and wait until the node takes pods.

        Args:
            images: the name that manifests use -> the image in the store of the image tests.
        """
        subprocess.run(
            [*self.enter, "ip", "route", "add", "default", "via", self._network.machine],
            check=True,
            capture_output=True,
        )
        self._run("containerd", ["containerd", "--config", self._write("containerd.toml", self._containerd())])
        wait_for("containerd", lambda: self._socket.exists() or None)
        self._load_pause()
        for name, stored in images.items():
            self._load(name, stored)
        kubeconfig = f"--kubeconfig={self._api.kubeconfig}"
        key = self._api.ca_file.with_name("key.pem")
        self._run(
            "kube-controller-manager",
            [
                self._tools / "kube-controller-manager",
                kubeconfig,
                "--leader-elect=false",
                "--horizontal-pod-autoscaler-sync-period=1s",
                f"--root-ca-file={self._api.ca_file}",
                f"--service-account-private-key-file={key}",
            ],
        )
        self._run("kube-scheduler", [self._tools / "kube-scheduler", kubeconfig, "--leader-elect=false"])
        self._run(
            "kube-proxy",
            [
                self._tools / "kube-proxy",
                kubeconfig,
                f"--hostname-override={NAME}",
                f"--cluster-cidr={PODS}",
                "--proxy-mode=iptables",
                # The tables of connections belong to the machine.
                "--conntrack-max-per-core=0",
                "--conntrack-tcp-timeout-established=0",
                "--conntrack-tcp-timeout-close-wait=0",
            ],
        )
        kubelet = self._run(
            "kubelet",
            [
                self._tools / "kubelet",
                kubeconfig,
                f"--config={self._write('kubelet.yaml', yaml.safe_dump(self._kubelet()))}",
                f"--root-dir={self.folder / 'kubelet'}",
                f"--hostname-override={NAME}",
                f"--node-ip={self._network.pod}",
            ],
        )
        wait_for("the node to be ready", self._ready, kubelet, timeout=120)

    def close(self) -> None:
        """End everything; the kernel kills what runs in the namespace and unmounts what is mounted there."""
        self._holder.kill()
        self._network.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, name: str, command: list[str | Path]) -> Process:
        process = self._processes.add(name, [*self.enter, *map(str, command)], _ENVIRONMENT)
        process.start()
        return process

    def _write(self, name: str, text: str) -> Path:
        (self.folder / name).write_text(text)
        return self.folder / name

    def _ready(self) -> bool | None:
        node = self._api.admin.request("GET", f"/api/v1/nodes/{NAME}")
        if node.status != 200:
            return None
        conditions = {one["type"]: one["status"] for one in node.body["status"].get("conditions", [])}
        return conditions.get("Ready") == "True" or None

    def _import(self, archive: Path) -> None:
        ctr = ["ctr", f"--address={self._socket}", "--namespace=k8s.io", "images", "import", str(archive)]
        done = subprocess.run([*self.enter, *ctr], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        archive.unlink()

    def _load(self, name: str, stored: str) -> None:
        archive = self.folder / "image.tar"
        push = ["buildah", "push", "--quiet", stored, f"docker-archive:{archive}:{name}"]
        subprocess.run(push, env=store_environment(), check=True, capture_output=True)
        self._import(archive)

    def _load_pause(self) -> None:
        environment = store_environment()

        def buildah(*arguments: str) -> str:
            done = subprocess.run(["buildah", *arguments], env=environment, capture_output=True, text=True, check=True)
            return done.stdout.strip()

        container = buildah("from", "scratch")
        buildah("copy", "--quiet", container, str(self._tools / "pause"), "/pause")
        buildah("config", "--entrypoint", '["/pause"]', container)
        buildah("commit", "--quiet", "--rm", container, _PAUSE)
        self._load(_PAUSE, _PAUSE)

    def _containerd(self) -> str:
        plugins = {"cniVersion": "0.4.0", "name": "pods", "plugins": [self._bridge()]}
        (self.folder / "cni").mkdir()
        self._write("cni/pods.conflist", json.dumps(plugins))
        cri = 'plugins."io.containerd.grpc.v1.cri"'
        return f"""
            version = 2
            root = "{self.folder}/containerd"
            state = "{self.folder}/state"
            [grpc]
            address = "{self._socket}"
            [{cri}]
            sandbox_image = "{_PAUSE}"
            restrict_oom_score_adj = true
            [{cri}.containerd]
            snapshotter = "overlayfs"
            default_runtime_name = "crun"
            [{cri}.containerd.runtimes.crun]
            runtime_type = "io.containerd.runc.v2"
            [{cri}.containerd.runtimes.crun.options]
            BinaryName = "{shutil.which("crun")}"
            [{cri}.cni]
            bin_dir = "/usr/lib/cni"
            conf_dir = "{self.folder}/cni"
        """

    def _bridge(self) -> dict[str, object]:
        addresses = {
            "type": "host-local",
            "dataDir": str(self.folder / "addresses"),
            "ranges": [[{"subnet": PODS}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        return {
            "type": "bridge",
            "bridge": "pods",
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": addresses,
        }

    def _kubelet(self) -> dict[str, object]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{self._socket}",
            "cgroupDriver": "cgroupfs",
            "failCgroupV1": False,
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "podLogsDir": str(self.folder / "logs"),
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},  # nobody else is in the node's network
            "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%"},
            "imageGCHighThresholdPercent": 100,
        }
