"""`taskgate check`: validate gates.yaml, and say what it would decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from func.cli.dry_run import DryRun, dry_run, offline_pipeline
from func.cli.output import Row, clean, output_option, print_json, print_table, progress, wrap
from func.cli.recorded import Recorded, read_recorded
from func.core.lint import LintWarning, lint
from func.core.rules import Rules
from func.service.settings import read_rules


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--events",
    metavar="FILE|DIR|-",
    type=click.Path(allow_dash=True),
    help="Recorded events: CloudEvents, payloads of GitHub, recorded deliveries, lines of them, dead letters; - for "
    "standard input.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 where there is a warning.")
@output_option
@click.pass_context
def check(ctx: click.Context, *, file: Path, events: str | None, strict: bool, output: str) -> None:
    """Validate a gates.yaml and test it on recorded events.

    Warns of what is dangerous in FILE. With --events, also shows what would become of recorded events, as far as that
    is known without their Workflows. Calls no API.

    \b
    Exit codes:
      0  FILE is valid, whatever becomes of the events
      1  FILE is not valid (a line names the place), the events cannot be read, or --strict and there is a warning
      2  wrong usage

    \b
    Examples:
      taskgate check gates.yaml --strict
      taskgate check gates.yaml --events recorded/ --output json
    """
    rules = read_rules(file, str(file))
    warnings = lint(rules)
    runs = _run(read_recorded(events), rules) if events else None
    is_wrong = any(each.level == "error" for each in warnings)
    if output == "json":
        shown: dict[str, Any] = {
            "file": str(file),
            "rules": rules.model_dump(mode="json", by_alias=True),
            "warnings": [each._asdict() for each in warnings],
        }
        if runs is not None:
            shown["events"] = [run.data() for run in runs]
        print_json(shown)
    else:
        _print(file, warnings, runs, is_wrong=is_wrong)
    ctx.exit(1 if is_wrong or (strict and warnings) else 0)


def _run(events: list[Recorded], rules: Rules) -> list[DryRun]:
    pipeline = offline_pipeline(rules)
    with progress(events, len(events), "Deciding") as shown:
        return [dry_run(recorded, pipeline) for recorded in shown]


def _print(file: Path, warnings: list[LintWarning], runs: list[DryRun] | None, *, is_wrong: bool) -> None:
    click.echo(f"{clean(file)} is {'not valid' if is_wrong else 'valid'}.")
    for each in warnings:
        color = "red" if each.level == "error" else "yellow"
        click.echo(f"\n{click.style(wrap(f'{each.level.capitalize()}: {each.place} ({each.code})'), fg=color)}")
        click.echo(wrap(each.text, "  "))
    if runs is not None:
        click.echo()
        print_table(("EVENT", "TASK", "GATE"), [_decision(run) for run in runs])


def _decision(run: DryRun) -> Row:
    answer, task = run.answer, run.answer.task
    if run.mark != "?":
        decision = f"{answer.outcome} ({answer.code}) at {run.check}: {answer.reason}"
    elif run.plan and not run.plan.intents[0].rule:
        decision = "revokes signals, as far as its Workflow has any"
    else:
        decision = "accepted so far, the rest depends on its Workflow"
    cells = (run.recorded.where, f"{task.id} by {task.found_by}" if task else "", answer.gate or "")
    style = {"fg": "green"} if run.mark == "?" else {}
    return Row(cells, style, [f"{run.name}: {decision}" if run.name else decision])
