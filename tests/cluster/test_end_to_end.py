"""From a signed webhook of GitHub to an open gate, with everything real but the workflow-controller.

GitHub EventSource, JetStream, Sensor and function run from the objects that people apply, against the API server with
its RBAC and its admission policy.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator

import pytest
import yaml

from tests import payloads
from tests.cluster.events import RIGHT, WRONG, name_of, of, send
from tests.cluster.installation import Installation
from tests.cluster.watching import Gate, Watch
from tests.payloads import Payload
from tests.recorded_workflows import NAMESPACE, PIPELINE, fleet, waiting_workflow


def test_200_signed_webhooks_open_the_gates_that_they_should_and_no_other(
    installation: Installation, measured: list[str]
) -> None:
    """The time is that from sending the webhook until a watch of the API server shows the open gate."""
    right = {task: PIPELINE[task % 4] for task in range(1, 161)}
    wrong = {task: PIPELINE[task // 10 % 4] for task in range(161, 201)}
    installation.create(*(waiting_workflow(task, gate) for task, gate in (right | wrong).items()))
    before = installation.open_gates()
    webhooks = [(f"e2e-{task}", RIGHT[gate](task)) for task, gate in right.items()]
    webhooks += [(f"e2e-{task}", list(WRONG.values())[task % 10](task)) for task in wrong]
    random.Random(1).shuffle(webhooks)  # noqa: S311 - the same order each time

    should: dict[Gate, str] = {(name_of(task), gate): f"e2e-{task}" for task, gate in right.items()}
    with Watch(installation.api.admin, NAMESPACE) as watch:
        sent = send(installation, webhooks, per_second=25)
        watch.wait_for_gates(*should)
        installation.wait_until_done()
    assert installation.open_gates() - before == should.keys()
    assert {len(moments) for moments in watch.opened.values()} == {1}
    took = [watch.opened[gate][0] - sent[delivery] for gate, delivery in should.items()]
    percentiles = statistics.quantiles(took, n=100)
    measured.append(
        "200 webhooks, 25 a second; from the webhook to the open gate:"
        f" p50 {percentiles[49] * 1000:.0f} ms, p99 {percentiles[98] * 1000:.0f} ms"
    )
    assert percentiles[98] < 2
    assert installation.dead_letters() == []


def test_300_webhooks_in_random_order_with_redeliveries_open_what_they_should_and_nothing_else(
    installation: Installation, measured: list[str]
) -> None:
    """100 tasks of three agents wait; 80 get the event of their gate twice, 140 other events open nothing."""
    workflows = fleet(100)
    installation.create(*workflows)
    before = installation.open_gates()
    should: dict[Gate, str] = {}
    webhooks: list[tuple[str, Payload]] = []
    for task in range(1, 81):
        gate = PIPELINE[(task - 1) % 4]
        should[name_of(task), gate] = f"shuffled-{task}"
        webhooks += [(f"shuffled-{task}", RIGHT[gate](task))] * 2
    webhooks += [
        (f"shuffled-wrong-{number}", list(WRONG.values())[number % 10](number % 100 + 1)) for number in range(140)
    ]
    assert len(webhooks) == 300
    random.Random(2).shuffle(webhooks)  # noqa: S311 - the same order each time

    begin = time.monotonic()
    with Watch(installation.api.admin, NAMESPACE) as watch:
        send(installation, webhooks)
        watch.wait_for_gates(*should, timeout=180)
        installation.wait_until_done()
    measured.append(f"300 webhooks at once, all done after {time.monotonic() - begin:.1f} s")
    assert installation.open_gates() - before == should.keys()
    assert {len(moments) for moments in watch.opened.values()} == {1}
    answers = installation.answers(dict(webhooks))
    assert {delivery: answers[delivery] for delivery in should.values()} == {
        delivery: ["opened", "duplicate"] for delivery in should.values()
    }
    wrong = {outcome for delivery, said in answers.items() if delivery not in should.values() for outcome in said}
    assert wrong == {"refused", "ignored", "ambiguous", "no-workflow"}
    assert installation.dead_letters() == []


def test_50_events_that_name_no_task_are_answered_once_and_hold_nothing_up(
    installation: Installation, measured: list[str]
) -> None:
    """The Sensor delivers one event at a time: one that it sent again would hold up all that come after it."""
    tasks = range(1, 101)
    installation.create(*map(waiting_workflow, tasks))
    webhooks = []
    for task in tasks:
        webhooks.append((f"approved-{task}", payloads.approved(**of(task))))
        if task % 2:
            nameless = payloads.opened(task=None, number=1000 + task, happened=of(task)["happened"])
            webhooks.append((f"nameless-{task}", nameless))
    with Watch(installation.api.admin, NAMESPACE) as watch:
        begin = time.monotonic()
        send(installation, webhooks)
        watch.wait_for_gates(*((name_of(task), "wait-pr-approved") for task in tasks))
    measured.append(f"100 approvals and 50 other events at once, done after {time.monotonic() - begin:.1f} s")
    installation.wait_until_done()
    outcomes = {delivery: ["ignored" if delivery.startswith("nameless") else "opened"] for delivery, _ in webhooks}
    assert len(outcomes) == 150
    assert installation.answers(outcomes) == outcomes


def test_a_webhook_with_a_wrong_signature_comes_no_further_than_the_eventsource(installation: Installation) -> None:
    installation.create(waiting_workflow(3), waiting_workflow(4))
    before = installation.open_gates()
    assert installation.deliver(payloads.approved(**of(3)), "forged", secret="not the secret") == 400
    assert installation.deliver(payloads.approved(**of(4)), "signed") == 200
    installation.wait_until_done()
    assert installation.answers(["forged", "signed"]) == {"forged": [], "signed": ["opened"]}
    assert installation.open_gates() - before == {(name_of(4), "wait-pr-approved")}


@pytest.fixture
def with_rules(installation: Installation) -> Iterator[Callable[[str], None]]:
    """`with_rules(text)` starts the function again with this gates.yaml, as a new revision would."""
    usual = installation.function.rules.read_text()

    def use(text: str) -> None:
        installation.function.rules.write_text(text)
        installation.function.start()

    yield use
    use(usual)


def test_a_fourth_agent_and_a_fifth_gate_need_gates_yaml_alone(
    installation: Installation, with_rules: Callable[[str], None]
) -> None:
    rules = yaml.safe_load(installation.function.rules.read_text())
    rules["people"]["security"] = ["5DLabs-Cipher[bot]"]
    rules["gates"]["wait-security-checked"] = {
        "event": "pull_request.labeled",
        "label": "security-checked",
        "by": "security",
    }
    with_rules(yaml.safe_dump(rules, sort_keys=False))
    gates = (*PIPELINE[:3], "wait-security-checked", PIPELINE[3])
    installation.create(
        *(waiting_workflow(task, "wait-security-checked", gates=gates, agent="5DLabs-Atlas") for task in (3, 4)),
        waiting_workflow(5),
    )
    before = installation.open_gates()
    author, label = "5DLabs-Atlas[bot]", "security-checked"
    by_the_fourth = payloads.labeled(label, **of(3) | {"author": author}, by="5DLabs-Cipher[bot]")
    by_another = payloads.labeled(label, **of(4) | {"author": author})
    usual = payloads.approved(**of(5))
    with Watch(installation.api.admin, NAMESPACE) as watch:
        send(installation, [("fifth", by_the_fourth), ("by-another", by_another), ("usual", usual)])
        watch.wait_for_gates((name_of(3), "wait-security-checked"), (name_of(5), "wait-pr-approved"))
        installation.wait_until_done()
    assert installation.open_gates() - before == watch.opened.keys()
    assert installation.answers(["by-another"]) == {"by-another": ["refused"]}


def test_a_gate_fails_where_the_rules_say_so(installation: Installation, with_rules: Callable[[str], None]) -> None:
    """The node is what `argo node set --phase Failed` makes of it, and the admission policy lets it through."""
    rules = yaml.safe_load(installation.function.rules.read_text())
    review = {"event": "pull_request_review.submitted", "by": "reviewers"}
    rules["gates"]["wait-pr-approved"] = [
        {**review, "review": "approved", "fresh": True},
        {**review, "review": "changes_requested", "then": "fail"},
    ]
    with_rules(yaml.safe_dump(rules, sort_keys=False))
    installation.create(waiting_workflow(3), waiting_workflow(4))
    before = installation.workflow(name_of(3))["status"]["nodes"]
    assert installation.deliver(payloads.changes_requested(**of(3)), "no") == 200
    installation.wait_until_done()
    assert installation.answers(["no"]) == {"no": ["failed"]}
    after = installation.workflow(name_of(3))["status"]["nodes"]
    (changed,) = [id_ for id_ in after if after[id_] != before[id_]]
    assert (after[changed]["displayName"], after[changed]["phase"]) == ("wait-pr-approved", "Failed")
    fields = {key for key in after[changed] if after[changed][key] != before[changed].get(key)}
    assert fields == {"phase", "finishedAt", "message"}
