"""What is not there comes back, or does not: no event is lost, and none opens a gate twice.

The Sensor's triggers wait a seventh as long between their tries as people's, and JetStream gives a message again after
2 s of silence instead of 30; nothing else differs from what people apply.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import payloads
from tests.cluster.api_client import MERGE_PATCH
from tests.cluster.argo_events import Object
from tests.cluster.events import name_of, of, send
from tests.cluster.installation import SECRETS, SECRETS_PATH, TOKEN, Installation, hastened
from tests.cluster.processes import wait_for
from tests.cluster.watching import Watch
from tests.manifests.building import find
from tests.recorded_workflows import NAMESPACE, waiting_workflow

GATE = "wait-pr-approved"
TRIES = 6  # of the Sensor


@pytest.fixture(scope="module")
def installed_sensor(argo_events_manifests: list[Object]) -> Object:
    """Tries again after 0.15 + 0.3 + 0.6 + 1.2 + 2.4 s."""
    return hastened(find(argo_events_manifests, "Sensor", "taskgate"), "150ms")


@pytest.fixture
def function_down(installation: Installation) -> Iterator[Installation]:
    """The installation with no function, which is there again after the test."""
    installation.function.kill()
    yield installation
    installation.function.start()


def turn_away(port: int, count: int) -> None:
    """Listens in the function's place, and hangs up on so many senders."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        listening.settimeout(30)
        for _ in range(count):
            connection, _ = listening.accept()
            connection.close()


def letters_of(installation: Installation, count: int = 1) -> list[dict[str, str]]:
    """What is in the dead letters, once there are so many."""

    def look() -> list[Object] | None:
        found = installation.dead_letters()
        return found if len(found) >= count else None

    return [letter["data"] for letter in wait_for(f"{count} dead letters", look, timeout=180)]


def test_a_gate_opens_when_the_function_is_back(function_down: Installation) -> None:
    installation = function_down
    installation.create(waiting_workflow(3))
    with Watch(installation.api.admin, NAMESPACE) as watch:
        installation.deliver(payloads.approved(**of(3)), "early")
        turn_away(installation.function.port, 2)
        assert not watch.opened
        installation.function.start()
        watch.wait_for_gates((name_of(3), GATE))
        installation.wait_until_done()
    assert installation.dead_letters() == []
    assert installation.answers(["early"]) == {"early": ["opened"]}


@pytest.fixture
def sensor_with(installation: Installation) -> Iterator[Installation]:
    """The Secret's values and a fresh Sensor are there again after the test."""
    yield installation
    set_authorization(installation, SECRETS["taskgate-token"]["authorization"])


def set_authorization(installation: Installation, value: str) -> None:
    """The Sensor sends this from now on."""
    change = {"stringData": {"authorization": value}}
    installation.api.admin.must("PATCH", f"{SECRETS_PATH}/taskgate-token", change, content_type=MERGE_PATCH)
    installation.sensor.stop()
    installation.sensor.start()


@pytest.mark.parametrize("authorization", ["", "Bearer of-somebody-else"], ids=["no token", "a wrong token"])
def test_without_the_functions_token_events_are_dead_letters(sensor_with: Installation, authorization: str) -> None:
    installation = sensor_with
    set_authorization(installation, authorization)
    installation.create(waiting_workflow(3))
    before = installation.open_gates()
    asked = len(installation.function.answers())
    installation.deliver(payloads.approved(**of(3)), "unknown-sender")
    assert [letter["id"] for letter in letters_of(installation)] == ["unknown-sender"]
    said = installation.function.answers()[asked:]
    assert [(answer["http.response.status_code"], answer["taskgate.outcome"]) for answer in said] == [
        (401, "invalid")
    ] * TRIES
    assert installation.open_gates() == before
    installation.wait_until_done()


def test_a_sensor_that_is_killed_in_mid_stream_loses_nothing_and_does_nothing_twice(installation: Installation) -> None:
    installation.nats.redeliver_after(2)
    waves = (range(1, 51), range(51, 101))
    tasks = [task for wave in waves for task in wave]
    installation.create(*(waiting_workflow(task) for task in tasks))
    before = installation.open_gates()
    deliveries = [f"mid-stream-{task}" for task in tasks]
    with Watch(installation.api.admin, NAMESPACE) as watch, ThreadPoolExecutor(1) as background:
        for wave in waves:
            webhooks = [(f"mid-stream-{task}", payloads.approved(**of(task))) for task in wave]
            sending = background.submit(send, installation, webhooks)
            watch.wait_for("some gates", lambda wave=wave: len(watch.opened) >= wave[20])  # type: ignore[misc]
            installation.sensor.kill()
            assert len(watch.opened) < wave[-1], "it was killed too late to show anything"
            installation.sensor.start()
            sending.result()
        watch.wait_for_gates(*((name_of(task), GATE) for task in tasks))
        installation.wait_until_done()
    assert installation.open_gates() - before == {(name_of(task), GATE) for task in tasks}
    assert {len(moments) for moments in watch.opened.values()} == {1}
    for said in installation.answers(deliveries).values():
        assert said[0] == "opened"
        assert set(said[1:]) <= {"duplicate"}
    assert installation.dead_letters() == []


def test_replay_opens_the_gate_of_a_dead_letter_with_neither_sensor_nor_bus(
    function_down: Installation, tmp_path: Path
) -> None:
    """The last one here: it leaves no bus behind."""
    installation, url = function_down, function_down.function.url
    installation.create(waiting_workflow(3))
    before = installation.open_gates()
    payload = payloads.approved(**of(3))
    installation.deliver(payload, "never-taken")
    (letter,) = letters_of(installation)
    assert letter["id"] == "never-taken"
    assert payload.items() <= json.loads(letter["data"]).items()
    installation.sensor.kill()
    installation.nats.kill()
    assert installation.open_gates() == before

    installation.function.start()
    (tmp_path / "token").write_text(TOKEN)
    labelled = ("get", "configmaps", "--namespace=taskgate", "--selector=taskgate.dev/dead-letter=true")
    kept = installation.api.kubectl(*labelled, "--output=json").stdout
    for outcome in ("opened", "duplicate"):
        replayed = subprocess.run(
            [sys.executable, "-m", "func", "replay", "-", f"--to={url}", f"--token-file={tmp_path / 'token'}"],
            input=kept,
            text=True,
            capture_output=True,
            check=False,
        )
        assert replayed.returncode == 0, replayed.stderr
        assert f"1 of 1 delivered: 1 {outcome}." in replayed.stdout
    assert installation.open_gates() - before == {(name_of(3), GATE)}
