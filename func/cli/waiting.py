"""`taskgate waiting`: which tasks stand at which gates, since when, and which keys wait for them?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from func.cli.access import config_option, connect_for_people, context_option, settings_for_people
from func.cli.key_words import age, kind_of
from func.cli.output import Problem, Row, output_option, print_json, print_table
from func.core.outcomes import No
from func.core.rules import Rules
from func.core.standing import Place, Standing, read_standing
from func.core.state import Key
from func.core.values import show_time
from func.core.workflows import UNDER_WAY
from func.kube.client import Workflows
from func.kube.errors import NotFound


@click.command()
@config_option
@context_option
@output_option
def waiting(config: Path | None, output: str) -> None:
    """Which tasks stand at which gates, and which keys wait?

    Reads all Workflows under way that the rules select, from the cluster of KUBECONFIG or of this pod. Shows since when
    each stands at its gate, and the keys that came early or were taken back. Writes nothing.

    \b
    Exit codes:
      0  shown, also when nothing waits
      1  the cluster does not answer, or the rules are wrong
      2  wrong usage

    \b
    Examples:
      taskgate waiting
      taskgate waiting --config gates.yaml --output json
    """
    settings = settings_for_people(config)
    rules = settings.rules
    workflows = Workflows(connect_for_people(settings), rules.workflows.namespace)
    try:
        found = [read_standing(raw) for raw in workflows.list_all(f"{rules.workflows.selector},{UNDER_WAY}")]
    except NotFound as error:
        raise Problem(f"this cluster has no Workflows: {error}") from None
    except No as error:
        raise Problem(error) from None
    standing = _sorted([one for one in found if not one.is_finished], rules)
    now = datetime.now(UTC)
    if output == "json":
        print_json([_data(one, rules) for one in standing])
    elif not standing:
        click.echo(f"No Workflow with {rules.workflows.selector} is under way in {rules.workflows.namespace}.")
    else:
        titles = ("GATE", "TASK", "REPOSITORY", "WORKFLOW", "SINCE", "KEYS")
        print_table(titles, [row for one in standing for row in _rows(one, rules, now)])


def _data(standing: Standing, rules: Rules) -> dict[str, Any]:
    """For scripts."""
    return {
        "workflow": standing.name,
        "namespace": rules.workflows.namespace,
        "task": standing.task(rules),
        "repository": standing.repository(rules),
        "pull_request": standing.state.pull_request if standing.state else None,
        "gates": [
            {"gate": place.gate, "node": place.node, "since": show_time(place.since) if place.since else None}
            for place in standing.places
        ],
        "keys": [{"gate": gate, **key.shown()} for gate, key in standing.kept_keys()],
        "problem": standing.problem,
    }


def _sorted(standings: list[Standing], rules: Rules) -> list[Standing]:
    """In the order of the gates, and who has waited longest first."""
    gates = list(rules.gates)
    newest = datetime.max.replace(tzinfo=UTC)

    def order(standing: Standing) -> tuple[int, datetime, str]:
        if not standing.places:
            return len(gates) + 1, newest, standing.name
        first = standing.places[0]
        return gates.index(first.gate) if first.gate in gates else len(gates), first.since or newest, standing.name

    return sorted(standings, key=order)


def _rows(standing: Standing, rules: Rules, now: datetime) -> list[Row]:
    task, repository = standing.task(rules), standing.repository(rules)
    about = [_key_in_words(gate, key, now) for gate, key in standing.kept_keys()]
    if standing.problem:
        about.append(standing.problem)
    style = {"fg": "red"} if standing.problem else {}
    rows = []
    for place in standing.places or (Place("(at no gate)", "", None),):
        gate = place.gate if place.gate in rules.gates or not place.node else f"{place.gate} (in no rule)"
        since = age(now - place.since) if place.since else ""
        cells = (gate, task or "", repository or "", standing.name, since, "; ".join(about))
        rows.append(Row(cells, style))
    return rows


def _key_in_words(gate: str, key: Key, now: datetime) -> str:
    """`waits for wait-pr-merged: 5dlabs/cto#3 by octocat, ...`"""
    kind = kind_of(key, now)
    words = {"waits": "waits for", "claimed": "is about to open"}
    by = f" by {key.person}" if key.person else ""
    what = f"{key.pull_request or key.event}{by}, {show_time(key.happened)}"
    why = f" ({key.why})" if key.why else ""
    return f"{words.get(kind, f'{kind} for')} {gate}: {what}{why}"
