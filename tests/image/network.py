"""A pod's network on this machine: a namespace of its own, joined with the machine by one pair of interfaces."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.cluster.processes import Processes, wait_for

INTERFACE = "taskgate"


class PodNetwork:
    """The network of one pod, as long as the process runs that holds it, which a cluster's pause container does.

    The addresses are of the block for benchmarks, which no network routes (RFC 2544).
    """

    def __init__(self, processes: Processes) -> None:
        self._holder = processes.add("pause", ["unshare", "--net", "sleep", "infinity"], {"PATH": os.environ["PATH"]})
        self._holder.start()
        wait_for("a network namespace", self._made, self._holder)
        number = self._holder.pid % (1 << 13)
        block = f"198.18.{number >> 6}.{(number & 63) * 4}"
        self.machine, self.pod = (f"{block.rpartition('.')[0]}.{(number & 63) * 4 + host}" for host in (1, 2))
        name = f"taskgate-{number}"
        _ip("link", "add", name, "type", "veth", "peer", "name", INTERFACE, "netns", str(self._holder.pid))
        _ip("address", "add", f"{self.machine}/30", "dev", name)
        _ip("link", "set", name, "up")
        for command in (
            ["address", "add", f"{self.pod}/30", "dev", INTERFACE],
            ["link", "set", INTERFACE, "up"],
            ["link", "set", "lo", "up"],
        ):
            subprocess.run([*self.enter, "ip", *command], check=True, capture_output=True, text=True)

    @property
    def enter(self) -> list[str]:
        """What comes before a command that runs in this network."""
        return ["nsenter", f"--net={self._namespace}", "--"]

    def close(self) -> None:
        """Ends it; the kernel removes the interfaces with the namespace."""
        self._holder.kill()

    @property
    def _namespace(self) -> Path:
        return Path(f"/proc/{self._holder.pid}/ns/net")

    def _made(self) -> bool | None:
        return self._namespace.readlink() != Path("/proc/self/ns/net").readlink() or None


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
