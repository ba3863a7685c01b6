"""Take the picture of the board in the README: `.venv/bin/python -m tests.board.screenshot`.

Requires Chromium (`tests/board/install`) and Pillow (`make .venv/.tools`). With a folder as argument it writes there,
and a narrow picture too. The fleet is the demo's, with the demo's events.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from PIL import Image

from func.board.server import BoardServer
from func.board.view import Names
from func.cli.sending import Sender
from func.core.gates_file import parse_rules
from func.devcluster import EmbeddedCluster
from func.devcluster.function_process import FunctionProcess
from func.devcluster.releases import Releases
from func.devcluster.sample_events import TASK, CloudEvent, approved, approved_by_a_stranger, merged
from func.devcluster.sample_workflows import fleet
from func.kube.connection import connect
from func.kube.workflows import Workflows
from func.service.settings import BUILT_IN_RULES
from tests.board.browser import Browser
from tests.recorded_workflows import Workflow

_IMAGES = Path(__file__).parents[2] / "docs" / "images"
_SIZES = {"board.png": (1280, 800), "board-narrow.png": (375, 800)}
_COLORS = 192


def main(folder: Path, names: Iterable[str]) -> None:
    """Start a cluster, the function and a board, send the demo's events, and take the pictures."""
    with ExitStack() as started:
        temporary = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="taskgate-screenshot-")))
        now = datetime.now(UTC)
        cluster = started.enter_context(EmbeddedCluster(objects=_tasks(now)))
        kubeconfig = cluster.write_kubeconfig(temporary / "kubeconfig")
        rules = parse_rules(BUILT_IN_RULES.read_text(encoding="utf-8"), "gates.yaml")
        workflows = Workflows(connect(kubeconfig, 1), "agent-platform")
        board = started.enter_context(BoardServer(workflows, rules, Names(), 0))
        function = started.enter_context(FunctionProcess(kubeconfig, 0, board.read_log_line))
        started.enter_context(Releases(cluster, function.url))
        browser = started.enter_context(Browser())
        browser.size(*_SIZES["board.png"])
        browser.open(board.url)
        browser.until("document.querySelectorAll('.card').length > 90")
        sender = Sender(function.url)
        started.callback(sender.close)
        for event in (approved_by_a_stranger(now), _for_task(91, 129, merged(now)), approved(now)):
            sender.send(event)
        browser.until("document.querySelectorAll('#last li').length > 3 && document.querySelector('.moved')")
        browser.run("return new Promise((done) => setTimeout(done, 200))")  # until it has scrolled
        for name in names:
            browser.size(*_SIZES[name])
            browser.run("scrollTo(0, 0)")
            picture = BytesIO(base64.b64decode(browser.command("Page.captureScreenshot", format="png")["data"]))
            # Half the size, and the eye sees no difference.
            Image.open(picture).convert("RGB").quantize(_COLORS, dither=Image.Dither.NONE).save(
                folder / name, optimize=True
            )


def _tasks(now: datetime) -> list[Workflow]:
    """Return the fleet of the demo; one of them was suspended by a person."""
    tasks = list(fleet(100, now))
    tasks[84]["spec"]["suspend"] = True
    return tasks


def _for_task(task: int, number: int, event: CloudEvent) -> CloudEvent:
    """Return an event of the demo for another task and pull request."""
    text = json.dumps(event).replace(f"task-{TASK}", f"task-{task}").replace('"number": 123', f'"number": {number}')
    changed: CloudEvent = json.loads(text)
    return changed


if __name__ == "__main__":
    if sys.argv[1:]:
        main(Path(sys.argv[1]), _SIZES)
    else:
        _IMAGES.mkdir(exist_ok=True)
        main(_IMAGES, ["board.png"])
