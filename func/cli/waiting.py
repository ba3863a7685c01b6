"""`taskgate waiting`: list the tasks that wait at gates, their signals, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from func.cli.access import config_option, context_option, pipeline_for_people
from func.cli.output import Problem, Row, age, output_option, print_json, print_table
from func.core.rules import Rules
from func.core.status import SignalStatus, WorkflowStatus, mark_twins, read_object
from func.core.values import format_time
from func.core.workflows import UNFINISHED
from func.kube.errors import NotFound

_TITLES = ("GATE", "TASK", "SINCE", "WORKFLOW", "REPOSITORY")


@click.command()
@click.option("--gate", metavar="G", help="Only Workflows that wait at this gate.")
@click.option("--task", metavar="T", help="Only the Workflows of this task.")
@config_option
@context_option
@output_option
def waiting(*, gate: str | None, task: str | None, config: Path | None, output: str) -> None:
    """List the tasks that wait at gates, their signals and problems.

    Reads all running Workflows that the rules select, from the cluster of KUBECONFIG or of this pod. Shows since when
    each waits at its gate, the signals that came and did not move it yet, and what is wrong with it. Writes nothing.

    \b
    Exit codes:
      0  shown, also when nothing waits
      1  the cluster does not answer, or the rules are wrong
      2  wrong usage

    \b
    Examples:
      taskgate waiting
      taskgate waiting --gate wait-pr-approved
      taskgate waiting --task 7 --output json
    """
    pipeline = pipeline_for_people(config)
    rules, now = pipeline.rules, pipeline.clock()
    try:
        listed = pipeline.workflows.list_all(f"{rules.workflows.selector},{UNFINISHED}")
        running = (each for raw in listed if not (each := read_object(raw, rules, now)).finished)
        found = mark_twins(running, rules)
    except NotFound as error:
        raise Problem(f"Argo Workflows is not installed in this cluster: {error}") from None
    shown = sorted(_asked_for(found, gate, task), key=lambda status: _place(status, rules))
    if output == "json":
        print_json([each.data() for each in shown])
    elif not shown:
        of_task, at_gate = f" of task {task}" if task else "", f" and waits at {gate}" if gate else ""
        where = f"with {rules.workflows.selector} is running in {rules.workflows.namespace}"
        click.echo(f"No Workflow{of_task} {where}{at_gate}.")
    else:
        print_table(_TITLES, [row for each in shown for row in _rows(each, now)], movable=2)


def _asked_for(found: Iterable[WorkflowStatus], gate: str | None, task: str | None) -> Iterator[WorkflowStatus]:
    """Yield those of a task that wait at a gate, each with only the gates where it waits and the unused signals."""
    for status in found:
        gates = tuple(each for each in status.waiting if gate in (None, each.name, each.name.partition("(")[0]))
        signals = tuple(each for each in status.signals if each.state != "used")
        if (gates or gate is None) and (task is None or task.casefold() == (status.task or "").casefold()):
            yield status._replace(gates=gates, signals=signals)


def _place(status: WorkflowStatus, rules: Rules) -> tuple[int, datetime, str]:
    """Return what sorts by the order of the gates, and who has waited longest first; last those at no gate."""
    order, first = [*rules.gate_ids], next(iter(status.gates), None)
    place = len(order) + 1 if first is None else order.index(first.name) if first.name in order else len(order)
    return place, (first and first.since) or datetime.max.replace(tzinfo=UTC), status.ref.name


def _rows(status: WorkflowStatus, now: datetime) -> Iterator[Row]:
    """Return a row for each gate at which a Workflow waits."""
    notes = [*map(_signal_in_words, status.signals), *(problem.sentence for problem in status.problems)]
    for gate in status.gates or (None,):
        name, since = (gate.name, gate.since) if gate else ("(at no gate)", None)
        cells = (name, status.task or "", age(now - since) if since else "", status.ref.name, status.repository or "")
        yield Row(cells, {"fg": "red"} if status.problems else {}, notes)


def _signal_in_words(each: SignalStatus) -> str:
    """Return `waits for wait-pr-merged: 5dlabs/cto#3 by octocat, 2026-01-31T12:00:00Z`."""
    signal = each.signal
    by = f" by {signal.person}" if signal.person else ""
    what = f"{signal.pull_request or signal.id}{by}, {format_time(signal.happened)}"
    if each.state == "rejected":
        return f"{each.code} for {each.gate}: {what}. {each.sentence}"
    return f"{'waits for' if each.state == 'waits' else 'is about to move'} {each.gate}: {what}"
