"""`taskgate explain --workflow`: where one Workflow waits, and why."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import click

from func.cli.access import pipeline_for_people
from func.cli.advice import accepted_events, advice_for_problem
from func.cli.output import Problem, Row, age, clean, print_advice, print_json, print_table, wrap
from func.core.errors import TaskgateError
from func.core.fold import describe
from func.core.reasons import Rejection
from func.core.rules import Rules
from func.core.status import WorkflowStatus, mark_twins, read_object, read_status
from func.core.values import format_time
from func.core.workflows import UNFINISHED, read_workflow
from func.kube.deadline import Deadline
from func.kube.errors import NotFound
from func.service.pipeline import Pipeline

_UNKNOWN, _BLOCKED = 1, 3  # exit codes
_COMPLETION_SECONDS = 2.0
_SECONDS = 30.0  # for all calls; a person waits longer than a Sensor
_HINT = "run taskgate waiting to list those that run"
_LOG = "kubectl -n taskgate logs -l app.kubernetes.io/component=function -c taskgate --tail=-1"
_STYLES: Mapping[str, Mapping[str, Any]] = {"waiting": {"fg": "yellow", "bold": True}, "not reached": {"dim": True}}


def explain_workflow(name: str, pipeline: Pipeline, output: str) -> int:
    """Print where a Workflow waits, why, and what is wrong with it; return the exit code.

    Args:
        name: of the Workflow, alone or as `<namespace>/<name>`.
        pipeline: reads the Workflow and holds the rules.
        output: `json` or `table`.

    Raises:
        Problem: when there is no such Workflow, or the name is wrong.
        Rejection: when it cannot be read, or the cluster refuses.
    """
    rules, now, namespace = pipeline.rules, pipeline.clock(), pipeline.rules.workflows.namespace
    short = name.removeprefix(f"{namespace}/")
    if not short or "/" in short:  # for an empty name the API would return the list of all Workflows
        raise Problem(f"--workflow is {name!r}: expected the name of a Workflow in {namespace}; {_HINT}")
    try:
        status = _read(short, pipeline, now)
    except NotFound:
        raise Problem(f"there is no Workflow {short} in {namespace}; {_HINT}") from None
    data = _data(status, rules, now)
    if output == "json":
        print_json(data)
    else:
        _print(data, is_blocked=status.is_blocked)
    return _UNKNOWN if _is_offloaded(status) else _BLOCKED if status.is_blocked else 0


def complete_workflow(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return names for the shell: running Workflows, where a cluster answers soon."""
    try:
        pipeline = pipeline_for_people(ctx.params.get("config"))
        selector = f"{pipeline.rules.workflows.selector},{UNFINISHED}"
        found = pipeline.workflows.list_metadata(selector, Deadline.after(_COMPLETION_SECONDS))
    except TaskgateError:
        return []
    names = (str((item.get("metadata") or {}).get("name")) for item in found)
    return sorted(name for name in names if name.startswith(incomplete))


def _read(name: str, pipeline: Pipeline, now: datetime) -> WorkflowStatus:
    """Return the status of a Workflow, with its nodes wherever they are stored, in view of the others of its task.

    Raises:
        Rejection: when the cluster or the object does not let it be read.
    """
    deadline, rules = Deadline.after(_SECONDS), pipeline.rules
    workflow = read_workflow(pipeline.workflows.get(name, deadline))
    if workflow.stored == "offloaded" and pipeline.argo:
        workflow = pipeline.argo.hydrate(workflow, deadline)
    status = read_status(workflow, rules, now)
    if not status.task or status.finished:
        return status
    others: list[WorkflowStatus] = []
    with suppress(Rejection):  # the Workflow itself was read, which is worth more
        selector = f"{rules.workflows.selector_of(status.task)},{UNFINISHED}"
        others = [read_object(each, rules, now) for each in pipeline.workflows.list_metadata(selector, deadline)]
    return mark_twins([status, *(each for each in others if each.ref != status.ref)], rules)[0]


def _is_offloaded(status: WorkflowStatus) -> bool:
    return any(problem.code == "offloaded" for problem in status.problems)


