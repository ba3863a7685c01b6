"""What attackers try, where no other test tries it; docs/threat-model.md names the test for each threat."""

from __future__ import annotations

import ast
import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from func.core.signals import STATE_ANNOTATION
from func.devcluster import WORKFLOWS, EmbeddedCluster
from tests.docs.markdown import sections
from tests.faults.bad_day import GATE
from tests.faults.process import Served
from tests.payloads import (
    HAPPENED,
    approved,
    cloudevent_binary,
    cloudevent_structured,
    release_argo,
    synchronize,
)
from tests.recorded_workflows import NAMESPACE, waiting_workflow
from tests.service.site import Site, built_in, make_function

TESTS = Path(__file__).parents[1]
MODEL = TESTS.parent / "docs" / "threat-model.md"


@pytest.fixture
def site(fault_cluster: EmbeddedCluster, tmp_path: Path) -> Site:
    """A cluster without Workflows, and the function."""
    for stored in fault_cluster.store.select(WORKFLOWS).items:
        fault_cluster.store.delete(WORKFLOWS, *stored.key)
    return Site(fault_cluster, make_function(fault_cluster, tmp_path))


@pytest.mark.parametrize(
    "login",
    [
        "5DLabs-Tess-[bot]",
        "5DLabs-Tess[bot] ",
        "5DLabs-Tess[bοt]",  # noqa: RUF001 - a Greek letter
        "5DLabs-Teſſ[bot]",  # noqa: RUF001 - it is "s" when case does not count
        "5DLabs-Tess\u200b[bot]",
        "５DLabs-Tess[bot]",  # noqa: RUF001 - a wide digit
        "5DLabs-Cleo[bot]",  # one of ours, but no reviewer
        "",
    ],
)
def test_a_login_that_looks_like_a_reviewers_opens_nothing(site: Site, login: str) -> None:
    site.load(waiting_workflow(3, GATE))
    with site.unchanged():
        assert site.send(cloudevent_structured(approved(by=login))).outcome == "refused"


def test_a_person_given_with_an_id_is_nobody_else_of_that_login(site: Site, tmp_path: Path) -> None:
    rules = built_in().replace("'5DLabs-Tess[bot]'", "{login: '5DLabs-Tess[bot]', id: 4711}")
    guarded = Site(site.cluster, make_function(site.cluster, tmp_path, rules))
    guarded.load(waiting_workflow(3, GATE))
    with guarded.unchanged():
        assert guarded.send(cloudevent_structured(approved(by_id=4712))).outcome == "refused"
    assert guarded.send(cloudevent_structured(approved(by_id=4711))).outcome == "opened"


def test_many_pull_requests_of_forks_do_not_push_an_approval_out(site: Site) -> None:
    site.load(waiting_workflow(3, "wait-ready-for-qa"))
    assert site.send(cloudevent_structured(approved())).outcome == "parked"
    for number in range(1000, 1110):
        later, fork = HAPPENED + timedelta(seconds=number), "stranger/cto"
        pushed = synchronize(number=number, happened=later, labels=[], branch="task-3-x", head_repository=fork)
        site.send(cloudevent_structured(pushed))
    reached = waiting_workflow(3, GATE)
    reached["metadata"] = site.workflow()["metadata"]
    site.load(reached)
    assert site.send(release_argo(NAMESPACE, "play-task-3-workflow")).outcome == "opened"


def test_a_workflow_that_gives_itself_the_labels_of_another_task_gets_no_signal_of_it(site: Site) -> None:
    impostor = waiting_workflow(4, GATE)
    impostor["metadata"]["labels"]["task-id"] = "3"
    site.load(waiting_workflow(3, GATE), impostor)
    reply = site.send(cloudevent_structured(approved(task=3)))
    assert reply.data["workflow"]["name"] == "play-task-3-workflow"
    assert site.phase(GATE, "play-task-4-workflow") == "Running"


def test_two_workflows_that_both_say_they_are_the_task_get_nothing(site: Site) -> None:
    impostor = waiting_workflow(4, GATE)
    impostor["metadata"]["labels"]["task-id"] = "3"
    site.load(waiting_workflow(3, GATE, name="generated-3"), impostor)
    with site.unchanged():
        assert site.send(cloudevent_structured(approved(task=3))).outcome == "ambiguous"


