"""The harness on the embedded API, with the packages of the tests: what it measures is what it says."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.bench import cold, profile, warm
from tests.bench.__main__ import main
from tests.bench.api import GATE, WORKFLOWS, Waiting
from tests.bench.contenders import TASKGATE, WSGI, Contender, Stage
from tests.bench.figures import Figures
from tests.bench.installation import ROOT, Installation, image_environment
from tests.bench.lab import Lab, drive_all
from tests.bench.pod import View, pod_view
from tests.bench.processes import cpu_ticks, kilobytes, session_of
from tests.bench.wire import Job, Wire, WireError, connect, request
from tests.cluster.processes import wait_for
from tests.recorded_workflows import gate_node

OTHER = "other standard library"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    app = tmp_path / "app"
    app.mkdir()
    (app / "func").symlink_to(ROOT / "func")
    (app / "hello").symlink_to(ROOT / "tests" / "bench" / "hello")
    environment = {"PATH": f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    stage = Stage(Installation(Path(sys.prefix), app, environment))
    with ExitStack() as owner:
        yield Lab(Figures(), stage, None, tmp_path, owner)


def node(lab: Lab, waiting: Waiting) -> dict[str, object]:
    """The gate's node as the API has it now."""
    with lab.server().connect() as wire:
        _, body = wire.exchange(request("GET", f"{WORKFLOWS}/{waiting.name}", lab.server().headers()))
    return gate_node(json.loads(body), GATE)


def test_the_two_bare_calls_do_what_the_function_does(lab: Lab) -> None:
    server = lab.server()
    one, other = server.add(2)
    with lab.started(lab.stage.taskgate(server.view)) as started:
        drive_all(partial(connect, started.port), 1, [lab.approvals.job(one)])
        assert started.child.cpu() > 0
        assert 20 < started.child.memory("VmRSS") <= started.child.memory("VmHWM") < 500
    drive_all(server.connect, 1, [lab.approvals.bare(other, server)])
    own = {"id", "name", "children", "templateScope", "boundaryID", "finishedAt", "message"}
    opened, patched = node(lab, one), node(lab, other)
    assert opened["phase"] == "Succeeded"
    assert {name: value for name, value in opened.items() if name not in own} == {
        name: value for name, value in patched.items() if name not in own
    }
    assert opened.keys() == patched.keys()


def test_a_cold_start_ends_with_an_open_gate_or_an_answer(lab: Lab) -> None:
    hello = lab.stage.hello(WSGI, lab.server().view)
    for contender in (lab.stage.taskgate(lab.server().view), hello):
        cold._start(lab, cold.ALL_CORES, contender, None)
    cold._imports(lab)
    seconds = {who: lab.figures.median(cold.ALL_CORES, "seconds", who) for who in (TASKGATE, WSGI)}
    assert all(found and 0.02 < found < 60 for found in seconds.values())
    assert {cold.OURS, cold.STANDARD, "uvicorn"} <= set(lab.figures.who(cold.IMPORTS, "seconds"))


def test_a_function_in_a_pod_sees_its_service_account(lab: Lab, tmp_path: Path) -> None:
    """It starts without a kubeconfig: only the files of the service account say where the API is."""
    authority = tmp_path / "ca"
    authority.write_bytes((Path(__file__).parents[1] / "data" / "loopback.pem").read_bytes())
    with pod_view(tmp_path / "pod", 1, authority, "a-token") as view:
        if view is None:
            pytest.skip("user namespaces are not allowed: run as root, or allow them to users")
        assert "KUBECONFIG" not in view.settings
        with lab.started(lab.stage.taskgate(view)) as started, connect(started.port) as wire:
            assert Job([request("GET", "/healthz", {})], b"ok").run(wire) > 0