def _summary(status: WorkflowStatus, now: datetime) -> str:
    if status.finished:
        return f"It is finished ({status.phase or 'completed'}): no event opens a gate on it any more."
    if _is_offloaded(status):
        return "Its nodes are stored in a database, so it is unknown where it waits."
    if not status.waiting:
        return f"It waits at no gate{', and runs ' if status.busy else ''}{', '.join(status.busy)}."
    sentences = []
    for gate in status.waiting:
        since = f" since {format_time(gate.since)} ({age(now - gate.since)})" if gate.since else ""
        codes = [each.code for each in status.signals_for(gate.name) if each.state != "used"]
        last = f"The last signal for it: {codes[-1]}" if codes else "No signal has come for it"
        sentences.append(f"It waits at {gate.name}{since}. {last}.")
    return " ".join(sentences)


def _facts(status: WorkflowStatus) -> Iterator[str]:
    state = status.state
    if state is None:
        return
    if not state.signals and not state.used:
        yield "No signal is remembered on it: none came, all were rejected (see the log), or the state was removed."
    if any(signal.copied for signal in state.signals) or any(use.node is None for use in state.used):
        yield "It is a resubmitted copy: of its original only used events and revocations count."
    if status.bound:
        yield f"It belongs to {status.bound}: events of other pull requests are refused."
    for signal in state.signals:
        if signal.gone:
            yield f"{signal.pull_request} has ended, or left the task: {describe(signal)}."


def _next_steps(status: WorkflowStatus) -> Iterator[tuple[str, str]]:
    """Return what to run next: why, and a command."""
    if status.task:
        field = f'"taskgate.task.id": {json.dumps(status.task)}'
        several = f"task {status.task} by its "  # the reason of `several-tasks`: its record has no task
        found = shlex.join(["grep", "-F", "-e", field, "-e", several])
        yield "Which events came for its task", f"{_LOG} | {found}"
    for gate in status.waiting[:1]:
        kinds = [event.partition(".")[0] for rule in gate.rules for event in rule.event]
        yield (
            "Why an event did not open it (save its payload from the webhook settings of GitHub, Recent Deliveries)",
            f"taskgate explain payload.json --github-event {kinds[0] if kinds else 'pull_request'}",
        )
        if len(gate.nodes) == 1:
            where = ["-n", status.ref.namespace, status.ref.name, "--node-field-selector", f"id={gate.nodes[0]}"]
            yield "Open it manually", shlex.join(["argo", "resume", *where])


def _data(status: WorkflowStatus, rules: Rules, now: datetime) -> dict[str, Any]:
    """Return all that is shown."""
    return {
        **status.data(),
        "created": format_time(status.created) if status.created else None,
        "summary": _summary(status, now),
        "facts": list(_facts(status)),
        "opens": {gate.name: list(accepted_events(gate, status, rules)) for gate in status.waiting},
        "problems": [
            {"code": each.code, "what": each.sentence, **advice_for_problem(each, status, rules)._asdict()}
            for each in status.problems
        ],
        "next": [{"why": why, "run": command} for why, command in _next_steps(status)],
    }


def _print(data: Mapping[str, Any], *, is_blocked: bool) -> None:
    whose = f"task {data['task'] or '(none)'}" + (f" of {data['repository']}" if data["repository"] else "")
    created = f", created {data['created']}" if data["created"] else ""
    click.secho(wrap(f"{data['namespace']}/{data['workflow']}, {whose}{created}"), bold=True)
    click.secho(wrap(data["summary"]), fg="yellow" if data["opens"] else None)
    for fact in data["facts"]:
        click.echo(wrap(fact))
    if data["gates"]:
        click.echo()
        print_table(("GATE", "STATE", "SIGNALS"), [_row(gate, data["signals"]) for gate in data["gates"]])
    for problem in data["problems"]:
        click.secho(f"\n{wrap(problem['what'])}", fg="red", bold=True)
        print_advice(problem["remedy"], problem["run"])
    for gate, events in data["opens"].items() if not is_blocked else ():
        click.secho(f"\nEvents that move {clean(gate)}:", bold=True)
        for each in events:
            click.echo(wrap(each, "  "))
    click.secho("\nRun next:", bold=True)
    for step in data["next"]:
        click.echo(wrap(step["why"], "  # "))
        click.echo(f"  {clean(step['run'])}")


def _row(gate: Mapping[str, Any], signals: Iterable[Mapping[str, Any]]) -> Row:
    own = [each for each in signals if each["gate"] == gate["gate"]]
    codes = ", ".join(each["state"] if each["state"] in ("used", "claimed") else each["code"] for each in own)
    notes = [f"{each['what']}: {each['reason']}" for each in own]
    return Row((gate["gate"], gate["state"], codes), _STYLES.get(gate["state"], {}), notes)
