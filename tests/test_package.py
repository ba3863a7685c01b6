"""The wheel and the sdist: what is in them, how a package index shows them, and that they install."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Mapping, Sequence
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
import yaml
from readme_renderer import markdown

from func import __version__
from tests.manifests.building import ROOT

REPOSITORY = "https://github.com/somebody/taskgate"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the wheel and the sdist, built as a release builds them."""
    folder = tmp_path_factory.mktemp("dist")
    environment = os.environ | {"REPOSITORY": REPOSITORY, "PYTHON": sys.executable}
    built = subprocess.run([ROOT / ".ci/package", folder], env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(packages: Path) -> Path:
    """The wheel."""
    (file,) = packages.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """What a package index shows of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


def test_the_wheel_has_the_function_its_data_and_its_licence(wheel: Path) -> None:
    assert wheel.name == f"taskgate-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    information = f"taskgate-{__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"func", information}
    tracked = {str(file.relative_to(ROOT)) for file in (ROOT / "func").rglob("*") if file.is_file()}
    assert {name for name in names if name.startswith("func/")} == {
        name for name in tracked if "__pycache__" not in name
    }
    assert f"{information}/licenses/LICENSE" in names


def test_the_sdist_has_no_tests(packages: Path) -> None:
    (file,) = packages.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2].partition("/")[0] for name in archive.getnames()} - {""}
    assert names == {
        "func", "CHANGELOG.md", "LICENSE", "MANIFEST.in", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg",
        "taskgate.egg-info",
    }  # fmt: skip


def test_the_readme_renders_and_its_links_lead_to_this_version(metadata: Message) -> None:
    html = markdown.render(str(metadata.get_payload()), variant="GFM")
    assert html is not None
    links = re.findall(r'<a href="([^"]+)"', html)
    assert f"{REPOSITORY}/blob/v{__version__}/docs/README.md" in links
    assert f'src="{REPOSITORY}/blob/v{__version__}/docs/images/board.png?raw=true"' in html
    for link in links:
        assert link.startswith(("https://", "http://", "#")), link
        path = link.removeprefix(f"{REPOSITORY}/blob/v{__version__}/")
        assert path == link or (ROOT / path.partition("#")[0]).exists(), link


def test_the_metadata_names_the_repository_and_no_tools(metadata: Message) -> None:
    urls = dict(str(url).split(", ") for url in metadata.get_all("Project-URL", []))
    assert urls["Source"] == REPOSITORY
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("Provides-Extra") == ["otlp"]
    assert not [text for text in metadata.get_all("Requires-Dist", []) if "pytest" in text]


def test_the_checks_run_on_each_python_that_the_metadata_names(metadata: Message) -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    prefix = "Programming Language :: Python :: 3."
    named = [text for text in metadata.get_all("Classifier", []) if text.startswith(prefix)]
    assert [f"3.{text.removeprefix(prefix)}" for text in named] == jobs["check"]["strategy"]["matrix"]["python"]


def test_the_installed_command_knows_its_version_and_completes(wheel: Path, tmp_path: Path) -> None:
    """The wheel in an environment of its own; the packages that it requires are those of the tests."""
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python")]
    run([*pip, "install", "--no-deps", "--quiet", str(wheel)], os.environ)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "required.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")

    taskgate = str(folder / "bin/taskgate")
    assert run([taskgate, "--version"], {}) == f"taskgate, version {__version__}\n"
    completed = {"_TASKGATE_COMPLETE": "bash_complete", "COMP_WORDS": "taskgate ex", "COMP_CWORD": "1"}
    assert run([taskgate], completed) == "plain,explain\n"
    assert "#compdef taskgate" in run([taskgate], {"_TASKGATE_COMPLETE": "zsh_source"})
    origin = run([str(folder / "bin/python"), "-I", "-c", "import func; print(func.__file__)"], {})
    assert origin.startswith(str(site))


def run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a command to its end; return its standard output."""
    done = subprocess.run(command, env=dict(environment), cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
