"""What the container holds, installed on this machine: the packages of requirements.lock alone, and all bytecode.

Kept in the user's cache, for the packages take a minute to install; the function itself is copied anew for each run.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LOCK = ROOT / "requirements.lock"
_GO = Path(__file__).with_name("go")
_HELLO = Path(__file__).with_name("hello")
_COMPILE = ("-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash")


class NotThere(Exception):
    """Something is not installed here; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where the container's parts are.

    Args:
        venv: of the packages.
        app: the folder with func/, the container's working directory.
        environment: of the container, as the Dockerfile has it.
    """

    venv: Path
    app: Path
    environment: dict[str, str]

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def hello(self) -> Path:
        """The folder of the functions that only say hello."""
        return self.app / "hello"

    def packages(self) -> int:
        """How many packages there are."""
        return len(list(self.venv.glob("lib/python*/site-packages/*.dist-info")))


def cache() -> Path:
    """Where what takes long to build is kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "taskgate" / "bench"


def install(folder: Path, source: Path = ROOT) -> Installation:
    """Install it all.

    Args:
        folder: empty; for the function.
        source: the folder with its func/.

    Raises: NotThere, when the packages are not to be had.
    """
    venv = _packages()
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source / "func", folder / "func", ignore=ignored)
    shutil.copytree(_HELLO, folder / "hello", ignore=ignored)
    subprocess.run([venv / "bin" / "python", *_COMPILE, folder], check=True)
    path = {"PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder)}
    return Installation(venv, folder, path | image_environment((ROOT / "Dockerfile").read_text(encoding="utf-8")))


def image_environment(dockerfile: str) -> dict[str, str]:
    """The variables that an image sets, PATH apart."""
    joined = re.sub(r"\\\n\s*", "", dockerfile)
    lines = re.findall(r"^ENV (.*)$", joined, re.MULTILINE)
    pairs = (word.partition("=") for line in lines for word in line.split())
    return {name: value for name, _, value in pairs if name != "PATH"}


def go_function() -> Path:
    """The function in Go, built if need be.

    Raises: NotThere, without Go, or when its modules are not to be had.
    """
    sources = [_GO / name for name in ("main.go", "go.mod", "go.sum")]
    binary = cache() / f"go-function-{_fingerprint(*sources)}"
    if not binary.exists():
        if not shutil.which("go"):
            raise NotThere("The function in Go was not measured: there is no `go` on the PATH.")
        binary.parent.mkdir(parents=True, exist_ok=True)
        new = binary.with_name(f"{binary.name}.{os.getpid()}")
        command: list[str | Path] = ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", new, "."]
        built = subprocess.run(
            command, cwd=_GO, env=os.environ | {"CGO_ENABLED": "0"}, capture_output=True, text=True, check=False
        )
        if built.returncode:
            words = " ".join(built.stderr.split())[-200:]
            raise NotThere(f"The function in Go was not measured: it could not be built ({words}).")
        new.replace(binary)
    return binary


def megabytes(folder: Path) -> float:
    """What all files in a folder take."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink()) / 1e6


def _packages() -> Path:
    venv = cache() / f"packages-{sys.version_info.major}.{sys.version_info.minor}-{_fingerprint(_LOCK)}"
    done = venv / "complete"
    with _locked(venv.with_name(f"{venv.name}.lock")):
        if done.exists():
            return venv
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        pip: list[str | Path] = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            venv / "bin" / "python",
            "--disable-pip-version-check",
        ]
        options = ["--quiet", "--no-compile", "--require-hashes", "--only-binary", ":all:"]
        installed = subprocess.run([*pip, "install", *options, "-r", _LOCK], check=False)
        if installed.returncode:
            raise NotThere("Nothing was measured: the packages of requirements.lock could not be installed.")
        subprocess.run([venv / "bin" / "python", *_COMPILE, venv / "lib"], check=True)
        done.touch()
    return venv


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fingerprint(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
