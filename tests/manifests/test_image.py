"""What can be known of the image without a registry: what the Dockerfile says, and what its installation makes."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import urllib3

from tests.manifests.building import ROOT, build, function

LOCK = ROOT / "requirements.lock"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (instruction, rest), lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    joined = re.sub(r"\\\n\s*", "", text)
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line.strip()]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, from its FROM on."""
    found: list[list[tuple[str, str]]] = []
    for instruction in instructions():
        if instruction[0] == "FROM":
            found.append([])
        if found:
            found[-1].append(instruction)
    return found


def test_two_stages_on_one_pinned_base() -> None:
    (base,) = [rest for name, rest in instructions() if name == "ARG"]
    assert re.fullmatch(r"PYTHON=docker\.io/library/python:3\.\d+-slim-\w+", base)
    assert [stage[0][1] for stage in stages()] == ["${PYTHON} AS build", "${PYTHON}"]


def test_the_base_is_the_python_of_the_tests() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"python:{version}-slim" in dict(instructions())["ARG"]


def test_it_runs_as_nobody_with_the_contracts_command() -> None:
    last = dict(stages()[-1])
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", last["USER"])  # a name can't be checked by runAsNonRoot
    assert last["ENTRYPOINT"] == '["python", "-m", "func"]'
    assert last["CMD"] == '["serve", "--host", "0.0.0.0"]'
    (container,) = function(build("base"))["spec"]["template"]["spec"]["containers"]
    assert not {"command", "args"} & container.keys()


def test_nothing_is_installed_without_its_hash() -> None:
    installs = [shlex.split(rest) for name, rest in instructions() if name == "RUN" and " install " in rest]
    assert len(installs) == 1
    assert {"--require-hashes", "--only-binary"} <= set(installs[0])


def test_no_installer_is_left() -> None:
    runs = [rest for name, rest in stages()[-1] if name == "RUN"]
    assert "pip uninstall --yes --quiet --root-user-action ignore pip setuptools wheel" in runs[0]
    assert "ensurepip" in runs[0]


def test_only_the_function_and_its_lock_are_sent_to_the_builder() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines == ["*", "!func", "!requirements.lock", "**/__pycache__"]
    copied = {rest.split()[0] for name, rest in instructions() if name == "COPY" and "--from" not in rest}
    assert copied == {"func", "requirements.lock"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the build stage makes, by its own commands, in another folder."""
    if not LOCK.exists():
        pytest.skip("there is no requirements.lock")
    place = tmp_path_factory.mktemp("image")
    tools = place / "tools"
    subprocess.run([sys.executable, "-m", "venv", tools], check=True)  # the builder's python and pip
    for name, rest in stages()[0][1:]:
        here = re.sub("/tmp/|/opt/", f"{place}/", rest)  # noqa: S108 - the image's folder, not ours
        if name == "COPY":
            source, target = here.split()
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            copy(ROOT / source, target)
        else:
            assert name == "RUN"
            path = f"{tools / 'bin'}{os.pathsep}{os.environ['PATH']}"
            subprocess.run(["bash", "-euc", here], check=True, env={**os.environ, "PATH": path})
    return place / "taskgate"


def megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink()) / 1e6


def test_no_installer_is_installed(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for absent in ("pip", "setuptools", "wheel", "pytest"):
        found = subprocess.run([installed / "bin/python", "-c", f"import {absent}"], capture_output=True, check=False)
        assert found.returncode == 1, absent
    above, packages = megabytes(installed), megabytes(installed / "lib")
    with capsys.disabled():
        sys.stdout.write(f"\nimage: {above:.0f} MB above its base, {packages:.0f} MB of it packages\n")


def test_every_module_has_its_bytecode(installed: Path) -> None:
    modules = [m for m in installed.rglob("*.py") if "site-packages" in m.parts or "app" in m.parts]
    missing = [m for m in modules if not list((m.parent / "__pycache__").glob(f"{m.stem}.cpython-*.pyc"))]
    assert len(modules) > 100
    assert missing == []


KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: x}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: default}}]
current-context: x
"""


def test_it_starts_where_nothing_can_be_written(installed: Path, tmp_path: Path) -> None:
    """readOnlyRootFilesystem, and no volume to write to: a mount namespace whose root is read-only, /tmp too."""
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = f"mount -o remount,bind,ro / && ! touch {tmp_path}/x 2>&1 && exec {installed}/bin/python -m func serve"
    environment = {
        "PATH": os.environ["PATH"],
        "PORT": str(port),
        "TASKGATE_AUTH": "none",
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
    }
    command = ["unshare", "--mount", "--map-root-user", "sh", "-euc", script]
    with subprocess.Popen(command, cwd=installed / "app", env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr
            listening = server.stderr.readline()
            assert f":{port}" in listening, listening + (server.stderr.read() if server.poll() is not None else "")
            answer = urllib3.request("GET", f"http://127.0.0.1:{port}/readyz", retries=False, timeout=10)
            assert answer.status == 200
        finally:
            server.kill()
