"""`taskgate explain`: say what an event would do, or why a Workflow waits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.exceptions import Exit

from func.cli.access import config_option, context_option, is_there_a_cluster, pipeline_for_people, settings_for_people
from func.cli.advice import Advice, advice_for_event
from func.cli.dry_run import DryRun, dry_run, offline_pipeline
from func.cli.explain_workflow import complete_workflow, explain_workflow
from func.cli.output import Problem, Row, output_option, print_advice, print_json, print_table, wrap
from func.cli.recorded import Recorded, read_recorded
from func.core.field_types import nearest
from func.core.outcomes import OUTCOMES
from func.core.reasons import CHECKS
from func.core.sources.github_actions import ACTIONS

_REJECTED, _UNKNOWN, _NO_CLUSTER = 3, 1, 4
_STYLES: Mapping[str, Mapping[str, Any]] = {"NO": {"fg": "red", "bold": True}, "?": {"fg": "yellow"}}


@click.command()
@click.argument("file", metavar="[FILE|-]", required=False, type=click.Path(allow_dash=True))
@click.option("--workflow", metavar="NAME", shell_complete=complete_workflow, help="Explain this Workflow instead.")
@click.option("--github-event", metavar="NAME", help="GitHub's name of the event (X-GitHub-Event); default: guessed.")
@config_option
@context_option
@output_option
def explain(
    *, file: str | None, workflow: str | None, github_event: str | None, config: Path | None, output: str
) -> None:
    """Say what an event would do, or why a Workflow waits.

    FILE is a CloudEvent, a payload of GitHub, a recorded delivery or a dead letter. Shows the checks in their order
    with what each found, and for the one that rejects the event what it takes. Reads the cluster of KUBECONFIG (or of
    this pod); without one it stops before the Workflow.

    With --workflow: where that Workflow waits and since when, which signals came for it and what became of each, what
    would open its gate, and what is wrong with it. Writes nothing.

    \b
    Exit codes, of an event:
      0  it would change its Workflow: opened, failed, parked or withdrawn
      1  unknown: FILE cannot be read, or the cluster does not answer
      2  wrong usage
      3  it would change nothing: one of the checks rejects it
      4  no check rejects it so far, and there is no cluster to read

    \b
    Exit codes, of a Workflow:
      0  it waits for an event, or for nothing
      1  unknown: there is none, its nodes are offloaded, or the cluster does not answer
      2  wrong usage
      3  no event can open its gate until somebody does something

    \b
    Examples:
      taskgate explain event.json
      pbpaste | taskgate explain - --github-event pull_request_review
      KUBECONFIG=~/.kube/config taskgate explain event.json --output json
      taskgate explain --workflow play-task-7-workflow
    """
    if (file is None) == (workflow is None):
        raise click.UsageError("expected an event (FILE, or - for standard input) or --workflow NAME, one of the two")
    recorded = _one(file, github_event) if file is not None else None
    if recorded and not is_there_a_cluster():
        pipeline = offline_pipeline(settings_for_people(config).rules)
    else:
        pipeline = pipeline_for_people(config)
    if recorded is None:
        raise Exit(explain_workflow(workflow or "", pipeline, output))
    run = dry_run(recorded, pipeline)
    advice = advice_for_event(run)
    if output == "json":
        print_json({**run.data(), **advice._asdict(), "guessed": recorded.guessed})
    else:
        _print(run, advice)
    rejected = _UNKNOWN if OUTCOMES[run.answer.outcome].retry else _REJECTED
    raise Exit({"yes": 0, "?": _NO_CLUSTER}.get(run.mark, rejected))


def _one(file: str, github_event: str | None) -> Recorded:
    if github_event is not None and github_event not in ACTIONS:
        what = f"GitHub has no event {github_event!r}{nearest(github_event, ACTIONS)}"
        raise click.BadParameter(what, param_hint="'--github-event'")
    found = read_recorded(file, github_event)
    if len(found) > 1:
        raise Problem(f"{file} contains {len(found)} events: expected one; check --events takes many")
    if found[0].problem:
        raise Problem(f"{found[0].where}: {found[0].problem}")
    return found[0]


def _print(run: DryRun, advice: Advice) -> None:
    event, answer, results = run.recorded.event, run.answer, run.results()
    title = f"{run.name or '(no type)'}, event {event.get('id', '(no id)')} from {event.get('source', '(no source)')}"
    click.secho(wrap(title), bold=True)
    if run.recorded.guessed:
        click.echo(wrap(f"Note: {run.recorded.guessed}."))
    click.echo()
    rows = [Row((mark, check, found or "passed"), _STYLES.get(mark, {})) for mark, check, found in results]
    if rest := ", ".join(check for check in CHECKS if check not in {made for _, made, _ in results}):
        rows.append(Row(("-", "the rest", f"not checked: {rest}"), {"dim": True}))
    print_table(("", "CHECK", "FOUND"), rows)
    click.echo()
    if run.mark == "?":
        click.echo(wrap("No check rejects it so far. The rest depends on its Workflow."))
    else:
        end, color = (". Nothing was written.", "green") if run.mark == "yes" else (f", HTTP {answer.status}.", "red")
        click.secho(wrap(f"Outcome: {answer.outcome}, code {answer.code}{end}"), fg=color)
    print_advice(*advice)