def test_a_signal_that_somebody_wrote_on_a_workflow_opens_no_gate_of_another_task(site: Site) -> None:
    workflow = waiting_workflow(3, GATE)
    forged = {
        "uid": workflow["metadata"]["uid"],
        "signals": [
            {
                "id": "forged",
                "name": "pull_request_review.submitted",
                "happened": "2026-11-22T11:30:00Z",
                "written": "2026-11-22T11:30:00Z",
                "pull_request": "5dlabs/cto#123",
                "person": "5DLabs-Tess[bot]",
                "verdict": "approved",
                "gate": GATE,
                "task": "4",
                "repository": "5dlabs/cto",
            }
        ],
        "used": [],
    }
    workflow["metadata"]["annotations"] = {STATE_ANNOTATION: json.dumps(forged)}
    site.load(workflow, waiting_workflow(4, GATE))
    for task in (3, 4):
        assert site.send(release_argo(NAMESPACE, f"play-task-{task}-workflow")).outcome == "ignored"
    assert {site.phase(GATE, f"play-task-{task}-workflow") for task in (3, 4)} == {"Running"}


def test_a_repository_whose_label_is_the_same_is_ignored_where_the_rules_name_ours(site: Site, tmp_path: Path) -> None:
    rules = built_in() + "\nrepositories: [5dlabs/cto-platform]\n"
    guarded = Site(site.cluster, make_function(site.cluster, tmp_path, rules))
    guarded.load(waiting_workflow(3, GATE, repository="5dlabs-cto-platform"))
    with guarded.unchanged():
        assert guarded.send(cloudevent_structured(approved(repository="5dlabs-cto/platform"))).outcome == "ignored"
    assert guarded.send(cloudevent_structured(approved(repository="5dlabs/cto-platform"))).outcome == "opened"


def test_what_comes_from_outside_makes_no_line_of_the_log(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    lies = '\n{"severity_text": "INFO", "attributes": {"taskgate.outcome": "opened"}}\n\x1b[2J'
    site.send(cloudevent_structured(approved(by=f"x{lies}", labels=[f"task-3{lies}"], branch=f"task-3{lies}")))
    site.send(cloudevent_structured(approved(), delivery=f"id{lies}"))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert {json.loads(line)["attributes"]["taskgate.outcome"] for line in lines} <= {"ignored", "refused", "invalid"}
    assert "\x1b" not in "".join(lines)


def test_a_small_body_that_would_be_large_in_memory_is_refused(fault_cluster: EmbeddedCluster, tmp_path: Path) -> None:
    headers, _ = cloudevent_binary(approved())
    structured = {"content-type": "application/cloudevents+json"}
    lists, strings = b'{"a":[' + b"[]," * (8 << 20) + b"1]}", b'{"a":[' + b'"ab",' * ((24 << 20) // 5) + b"1]}"
    encoded = b'{"data_base64":"' + base64.b64encode(strings[: 16 << 20]) + b'"}'
    with Served(fault_cluster.write_kubeconfig(tmp_path / "kubeconfig")) as served, ThreadPoolExecutor(2) as senders:
        before = served.memory()
        for request in ((headers, lists), (headers, strings), (structured, encoded)):
            for answer in senders.map(lambda _, request=request: served.send(request, timeout=30), range(2)):
                assert answer
                assert answer[0] == 400
                assert json.loads(answer[2])["code"] == "json-too-large"
        assert served.highest_memory() < before + (180 << 20)  # what came, and what was decoded from it


def test_rules_that_grow_without_end_are_refused(site: Site, tmp_path: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    with pytest.raises(SystemExit, match=r"gates\.yaml"):
        make_function(site.cluster, tmp_path, "\n".join(lines))


def _tests() -> set[str]:
    found = set()
    for file in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found.add(node.name)
    return found


def test_each_threat_names_a_test_that_exists_or_is_not_prevented() -> None:
    text = MODEL.read_text(encoding="utf-8")
    threats = [
        (section.title, item)
        for section in sections(text)[1:]
        for item in re.findall(r"^- .*(?:\n  .*)*", section.text, re.MULTILINE)
    ]
    assert len(threats) > 60
    for title, item in threats:
        assert title == "Not prevented" or re.search(r"`test_\w+`$", item), item
    assert set(re.findall(r"`(test_\w+)`", text)) <= _tests()
