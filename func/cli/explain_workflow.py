"""`taskgate explain --workflow`: the story of one Workflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from func.cli import access
from func.cli.gate_story import GateStory
from func.cli.output import Problem, Row, clean, print_json, print_table, wrap
from func.cli.story import Story, tell
from func.core.outcomes import No
from func.core.rules import Rules
from func.core.values import show_time
from func.core.workflows import UNDER_WAY, Workflow, is_finished, read_workflow
from func.kube.client import Workflows
from func.kube.deadline import Budget
from func.kube.errors import ApiError, NotFound
from func.service.pipeline import Pipeline

_COMPLETION_SECONDS = 2.0
_SECONDS = 30.0  # for all calls; a person waits longer than a Sensor


def explain_workflow(name: str, pipeline: Pipeline, output: str) -> Story:
    """Read the Workflow, and print its story.

    Args:
        name: As it is, or `<namespace>/<name>` as the function's log has it.

    Raises: Problem.
    """
    rules = pipeline.rules
    namespace, _, short = name.rpartition("/")
    if not short:  # a variable of a shell that is not set; asked for, it would be the list of all
        raise Problem("--workflow has no name; taskgate waiting lists those under way")
    if namespace not in ("", rules.workflows.namespace):
        raise Problem(f"namespace {namespace} is not {rules.workflows.namespace}, the one of the rules")
    try:
        workflow, twins = _read(short, pipeline)
    except NotFound:
        hint = "taskgate waiting lists those under way"
        raise Problem(f"there is no Workflow {short} in namespace {rules.workflows.namespace}; {hint}") from None
    except No as no:  # it can't be read, or the cluster says no
        raise Problem(no.reason) from None
    story = tell(workflow, rules, access.now(), twins)
    if output == "json":
        print_json(story.data())
    else:
        _print(story)
    return story


def complete_workflow(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Names for the shell: Workflows under way, where a cluster answers soon."""
    try:
        settings = access.settings_for_people(ctx.params.get("config"))
        rules = settings.rules.workflows
        workflows = Workflows(access.connect_for_people(settings), rules.namespace)
        found = workflows.list_metadata(f"{rules.selector},{UNDER_WAY}", Budget.of(_COMPLETION_SECONDS))
    except (Problem, No):
        return []
    names = (str((item.get("metadata") or {}).get("name")) for item in found)
    return sorted(name for name in names if name.startswith(incomplete))


def _read(name: str, pipeline: Pipeline) -> tuple[Workflow, list[str]]:
    """The Workflow with its nodes, wherever they are, and others under way with the same task and repository.

    Raises: No.
    """
    budget = Budget.of(_SECONDS)
    workflow = read_workflow(pipeline.workflows.get(name, budget))
    if workflow.stored == "offloaded" and pipeline.argo:
        workflow = pipeline.argo.hydrate(workflow, budget)
    selector = _selector(workflow.labels, pipeline.rules)
    if selector is None or workflow.finished:
        return workflow, []
    try:
        found = [item.get("metadata") or {} for item in pipeline.workflows.list_metadata(selector, budget)]
    except ApiError:  # the Workflow was read; its story is worth more than this
        found = []
    under_way = [each for each in found if not is_finished(each.get("labels") or {})]
    return workflow, sorted(str(each.get("name")) for each in under_way if each.get("uid") != workflow.ref.uid)


def _selector(labels: Mapping[str, str], rules: Rules) -> str | None:
    """For the Workflows of the same task; None where the labels do not say which it is."""
    names = [name for name in (rules.workflows.labels.task, rules.workflows.labels.repository) if name]
    if not all(labels.get(name) for name in names) or not rules.workflows.parsed_selector.matches(labels):
        return None
    return ",".join([rules.workflows.selector, *(f"{name}={labels[name]}" for name in names)])


def _print(story: Story) -> None:
    whose = f"task {story.task or '(none)'}" + (f" of {story.repository}" if story.repository else "")
    click.secho(wrap(f"{story.namespace}/{story.name}, {whose}, of {show_time(story.created)}"), bold=True)
    click.secho(wrap(story.summary), fg="yellow" if any(gate.nodes for gate in story.gates) else None)
    for fact in story.facts:
        click.echo(wrap(fact))
    if story.gates:
        click.echo()
        print_table(("GATE", "STANDS", "KEY", "WHAT IS KNOWN OF IT"), [_row(gate) for gate in story.gates])
    for trouble in story.troubles:
        click.secho(f"\n{wrap(trouble.what)}", fg="red", bold=True)
        click.echo(wrap(f"What it takes: {trouble.remedy}"))
        for command in trouble.commands:
            click.echo(f"  {clean(command)}")  # never broken, so that it can be copied
    for gate, demands in story.opens.items():
        if demands and not story.troubles:
            click.secho(f"\nWhat opens {clean(gate)}:", bold=True)
            for demand in demands:
                click.echo(wrap(demand, "  "))
    if story.steps:
        click.secho("\nRun next:", bold=True)
        for why, command in story.steps:
            click.echo(wrap(why, "  # "))
            click.echo(f"  {clean(command)}")


def _row(gate: GateStory) -> Row:
    styles: dict[str, dict[str, Any]] = {"waits": {"fg": "yellow", "bold": True}, "not reached": {"dim": True}}
    return Row((gate.slot, gate.stands, gate.key, " ".join(gate.about)), styles.get(gate.stands, {}))
