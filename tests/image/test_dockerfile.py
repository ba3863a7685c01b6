"""What the Dockerfile says."""

import re
import shlex
import tomllib

from tests.manifests.building import ROOT, build, function


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
    base = next(rest for name, rest in instructions() if name == "ARG")
    assert re.fullmatch(r"PYTHON=docker\.io/library/python:3\.\d+-slim-\w+", base)
    assert [stage[0][1] for stage in stages()] == ["${PYTHON} AS build", "${PYTHON}"]


def test_the_base_is_the_oldest_python_that_taskgate_supports() -> None:
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    assert any(f"python:{oldest}-slim" in rest for name, rest in instructions() if name == "ARG")


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


def test_only_the_function_and_its_locks_are_sent_to_the_builder() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert [line for line in lines if line.startswith("!")] == [
        "!func",
        "!requirements.lock",
        "!requirements-otlp.lock",
    ]
    copied = {rest.split()[0] for name, rest in instructions() if name == "COPY" and "--from" not in rest}
    assert copied == {"func", "${REQUIREMENTS}"}
