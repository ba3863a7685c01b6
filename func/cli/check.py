"""`taskgate check`: is this gates.yaml right, and what would it decide?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from func.cli.deciding import Verdict, decide_offline
from func.cli.output import Problem, Row, clean, output_option, print_json, print_table, progress
from func.cli.recorded import Recorded, read_recorded
from func.cli.wording import demands_in_words, event_in_words, person_in_words
from func.core.errors import ConfigError
from func.core.gates_file import parse_rules
from func.core.rules import Rules


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--events",
    metavar="FILE|DIR|-",
    type=click.Path(allow_dash=True),
    help="Recorded events: CloudEvents, GitHub's payloads, lines of them, dead letters; - for standard input.",
)
@output_option
def check(file: Path, events: str | None, output: str) -> None:
    """Is this gates.yaml right, and what would it decide?

    Says in words what FILE says. With --events, also what would become of recorded events, as far as that can be told
    without their Workflows. Calls no API.

    \b
    Exit codes:
      0  FILE is right, whatever becomes of the events
      1  FILE is wrong (the one line names the place), or the events can't be read
      2  wrong usage

    \b
    Examples:
      taskgate check gates.yaml
      taskgate check gates.yaml --events recorded/ --output json
    """
    rules = _read(file)
    verdicts = _decide(read_recorded(events), rules) if events else None
    if output == "json":
        shown: dict[str, Any] = {"file": str(file), "rules": rules.model_dump(mode="json", by_alias=True)}
        if verdicts is not None:
            shown["events"] = [verdict.data() for verdict in verdicts]
        print_json(shown)
        return
    click.echo(f"{clean(file)} is right.\n")
    print_table(("RULES", "SAY"), _summary(rules))
    click.echo()
    print_table(("GATE", "OPENS BY", "AND", "PEOPLE"), _gates(rules))
    if verdicts is not None:
        click.echo()
        print_table(("EVENT", "WHAT", "TASK", "GATE", "DECISION"), [_decision(verdict) for verdict in verdicts])


def _decide(events: list[Recorded], rules: Rules) -> list[Verdict]:
    with progress(events, len(events), "Deciding") as shown:
        return [decide_offline(recorded, rules) for recorded in shown]


def _read(file: Path) -> Rules:
    try:
        return parse_rules(file.read_text(encoding="utf-8"), str(file))
    except OSError as error:
        raise Problem(f"{file}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise Problem(f"{file}: expected a text in UTF-8") from None
    except ConfigError as error:
        raise Problem(error) from None


def _summary(rules: Rules) -> list[Row]:
    workflows, labels = rules.workflows, rules.workflows.labels
    found = [f"name {workflows.name}"] if workflows.name else []
    found.append(f"labels {labels.task} and {labels.repository}" if labels.repository else f"label {labels.task}")
    patterns = [f"{place} {pattern.pattern}" for place, pattern in rules.task.patterns.items()]
    rows = {
        "Workflows": f"in namespace {workflows.namespace} with {workflows.selector}",
        "found by": ", then ".join(found),
        "belong to": "the pull request of the first key" if workflows.one_pull_request else "any pull request",
        "repositories": ", ".join(rules.repositories) if rules.repositories is not None else "all",
        "a task's id": " and ".join(patterns) or "only in events that say where it is",
    }
    rows |= {f"people: {name}": ", ".join(map(person_in_words, people)) for name, people in rules.people.items()}
    rows |= {f"output: {name}": template for name, template in rules.outputs.items()}
    return [Row(pair) for pair in rows.items()]


def _gates(rules: Rules) -> list[Row]:
    rows = []
    for gate, ways in rules.gates.items():
        for number, way in enumerate(ways):
            name = gate if number == 0 else ""
            rows.append(Row((name, event_in_words(way), demands_in_words(way), " or ".join(way.by))))
            rows += [
                Row(("", f"taken back by {event_in_words(back)}", "", " or ".join(back.by)), {"dim": True})
                for back in way.withdraw
            ]
    return rows


def _decision(verdict: Verdict) -> Row:
    task = verdict.task
    answer, passed = verdict.answer, dict(verdict.passed)
    if answer is None:
        aim = passed.get("rule", "")
        decision, style = f"nothing against it so far: {aim}; the rest depends on its Workflow", {"fg": "green"}
    else:
        decision, style = f"{answer.outcome} at {verdict.stopped_at}: {answer.reason}", {}
    cells = (
        verdict.recorded.where,
        verdict.name,
        f"{task.id} by {task.found_by}" if task else "",
        verdict.gate or "",
        decision,
    )
    return Row(cells, style)
