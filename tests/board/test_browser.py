"""The page in a browser, with the function, a cluster and the board behind it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest

from func.board.server import BoardServer
from func.board.view import Names
from func.cli.sending import Sender
from func.core.rules import Rules
from func.devcluster import WORKFLOWS, EmbeddedCluster
from func.devcluster.function_process import FunctionProcess
from func.devcluster.sample_events import approved
from func.kube.connection import connect
from func.kube.workflows import Workflows
from tests.board.browser import Browser, find_axe
from tests.board.conftest import serving
from tests.recorded_workflows import fleet, waiting_workflow
from tests.remembering import approved_workflow, merge, push, remembering, signal

LIVE = "document.querySelector('#link').textContent === 'Live'"
HOSTILE = "<img src=x onerror=alert(1)>"
# The card of a task, by the words of its heading.
CARD = "[...document.querySelectorAll('.card')].find((card) => card.querySelector('h3').textContent === args[0])"
COLUMN = f"{CARD}?.closest('section, details').querySelector('.title').textContent"
IN_VIEW = f"""
    const args = arguments, card = {CARD}, list = card.closest("ol");
    const [inner, outer] = [card.getBoundingClientRect(), list.getBoundingClientRect()];
    return inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;
"""
SIDEWAYS = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core, to be run in the page."""
    return find_axe()


@pytest.fixture(scope="module")
def browser(axe: str) -> Iterator[Browser]:
    """One for all tests."""
    assert axe
    with Browser() as opened:
        yield opened


