"""The commands that make the Secrets make them as the function and the Sensor need them."""

import base64
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.manifests.building import KNATIVE, Manifest, kubectl


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Runs the first block of the README, with nothing sent to a cluster."""
    blocks = re.findall(r"```bash\n(.*?)```", (KNATIVE / "README.md").read_text(), re.DOTALL)
    script = blocks[0].replace("kubectl apply", "true kubectl apply")
    script = re.sub(r"(create secret generic \S+)", r"\1 --dry-run=client -o json", script)
    where: Path = tmp_path_factory.mktemp("secrets")
    environment = {**os.environ, "PATH": f"{Path(kubectl()).parent}:{os.environ['PATH']}"}
    run = subprocess.run(
        ["bash", "-euc", script], cwd=where, env=environment, capture_output=True, text=True, check=True
    )
    made: list[Manifest] = []
    decoder, text = json.JSONDecoder(), run.stdout.strip()
    while text:
        secret, end = decoder.raw_decode(text)
        made.append(secret)
        text = text[end:].strip()
    assert {secret["metadata"]["namespace"] for secret in made} == {"taskgate"}
    return {
        secret["metadata"]["name"]: {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
        for secret in made
    }


def test_the_token_and_its_header_have_no_newline(secrets: dict[str, dict[str, str]]) -> None:
    token = secrets["taskgate-token"]
    assert re.fullmatch(r"[0-9a-f]{64}", token["token"])
    assert token["authorization"] == f"Bearer {token['token']}"


def test_the_webhooks_secret_has_no_newline(secrets: dict[str, dict[str, str]]) -> None:
    assert secrets["taskgate-github-webhook"].keys() == {"secret"}
    assert re.fullmatch(r"[0-9a-f]{64}", secrets["taskgate-github-webhook"]["secret"])
