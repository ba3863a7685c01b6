"""What is in the image: the function, the packages of its lock, and a user that is not root."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import TypedDict

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.image.podman import SOME_USER, Podman
from tests.manifests.building import ROOT

# The path of each file of ours but the bytecode.
_OURS = """
import json, pathlib
files = pathlib.Path("/opt/taskgate/app").rglob("*")
print(json.dumps([str(file) for file in files if file.is_file() and file.suffix != ".pyc"]))
"""
# Each installed distribution.
_PACKAGES = """
import json
from importlib.metadata import distributions
print(json.dumps({one.name: {"version": one.version, "requires": one.requires or []} for one in distributions()}))
"""
# Each module of ours that cannot be imported, and why.
_IMPORTS = """
import importlib, json, pkgutil, func
failed = {}
for module in pkgutil.walk_packages(func.__path__, "func."):
    if module.name == "func.main":  # starts the function
        continue
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        failed[module.name] = error.name
print(json.dumps(failed))
"""

# The files and folders, of ours and of the packages, that this process cannot read, and those that it can change.
_ACCESS = """
import json, os
paths = [os.path.join(folder, name) for folder, *names in os.walk("/opt/taskgate") for name in sum(names, [])]
unreadable = [path for path in paths if not os.access(path, os.R_OK | os.X_OK if os.path.isdir(path) else os.R_OK)]
print(json.dumps({"unreadable": unreadable, "writable": [path for path in paths if os.access(path, os.W_OK)]}))
"""


class Package(TypedDict):
    """An installed distribution: its version, and its requirements as its metadata has them."""

    version: str
    requires: list[str]


def unmet(requirements: Sequence[str], packages: Mapping[str, Package]) -> list[str]:
    """The requirements, direct and indirect, that no installed package meets."""
    installed = {canonicalize_name(name): package for name, package in packages.items()}
    all_of_them = [(text, "") for text in requirements]
    all_of_them += [(text, name) for name, package in packages.items() for text in package["requires"]]
    missing = []
    for text, origin in all_of_them:
        requirement = Requirement(text)
        environment = {**default_environment(), "extra": ""}
        if requirement.marker and not requirement.marker.evaluate(environment):  # type: ignore[arg-type]
            continue
        found = installed.get(canonicalize_name(requirement.name))
        if found is None or not requirement.specifier.contains(found["version"], prereleases=True):
            missing.append(f"{origin or 'taskgate'} requires {text}")
    return missing


def problem_of_user(user: str) -> str | None:
    """Why the kubelet refuses an image's user where runAsNonRoot is set; None if it does not.

    Source: https://github.com/kubernetes/kubernetes/blob/v1.35.4/pkg/kubelet/kuberuntime/security_context.go
    """
    number = user.partition(":")[0]
    if not re.fullmatch(r"\d+", number):
        return "the user is not a number"
    return "the user is root" if int(number) == 0 else None


@pytest.fixture(scope="module")
def requirements() -> list[str]:
    """What the function requires directly."""
    found: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return found


@pytest.fixture(scope="module")
def packages(podman: Podman) -> dict[str, Package]:
    """The installed distributions of the image."""
    found: dict[str, Package] = podman.python(_PACKAGES)
    return found


def test_it_has_all_of_the_function_and_none_of_the_tools_around_it(podman: Podman) -> None:
    files: list[str] = podman.python(_OURS)
    checkout = {str(file.relative_to(ROOT)) for file in (ROOT / "func").rglob("*") if file.is_file()}
    tools = ("func/board/", "func/cli/board.py", "func/devcluster/")
    expected = {file for file in checkout if not file.startswith(tools) and "__pycache__" not in file}
    assert {file.removeprefix("/opt/taskgate/app/") for file in files} == expected


def test_all_of_it_can_be_imported(podman: Podman) -> None:
    """Only the extra `otlp` is not there."""
    assert podman.python(_IMPORTS) == {"func.telemetry.otlp": "opentelemetry"}


def test_it_has_what_the_function_requires(requirements: list[str], packages: dict[str, Package]) -> None:
    assert unmet(requirements, packages) == []


@pytest.mark.parametrize("absent", ["prometheus-client", "h11"])  # the function requires one, uvicorn the other
def test_a_package_that_the_lock_does_not_have_is_noticed(
    requirements: list[str], packages: dict[str, Package], absent: str
) -> None:
    fewer = {name: package for name, package in packages.items() if canonicalize_name(name) != absent}
    (missing,) = unmet(requirements, fewer)
    assert f"requires {absent}" in missing


def test_it_has_exactly_the_packages_of_its_lock(packages: dict[str, Package]) -> None:
    """The ones of another platform apart."""
    lines = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    locked = {canonicalize_name(name): version for name, version in lines}
    installed = {canonicalize_name(name): package["version"] for name, package in packages.items()}
    assert installed.items() <= locked.items()
    assert not {"pip", "setuptools", "wheel", "pytest"} & set(installed)


def test_its_user_is_a_number_and_not_root(podman: Podman) -> None:
    user = podman.run("image", "inspect", "--format={{.Config.User}}", podman.image).strip()
    assert problem_of_user(user) is None
    assert [problem_of_user(wrong) is None for wrong in ("", "0", "0:65532", "root", "nobody")] == [False] * 5


@pytest.mark.parametrize("options", [(), (f"--user={SOME_USER}",)], ids=["the image's user", "some user"])
def test_its_user_can_read_all_of_it_and_change_none_of_it(podman: Podman, options: tuple[str, ...]) -> None:
    """Also what no event needs, and where the file system is not read-only."""
    assert podman.python(_ACCESS, *options) == {"unreadable": [], "writable": []}


def test_it_knows_its_version_and_its_commands(podman: Podman) -> None:
    run = ("run", "--rm", "--network=none", podman.image)
    assert re.fullmatch(r"taskgate, version \d+\.\d+\.\d+\n", podman.run(*run, "--version"))
    listed = podman.run(*run, "--help").partition("Commands:\n")[2].partition("\n\n")[0]
    assert re.findall(r"^  (\w+) ", listed, re.MULTILINE) == ["serve", "check", "explain", "waiting", "replay"]
