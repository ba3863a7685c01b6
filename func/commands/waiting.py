"""`taskgate waiting`: which tasks stand at which gates, since when, and which keys wait for them?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from func.commands.access import config_option, connect_for_people, settings_for_people
from func.commands.key_words import age
from func.commands.output import Problem, Row, output_option, print_json, print_table
from func.core.outcomes import No
from func.core.rules import Rules
from func.core.state import Key, State, read_state
from func.core.values import parse_time, show_time
from func.core.workflows import UNDER_WAY, Workflow, read_workflow
from func.kube import KubernetesError, NotFound, Workflows

_SHOWN = ("waiting", "claimed", "withdrawn")  # a used key has done its work


@click.command()
@config_option
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
        found = [_read(raw) for raw in workflows.list_all(f"{rules.workflows.selector},{UNDER_WAY}")]
    except NotFound as error:
        raise Problem(f"this cluster has no Workflows: {error}") from None
    except KubernetesError as error:
        raise Problem(error) from None
    standing = _sorted([one for one in found if not one.finished], rules)
    now = datetime.now(UTC)
    if output == "json":
        print_json([one.data(rules) for one in standing])
    elif not standing:
        click.echo(f"No Workflow with {rules.workflows.selector} is under way in {rules.workflows.namespace}.")
    else:
        titles = ("GATE", "TASK", "REPOSITORY", "WORKFLOW", "SINCE", "KEYS")
        print_table(titles, [row for one in standing for row in _rows(one, rules, now)])


@dataclass(frozen=True, slots=True)
class _Place:
    """A gate at which a Workflow stands."""

    gate: str
    node: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class _Standing:
    """One Workflow.

    Args:
        problem: Why more can't be told.
    """

    name: str
    labels: Mapping[str, str]
    finished: bool = False
    places: tuple[_Place, ...] = ()
    state: State | None = None
    problem: str | None = None

    def kept_keys(self) -> list[tuple[str, Key]]:
        """Those that did not open a gate, by the gate that they are for."""
        found = self.state.keys if self.state else {}
        return [(gate, key) for gate, key in found.items() if key.state in _SHOWN]

    def data(self, rules: Rules) -> dict[str, Any]:
        """For scripts."""
        task, repository = _labels(self, rules)
        return {
            "workflow": self.name,
            "namespace": rules.workflows.namespace,
            "task": task,
            "repository": repository,
            "pull_request": self.state.pull_request if self.state else None,
            "gates": [
                {"gate": place.gate, "node": place.node, "since": show_time(place.since) if place.since else None}
                for place in self.places
            ],
            "keys": [{"gate": gate, **key.shown()} for gate, key in self.kept_keys()],
            "problem": self.problem,
        }


def _read(raw: Mapping[str, Any]) -> _Standing:
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    labels = metadata.get("labels")
    name, labels = str(metadata.get("name")), labels if isinstance(labels, Mapping) else {}
    try:
        workflow = read_workflow(raw)
    except No as no:
        return _Standing(name, labels, problem=no.reason)
    places = tuple(_places(workflow))
    offloaded = "Its nodes are offloaded: argo get shows them." if workflow.stored == "offloaded" else None
    try:
        return _Standing(name, workflow.labels, workflow.finished, places, read_state(workflow), offloaded)
    except No as no:
        return _Standing(name, workflow.labels, workflow.finished, places, problem=no.reason)


def _places(workflow: Workflow) -> Iterable[_Place]:
    for identifier, node in workflow.nodes.items():
        if isinstance(node, Mapping) and node.get("type") == "Suspend" and node.get("phase") == "Running":
            try:
                since = parse_time(node.get("startedAt"))
            except ValueError:
                since = None
            yield _Place(str(node.get("displayName")), identifier, since)


def _sorted(standings: list[_Standing], rules: Rules) -> list[_Standing]:
    """In the order of the gates, and who has waited longest first."""
    gates = list(rules.gates)
    newest = datetime.max.replace(tzinfo=UTC)

    def order(standing: _Standing) -> tuple[int, datetime, str]:
        if not standing.places:
            return len(gates) + 1, newest, standing.name
        first = standing.places[0]
        return gates.index(first.gate) if first.gate in gates else len(gates), first.since or newest, standing.name

    return sorted(standings, key=order)


def _labels(standing: _Standing, rules: Rules) -> tuple[str | None, str | None]:
    """Task and repository."""
    names = rules.workflows.labels
    repository = standing.labels.get(names.repository) if names.repository else None
    return standing.labels.get(names.task), repository


def _rows(standing: _Standing, rules: Rules, now: datetime) -> list[Row]:
    task, repository = _labels(standing, rules)
    about = [_key_in_words(gate, key) for gate, key in standing.kept_keys()]
    if standing.problem:
        about.append(standing.problem)
    style = {"fg": "red"} if standing.problem else {}
    rows = []
    for place in standing.places or (_Place("(at no gate)", "", None),):
        gate = place.gate if place.gate in rules.gates or not place.node else f"{place.gate} (in no rule)"
        since = age(now - place.since) if place.since else ""
        cells = (gate, task or "", repository or "", standing.name, since, "; ".join(about))
        rows.append(Row(cells, style))
    return rows


def _key_in_words(gate: str, key: Key) -> str:
    """`waiting for wait-pr-merged: 5dlabs/cto#3 by octocat at ...`"""
    words = {"waiting": "waits for", "claimed": "is about to open", "withdrawn": "withdrawn for"}
    by = f" by {key.person}" if key.person else ""
    what = f"{key.pull_request or key.event}{by}, {show_time(key.happened)}"
    why = f" ({key.why})" if key.why else ""
    return f"{words[key.state]} {gate}: {what}{why}"
