"""`taskgate explain`: what would happen to this event, and why?"""

from __future__ import annotations

from pathlib import Path

import click

from func.cli import access
from func.cli.access import config_option, connect_for_people, context_option, is_there_a_cluster, settings_for_people
from func.cli.deciding import NoCluster, Verdict, decide
from func.cli.explain_workflow import complete_workflow, explain_workflow
from func.cli.needed import needed
from func.cli.output import Problem, Row, clean, output_option, print_json, print_table, wrap
from func.cli.recorded import Recorded, read_recorded
from func.cli.story import Story
from func.core.outcomes import CHECKS
from func.core.rules import Rules
from func.service.build import build_pipeline
from func.service.pipeline import Pipeline

_NO, _UNKNOWN, _NO_CLUSTER = 3, 1, 4
_FAILURES = ("unavailable", "forbidden")


@click.command()
@click.argument("file", metavar="[FILE|-]", required=False, type=click.Path(allow_dash=True))
@click.option(
    "--workflow", metavar="NAME", shell_complete=complete_workflow, help="Tell the story of this Workflow instead."
)
@click.option("--github-event", metavar="NAME", help="Of a GitHub payload, as in X-GitHub-Event; default: guessed.")
@config_option
@context_option
@output_option
@click.pass_context
def explain(
    ctx: click.Context,
    *,
    file: str | None,
    workflow: str | None,
    github_event: str | None,
    config: Path | None,
    output: str,
) -> None:
    """What would this event do, or why does this Workflow stand?

    FILE is a CloudEvent, a payload of GitHub's or a dead letter. Shows each check in order, with its yes or no and what
    was found, and at the first no what would have to be different. Looks at the cluster of KUBECONFIG (or of this pod);
    without one it stops before the Workflow.

    With --workflow: where that Workflow waits and since when, which keys came, from whom, and what became of each, what
    would open its gate, and what to run next. Writes nothing.

    \b
    Exit codes, of an event:
      0  it would be opened, parked or withdrawn
      1  can't be told: FILE can't be read, or the cluster does not answer
      2  wrong usage
      3  it would change nothing: one of the checks says no
      4  nothing against it so far, and no cluster to look at

    \b
    Exit codes, of a Workflow:
      0  told, and nothing is wrong with it: it waits for its event, or for nothing
      1  can't be told: there is none, its nodes are offloaded, or the cluster does not answer
      2  wrong usage
      3  told, and no event can open its gate until somebody does something

    \b
    Examples:
      taskgate explain event.json
      pbpaste | taskgate explain - --github-event pull_request_review
      KUBECONFIG=~/.kube/config taskgate explain event.json --output json
      taskgate explain --workflow play-task-7-workflow
    """
    if (file is None) == (workflow is None):
        raise click.UsageError("expected an event (FILE, or - for standard input) or --workflow NAME, one of the two")
    settings = settings_for_people(config)
    if workflow is not None:
        pipeline = build_pipeline(settings, connect_for_people(settings), writes=False)
        ctx.exit(_exit_code_of(explain_workflow(workflow, pipeline, output)))
    assert file is not None  # noqa: S101 - checked above
    recorded = _one(file, github_event)
    if is_there_a_cluster():
        pipeline = build_pipeline(settings, connect_for_people(settings), writes=False)
    else:
        pipeline = Pipeline(settings.rules, NoCluster(settings.rules.workflows.namespace), writes=False)
    pipeline.clock = access.now
    verdict = decide(recorded, pipeline)
    if output == "json":
        what = needed(verdict, settings.rules) or None
        print_json({**verdict.data(), "needed": what, "guessed": recorded.guessed})
    else:
        _print(verdict, settings.rules)
    ctx.exit(_exit_code(verdict))


def _exit_code_of(story: Story) -> int:
    if not story.known:
        return _UNKNOWN
    return _NO if story.troubles else 0


def _one(file: str, github_event: str | None) -> Recorded:
    found = read_recorded(file, github_event)
    if len(found) > 1:
        raise Problem(f"{file} holds {len(found)} events: expected one; check --events takes many")
    if found[0].problem:
        raise Problem(f"{found[0].where}: {found[0].problem}")
    return found[0]


def _exit_code(verdict: Verdict) -> int:
    if verdict.answer is None:
        return _NO_CLUSTER
    if verdict.is_yes:
        return 0
    return _UNKNOWN if verdict.would in _FAILURES else _NO


def _print(verdict: Verdict, rules: Rules) -> None:
    ref = verdict.recorded.event
    title = f"{verdict.name or '(no type)'}, event {ref.get('id', '(no id)')} from {ref.get('source', '(no source)')}"
    click.secho(wrap(title), bold=True)
    if verdict.recorded.guessed:
        click.echo(wrap(f"Note: {verdict.recorded.guessed}."))
    click.echo()
    print_table(("", "CHECK", "FOUND"), _steps(verdict))
    click.echo()
    click.echo(_conclusion(verdict))
    what = needed(verdict, rules)
    if what:
        click.echo(wrap(f"What it takes: {what}"))


def _steps(verdict: Verdict) -> list[Row]:
    passed = dict(verdict.passed)
    rows, rest = [], []
    for check in CHECKS:
        if check == verdict.stopped_at:
            rows.append(Row(("NO", check, verdict.reason or ""), {"fg": "red", "bold": True}))
        elif check in passed:
            rows.append(Row(("yes", check, passed[check])))
        elif verdict.answer is None and check == "workflow":
            rows.append(Row(("?", check, "no cluster to look at: set KUBECONFIG"), {"fg": "yellow"}))
        else:
            rest.append(check)
    if rest:
        why = "not needed" if verdict.is_yes else "not looked at"
        rows.append(Row(("-", "the rest", f"{why}: {', '.join(rest)}"), {"dim": True}))
    return rows


def _conclusion(verdict: Verdict) -> str:
    answer = verdict.answer
    if answer is None:
        return wrap("Nothing stands against it so far. The rest depends on its Workflow.")
    if verdict.would in _FAILURES:
        return click.style(wrap(f"It can't be told: {answer.reason}"), fg="red")
    if verdict.is_yes:
        return click.style(wrap(f"It would be {verdict.would}: {verdict.reason} Nothing was written."), fg="green")
    outcome = clean(verdict.would)
    words = {"no-workflow": "There is no Workflow for it", "invalid": "It is invalid"}
    return click.style(f"{words.get(outcome, f'It would be {outcome}')} (HTTP {answer.status}).", fg="red")