def test_who_fails_is_noted_with_its_log_and_left_out(lab: Lab) -> None:
    broken = Contender("Broken", [sys.executable, "-c", "raise SystemExit('no such thing')"], {}, lab.folder, View({}))

    def work() -> None:
        with lab.started(broken) as started:
            wait_for("its last words", lambda: started.child.said() or None)
            with connect(started.port, seconds=0.1):
                raise AssertionError("it can't be reached")

    for _ in range(5):
        lab.attempt(warm.WARM, "Broken", work)
    lab.attempt(warm.WARM, "Whole", lambda: lab.figures.add(warm.WARM, "case", "Whole", 1.0))
    assert lab.failures() == 3
    assert lab.figures.median(warm.WARM, "case", "Whole") == 1.0
    assert all("Its log ends: no such thing" in note for note in lab.figures.notes)


def test_all_jobs_are_done_once_however_many_at_a_time(lab: Lab) -> None:
    server = lab.server()
    seconds = drive_all(server.connect, 8, [lab.approvals.bare(waiting, server) for waiting in server.add(40)])
    assert len(seconds) == 40
    assert min(seconds) > 0


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    ],
)
def test_an_answer_may_come_in_pieces(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for each in (answer, answer, b""):
                    while not connection.recv(1000).endswith(b"\r\n\r\n"):
                        pass
                    for byte in each:
                        connection.sendall(bytes([byte]))

        server = threading.Thread(target=serve)
        server.start()
        with Wire(listening.getsockname()[1]) as wire:
            job = Job([request("GET", "/", {})] * 2, b"hello")
            assert job.run(wire) > 0
            with pytest.raises(WireError, match="closed"):
                wire.exchange(request("GET", "/", {}))
        server.join()


def test_what_proc_says_of_a_process_with_an_odd_name() -> None:
    stat = "77 (a) b (c) S 1 77 70 0 -1 4194560 1 2 0 0 11 7 5 3 20 0 4 0 123"
    assert session_of(stat) == 70
    assert cpu_ticks(stat) == 26
    assert kilobytes("Name:\tx\nVmHWM:\t   2048 kB\n", "VmHWM") == 2048


def test_the_container_has_the_variables_of_the_dockerfile() -> None:
    found = image_environment((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert found["MALLOC_ARENA_MAX"] == "1"
    assert "PATH" not in found


@pytest.mark.parametrize(
    ("arguments", "named"), [(["cool"], "no such scenario: cool"), (["cold", "--rounds", "0"], "--rounds is 0")]
)
def test_a_wrong_argument_is_named(arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert named in capsys.readouterr().err


def test_imports_are_counted_by_package() -> None:
    log = (
        "import time:       100 |        100 |   json.decoder\n"
        "import time:        50 |        150 | json\n"
        "Taskgate listens on http://127.0.0.1:1\n"
        "import time:      2000 |       2000 |     func.core.rules\n"
        "import time:       300 |        300 |   yaml.nodes\n"
    )
    assert cold.by_package(log) == pytest.approx({cold.STANDARD: 0.00015, cold.OURS: 0.002, "yaml": 0.0003})


def test_a_profile_counts_the_instructions_of_each_package(lab: Lab) -> None:
    profile.measure(lab, 1)
    found = lab.figures.of_case(profile.PROFILE, profile.WARM_EVENT)
    assert lab.figures.notes == []
    for package in (profile.OURS, "urllib3", "starlette", "asyncio", "http.client"):
        assert 100 < found[package] < 100_000


@pytest.mark.parametrize(
    ("file", "package"),
    [
        ("/venv/lib/python3.11/site-packages/urllib3/connection.py", "urllib3"),
        ("/venv/lib/python3.11/site-packages/typing_extensions.py", "typing_extensions"),
        (f"{sys.base_prefix}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/email/parser.py", "http.client"),
        (f"{sys.base_prefix}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/json/decoder.py", OTHER),
        ("<frozen importlib._bootstrap>", OTHER),
        ("/opt/taskgate/app/func/service/pipeline.py", profile.OURS),
    ],
)
def test_whose_a_source_file_is(file: str, package: str) -> None:
    assert profile.package_of(file) == package


def test_the_work_of_a_client_is_not_counted(lab: Lab) -> None:
    (waiting,) = lab.server().add(1)
    (seconds,) = drive_all(lab.server().connect, 1, [replace(lab.approvals.bare(waiting, lab.server()), work=_rest)])
    assert seconds < 2 * _REST


_REST = 0.5


def _rest() -> None:
    time.sleep(_REST)