@pytest.fixture
def cluster() -> Iterator[EmbeddedCluster]:
    """A cluster that moves Workflows on: 12 tasks, some with signals, one with all that can go wrong."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    name = f"{HOSTILE}#1"
    signals = [
        signal(pull_request=name),
        push(pull_request=name),
        merge(id=HOSTILE, person=HOSTILE, pull_request=name, written=now),
    ]
    odd = waiting_workflow(
        20, "wait-pr-created", agent=HOSTILE, repository="a-very-long-name-of-a-repository-" + 28 * "x"
    )
    suspended = waiting_workflow(21, "wait-budget", gates=("wait-budget",))
    suspended["spec"]["suspend"] = True
    broken = waiting_workflow(22, None)
    broken["metadata"]["annotations"]["taskgate.dev/state"] = HOSTILE
    under_way = waiting_workflow(23)
    under_way["status"] = {}
    objects = [
        *fleet(11),
        approved_workflow(12),
        remembering(odd, signals),
        suspended,
        broken,
        under_way,
    ]
    with EmbeddedCluster(controller=False) as running:
        running.store.ensure_namespace("agent-platform")
        for workflow in objects:
            running.store.load(WORKFLOWS, workflow)
        yield running


@pytest.fixture
def shown(browser: Browser, board: BoardServer) -> Iterator[Browser]:
    """The page, live, in a wide window; it has had nothing to complain about in the end."""
    browser.size(1280, 900)
    browser.open(board.url)
    browser.until(LIVE)
    yield browser
    assert [each for each in browser.complaints() if "ERR_CONNECTION_REFUSED" not in each] == []


def test_a_card_moves_without_a_reload_and_keeps_the_focus(browser: Browser, rules: Rules, tmp_path: Path) -> None:
    with ExitStack() as later:
        cluster = later.enter_context(EmbeddedCluster(objects=fleet(60)))
        kubeconfig = cluster.write_kubeconfig(tmp_path / "kubeconfig")
        function = later.enter_context(FunctionProcess(kubeconfig, 0, lambda _: None))
        board = later.enter_context(serving(Workflows(connect(kubeconfig, 2), "agent-platform"), rules))
        browser.size(1280, 900)
        browser.open(board.url)
        browser.until(LIVE)
        browser.run("window.isTheSamePage = true")
        assert browser.until(COLUMN, "Task 3") == "wait-pr-approved"
        browser.until(f"{CARD}.focus() ?? true", "Task 3")
        assert not browser.run(IN_VIEW, "Task 60")  # the last one of the column to which task 3 goes

        sender = Sender(function.url)
        assert sender.send(approved(datetime.now(UTC))).body["outcome"] == "opened"
        sender.close()

        browser.until(f"{COLUMN} === 'wait-pr-merged'", "Task 3")
        assert browser.run("return window.isTheSamePage")
        assert browser.until(f"document.activeElement === {CARD}", "Task 3")
        assert browser.until(f"{CARD}.matches('.moved')", "Task 3")
        browser.until(f"(() => {{ {IN_VIEW} }})()".replace("const args = arguments,", "const"), "Task 3")
        story = browser.run("return document.querySelector('#last li').textContent")
        for part in (
            "Task 3",
            "wait-pr-approved",
            "opened by 5DLabs-Tess[bot]",
            "pull_request_review.submitted",
            "event ",
        ):
            assert part in story
        browser.until("document.querySelector('#said').textContent === 'Task 3 waits at wait-pr-merged.'")
        (link,) = browser.run("return [...document.activeElement.querySelectorAll('a')].map((link) => link.href)")
        assert link == "https://github.com/5dlabs/cto/pull/123"
        assert browser.complaints() == []


@pytest.mark.parametrize(
    ("tasks", "schemes"),
    [(12, ("light", "dark")), (300, ("light",))],  # no colour comes with the number, and each takes its time
)
def test_axe_finds_nothing_wide_or_narrow_light_or_dark(
    shown: Browser, cluster: EmbeddedCluster, axe: str, tasks: int, schemes: tuple[str, ...]
) -> None:
    for workflow in fleet(tasks)[12:]:
        cluster.store.load(WORKFLOWS, workflow)
    shown.until("document.querySelectorAll('.card').length >= args[0]", tasks)
    shown.run("for (const fold of document.querySelectorAll('details')) fold.open = true")
    shown.run(axe)
    options = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": len(schemes) > 1}}}
    for width, scheme in product((1280, 360), schemes):
        shown.size(width, 900, scheme)
        result = shown.run("return axe.run(arguments[0])", options)
        assert len(result["passes"]) > 20  # it did look
        found = [(each["id"], [node["html"] for node in each["nodes"]]) for each in result["violations"]]
        assert found == [], f"{width} pixels, {scheme}"
        assert shown.run(SIDEWAYS) == 0


def test_every_value_is_text(shown: Browser) -> None:
    shown.until(CARD, "Task 20")
    assert shown.run("return document.querySelectorAll('img, [onerror], a:not([href^=\"https://\"])').length") == 0
    assert HOSTILE in shown.until(f"{CARD}.textContent", "Task 20")


def test_columns_in_the_order_of_the_gates(shown: Browser) -> None:
    titles = "return [...document.querySelectorAll('.title')].filter((each) => each.checkVisibility())"
    assert shown.run(f"{titles}.map((each) => each.textContent)") == [
        "wait-pr-created",
        "wait-ready-for-qa",
        "wait-pr-approved",
        "wait-pr-merged",
        "At a gate in no rule",
        "Under way, at no gate",
        "Finished",
    ]
    assert shown.until(COLUMN, "Task 23") == "Under way, at no gate"
    assert "A person suspended it" in shown.until(f"{CARD}.textContent", "Task 21")
    age = shown.until(f"{CARD}.querySelector('.age')", "Task 3")
    assert age
    assert shown.run("return document.querySelector('.age').title").endswith("Z)")


def test_nothing_is_cut_and_names_stay_whole(shown: Browser) -> None:
    shown.until(CARD, "Task 12")
    cut = (
        "return [...document.querySelectorAll(arguments[0])].filter((one) => one.scrollWidth > one.clientWidth).length"
    )
    for part in ("#gates", ".event", ".card", "#last li"):
        assert shown.run(cut, part) == 0, part
    lines = f"new Set([...{CARD}.querySelectorAll('.who span')].map((name) => name.getClientRects().length))"
    assert shown.run(f"const args = arguments; return [...{lines}]", "Task 2") == [1]
    lines_of_a_word = f"""
        const args = arguments, signals = {CARD}.querySelector(".signals");
        const texts = document.createTreeWalker(signals, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {{
          const text = texts.currentNode, at = text.data.indexOf(args[1]), range = document.createRange();
          if (at < 0) continue;
          range.setStart(text, at);
          range.setEnd(text, at + args[1].length);
          return range.getClientRects().length;
        }}
    """
    for word in ("synchronize", "pull_request"):
        assert shown.run(lines_of_a_word, "Task 20", word) == 1, word


def test_the_filter(shown: Browser) -> None:
    cards = "return [...document.querySelectorAll('.card h3')].map((each) => each.textContent)"
    shown.run("document.querySelector('#filter').focus()")
    shown.type("3")
    assert shown.run(cards) == ["Task 3"]
    assert shown.run("return document.querySelector('#count').textContent") == "1 of 16 tasks"
    shown.run("document.querySelector('#filter').select()")
    shown.type("cto REX")
    assert "Task 12" in shown.run(cards)
    assert "Task 1" not in shown.run(cards)
    shown.run("document.querySelector('#filter').select()")
    shown.type("<img")
    assert shown.run(cards) == ["Task 20"]
    shown.run("document.querySelector('#filter').select()")
    shown.type("wait-budget")
    assert shown.run(cards) == ["Task 21"]
    shown.run("document.querySelector('#filter').select()")
    shown.type("nothing like it")
    assert shown.run(cards) == []
    assert "No match" in shown.run("return document.querySelector('#none:not([hidden])').textContent")


def test_an_event_that_moved_nothing_is_told_and_found(shown: Browser, board: BoardServer) -> None:
    attributes = {"taskgate.code": "several-tasks", "cloudevents.event_id": "d-9", "taskgate.gate": HOSTILE}
    line = {
        "timestamp": datetime.now(UTC).isoformat(),
        "body": f"The event names several tasks, {HOSTILE}.",
        "attributes": {"taskgate.outcome": "ambiguous", **attributes},
    }
    board.read_log_line(json.dumps(line))
    told = "[...document.querySelectorAll('#last li')].map((each) => each.textContent).find((text) => /d-9/.test(text))"
    text = shown.until(told)
    assert "event ambiguous (several-tasks): The event names several tasks, <img src=x" in text
    for typed, is_there in (("ambiguous", True), ("ambiguous rex", False), ("several-tasks", True)):
        shown.run("document.querySelector('#filter').select()")
        shown.type(typed)
        assert shown.run(f"return Boolean({told})") is is_there, typed


def test_a_card_links_to_its_workflow_in_argo(browser: Browser, workflows: Workflows, rules: Rules) -> None:
    with BoardServer(workflows, rules, Names(argo="https://argo.example.com"), 0) as board:
        browser.open(board.url)
        browser.until(LIVE)
        link = browser.until(f"{CARD}.querySelector('h3 a').href", "Task 3")
        assert link == "https://argo.example.com/workflows/agent-platform/play-task-3-workflow"


def test_two_workflows_of_one_task_say_so(shown: Browser, cluster: EmbeddedCluster) -> None:
    text = "[...document.querySelectorAll('.problems')].map((each) => each.textContent).join(' ')"
    cluster.store.load(WORKFLOWS, waiting_workflow(3, name="play-3-again"))
    shown.until(f"{text}.includes('Events of its task go to play-task-3-workflow')")
    cluster.store.delete(WORKFLOWS, "agent-platform", "play-3-again")
    shown.until(f"!{text}.includes('Events of its task')")


def test_by_keyboard_alone(shown: Browser) -> None:
    focused = "return document.activeElement.querySelector('h3')?.textContent ?? document.activeElement.id"
    path = []
    for _ in range(8):
        shown.press("Tab")
        path.append(shown.run(focused))
    # The filter, one card of each column, with its link if it has one, and what happened last.
    assert path[0] == "filter"
    assert len({each for each in path if each.startswith("Task")}) >= 5
    shown.until(f"{CARD}.focus() ?? true", "Task 3")
    for name, task in (("ArrowDown", "Task 7"), ("End", "Task 11"), ("Home", "Task 3"), ("ArrowRight", "Task 4")):
        shown.press(name)
        assert shown.run(focused) == task
    assert shown.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_change_touches_one_card_of_a_thousand(
    browser: Browser, cluster: EmbeddedCluster, workflows: Workflows, rules: Rules
) -> None:
    for workflow in fleet(1000):
        cluster.store.load(WORKFLOWS, workflow)
    with serving(workflows, rules) as board:
        browser.size(1280, 900)
        browser.open(board.url)
        browser.until(LIVE)
        assert browser.run(SIDEWAYS) == 0
        browser.run(
            """
            window.touched = new Set();
            new MutationObserver((records) => {
              for (const { target, addedNodes, removedNodes } of records)
                for (const node of [target, ...addedNodes, ...removedNodes]) {
                  if (!node.closest || node.matches("time")) continue; // a text, or an age that has grown
                  const card = node.closest(".card") ?? node.querySelector(":scope > .card");
                  if (card) window.touched.add(card.querySelector("h3").textContent);
                }
            }).observe(document.querySelector("main"), { subtree: true, childList: true, attributes: true });
            """
        )
        moved = approved_workflow(7)
        cluster.store.change(
            WORKFLOWS, "agent-platform", "play-task-7-workflow", lambda old: moved | {"metadata": old["metadata"]}
        )
        browser.until(f"{COLUMN} === 'wait-pr-merged'", "Task 7")
        touched = browser.run("return [...window.touched]")
        assert "Task 7" in touched
        assert len(touched) <= 3  # and those that the Tab key comes to now


def test_says_that_the_board_is_gone_and_finds_it_again(browser: Browser, workflows: Workflows, rules: Rules) -> None:
    trouble = "document.querySelector('#trouble:not([hidden])')?.textContent"
    with serving(workflows, rules) as board:
        browser.open(board.url)
        browser.until(LIVE)
        port = int(board.url.rsplit(":", 1)[1].strip("/"))
    text = browser.until(trouble)
    assert text.startswith("The board does not answer; is taskgate board still running? What you see is from ")
    with serving(workflows, rules, port):
        browser.until(LIVE)
        assert not browser.run(f"return {trouble}")
    browser.complaints()


def test_says_that_the_cluster_is_gone(shown: Browser, cluster: EmbeddedCluster) -> None:
    cluster.stop()
    text = shown.until("document.querySelector('#trouble:not([hidden])')?.textContent")
    assert text.startswith("The Kubernetes API does not answer")
    assert "What you see is from" in text
    assert shown.run("return document.querySelector('#link').textContent") == "Cluster lost"


@pytest.mark.parametrize(("required", "outcome"), [("0", "Skipped"), ("1", "Failed")])
def test_where_there_is_no_browser_a_test_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, required: str, outcome: str
) -> None:
    for program in ("bash", "env"):
        (tmp_path / program).symlink_to(shutil.which(program) or program)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TASKGATE_REQUIRE_BROWSER", required)
    with pytest.raises(
        BaseException, match="not tried in a browser: chromium is not installed; run 'tests/board/install'"
    ) as end:
        find_axe()
    assert type(end.value).__name__ == outcome
