"""Runs the image with podman and crun, as the kubelet would have it run."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

BUILD = Path(__file__).with_name("build")
SOME_USER = "1000770000:0"  # OpenShift gives each namespace a range of user ids; the group is root's
_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "taskgate/image"
# A mount namespace: crun refuses a machine that has cgroups of both versions, so the second version is unmounted there.
# A process namespace: the kernel kills everything in it when the test run ends, however that ends. The shell is its
# first process, because it waits for those that lose their parent; podman does not.
_INSIDE = 'if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi; podman "$@"; exit $?'
_ENTER = ("unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child", "sh", "-c", _INSIDE, "podman")


def find_image() -> str:
    """The name of the image of this checkout; the test that asks is skipped where it is not built or cannot run."""
    found = subprocess.run([BUILD, "--where"], text=True, capture_output=True, check=False)
    if os.getuid() != 0:
        missing = "this user cannot run the image as a pod would: run the tests as root"
    elif found.returncode != 0:
        missing = "the image is not built: run 'make image'"
    else:
        return found.stdout.strip()
    if os.environ.get("TASKGATE_REQUIRE_IMAGE") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


def store_environment() -> dict[str, str]:
    """The environment in which podman and buildah use the store of the images themselves."""
    return os.environ | {"CONTAINERS_STORAGE_CONF": str(_CACHE / "storage.conf")}


@dataclass(frozen=True, slots=True)
class Podman:
    """podman with a store of its own, in which the image is read-only: nothing that ends too early spoils the image."""

    image: str
    environment: dict[str, str]

    @classmethod
    def in_folder(cls, image: str, folder: Path) -> Podman:
        """Podman for `image` that keeps all of its files in `folder`, a new one."""
        folder.mkdir(parents=True)
        storage = (_CACHE / "storage.conf").read_text().splitlines()
        (driver,) = (line for line in storage if line.startswith("driver"))
        (folder / "storage.conf").write_text(
            f'[storage]\n{driver}\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n'
            f'[storage.options]\nadditionalimagestores = ["{_CACHE}/store"]\n'
        )
        (folder / "containers.conf").write_text(
            # By default podman asks for more open files and processes than some machines let it have.
            '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n'
            '[engine]\nruntime = "crun"\ncgroup_manager = "cgroupfs"\nlock_type = "file"\nevents_logger = "none"\n'
            f'tmp_dir = "{folder}/temporary"\n'
        )
        settings = {"CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf", "CONTAINERS_CONF": f"{folder}/containers.conf"}
        return cls(image, settings | {"PATH": os.environ["PATH"], "HOME": str(folder)})

    def command(self, *arguments: str) -> list[str]:
        """The command line that runs podman so that all it starts ends with it."""
        return [*_ENTER, *arguments]

    def run(self, *arguments: str) -> str:
        """Runs podman to its end; returns its standard output.

        Raises:
            AssertionError: with its words, if it fails.
        """
        done = subprocess.run(
            self.command(*arguments), env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"podman {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def python(self, script: str, *options: str) -> Any:  # noqa: ANN401 - whatever the script prints
        """What a Python script prints as JSON, run in a container of the image instead of the function.

        Args:
            options: further options of `podman run`.
        """
        run = ["run", "--rm", "--network=none", "--entrypoint=python", *options, self.image]
        return json.loads(self.run(*run, "-c", script))

    def added(self, container: str) -> list[str]:
        """The files that a container, which ended, has added to the image or changed."""
        changes = json.loads(self.run("diff", "--format=json", container))
        return sorted({*changes.get("added", []), *changes.get("changed", [])})


def isolation(container: Mapping[str, Any], *, read_only: bool = True) -> Sequence[str]:
    """podman's options for what a container's manifest says of its isolation.

    Args:
        container: of the pod's manifest.
        read_only: false for a root file system that can be written to, other than the manifest says.
    """
    security = container["securityContext"]
    # Each word of the manifest has its option; another word wants another one.
    assert security == {
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},  # podman's default too
    }
    memory = container["resources"]["limits"]["memory"].removesuffix("i").lower()
    options = ["--cap-drop=all", "--security-opt=no-new-privileges", f"--memory={memory}", f"--memory-swap={memory}"]
    return [*options, "--read-only", "--read-only-tmpfs=false"] if read_only else options
