"""What a person does about a rejected event or a problem of a Workflow, by its code, and what events a gate accepts."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from func.cli.dry_run import DryRun
from func.core.events import Event
from func.core.field_types import Person
from func.core.rules import ANYONE, EventFilter, Rules
from func.core.signals import STATE_ANNOTATION, Signal
from func.core.status import GateStatus, Problem, WorkflowStatus
from func.core.values import format_time
from func.core.workflows import PARKED_LABEL

# What makes the source send a new event, by the name of the event.
_AGAIN: Mapping[str, str] = {
    "pull_request_review.submitted": ": {person} reviews {pull_request} again",
    "pull_request.labeled": ": remove the label {label} from {pull_request} and add it again",
    "pull_request.unlabeled": ": add the label {label} to {pull_request} and remove it again",
    "pull_request.opened": ": close {pull_request} and reopen it",
    "pull_request.reopened": ": close {pull_request} and reopen it",
}
_THEN_NEW = "Then cause a new event{again}."
_REDELIVER = 'Then choose "Redeliver" in the webhook settings of GitHub: a rejected event was not used.'
_WAKE = 'kubectl annotate workflow -n {namespace} {workflow} --overwrite taskgate.dev/look="$(date +%s)"'
_LIST = "kubectl get workflows -n {namespace} -l {selector} --show-labels"

# Codes of rejections and of problems -> what it takes and, on a second line, a command for a shell. Codes whose
# sentence says it are not here.
_ADVICE: Mapping[str, str] = {
    "malformed": "Send a CloudEvent 1.0 in JSON, or a payload of GitHub (--github-event names its event).",
    "wrong-field missing-field": "Compare it with the payload in the webhook settings of GitHub, under Recent "
    "Deliveries. The content type of the webhook must be application/json.",
    "no-rule": "{rules}",
    "no-task": f"It needs {{patterns}}, and has {{places}}. Add one of them. {_THEN_NEW}",
    "several-tasks": "It has {places}. Remove the wrong label; if the branch is wrong, open a new pull request. "
    f"A redelivered event has the old labels. {_THEN_NEW}",
    "fork unknown-head": "Push the branch to {repository} itself and open the pull request from there. Or set "
    "`forks: true` on the rule of {gate} in gates.yaml, if anybody who can fork the repository may name a task.",
    "pull-request-closed": f"Reopen {{pull_request}}. {_THEN_NEW}",
    "person-not-allowed": "One of {people} must do it. If {account} may do it too, add the login to {groups} in "
    f"gates.yaml. The same login with another id is another account. {_REDELIVER}",
    "no-person author-not-allowed": "Somebody else of {people} must do it.",
    "not-head": "{person} reviews the newest commit and approves again.",
    "no-workflow": f"The task needs a running Workflow with {{keys}}. Those of the task:\n{_LIST}",
    "workflow-finished workflow-stopping": f"Start a new Workflow for the task. {_THEN_NEW}",
    "several-workflows shadowed": f"Compare them, and stop the wrong ones with argo stop. {_REDELIVER}\n{_LIST}",
    "wrong-labels": f"If it is the right Workflow, correct its label. {_REDELIVER}",
    "label-missing": "Add the label. New Workflows need it in their metadata.\n"
    "printf %s {label}': '; read -r value; kubectl label workflow -n {namespace} {workflow} {label}=\"$value\"",
    "selector-mismatch": "If it is a Workflow of the fleet, give it labels that match, with kubectl label.",
    "annotation-unreadable": "Correct the annotation with kubectl edit, or open the gate manually with argo resume. "
    "Only if neither is possible, make Taskgate forget all. An old approval that is redelivered can open a gate then:\n"
    f"kubectl annotate workflow -n {{namespace}} {{workflow}} {STATE_ANNOTATION}-",
    "suspended": "Ask who suspended it. This lets it continue; argo resume would open its gates too.\n"
    """kubectl patch workflow -n {namespace} {workflow} --type=merge --patch='{{"spec":{{"suspend":null}}}}'""",
    "duplicate used-up used-on-original": "Nothing: the event has done its work. To signal once more, cause a new "
    "event{again}.",
    "other-pull-request": "Close the pull request that the Workflow belongs to, or remove the task's label from it. "
    f"{_THEN_NEW}",
    "too-old revoked overtaken expired": "Cause a new event{again}.",
    "pull-request-gone": f"Bring the pull request back (reopen it, or add the label of its task again). {_THEN_NEW}",
    "already-open": "Nothing: the gate is open. It names task {task} by its {found_by}: if that is wrong, correct it. "
    f"If the gate can be reached again, set `rounds: true` on its rule in gates.yaml. {_THEN_NEW}",
    "gate-without-rule": "Add the gate to `gates` in gates.yaml, or open it manually with argo resume.",
    # Without the selector, it does not repeat a gate that failed: tests/data/argo-recordings/argo-retry.
    "gate-failed": "Retry the gate, then cause a new event{again}.\n"
    "argo retry -n {namespace} {workflow} --restart-successful --node-field-selector displayName={gate}",
    "gate-skipped": "Correct the `when` of the gate's step, then start the Workflow again.",
    "several-nodes": "Tell them apart by `inputs` in gates.yaml, or use argo resume with --node-field-selector id= and "
    "one of:\nargo get -n {namespace} {workflow}",
    "missing-output unsafe-output": "Add it to `outputs` in gates.yaml, give it a default in the Workflow's template, "
    "or move the node manually with argo node set and a value.",
    "claimed": "If it stays so, check that Argo Server answers. Then send that event again, or change the Workflow "
    f"once.\n{_WAKE}",
    "release-missed": "Repair the EventSource that watches Workflows with waiting signals, then change the Workflow "
    f"once.\n{_WAKE}",
    "watch-label-missing": f"Add the label.\nkubectl label workflow -n {{namespace}} {{workflow}} {PARKED_LABEL}=true",
}
ADVICE = {code: advice for codes, advice in _ADVICE.items() for code in codes.split()}


class Advice(NamedTuple):
    """What a person does, and a command that can be pasted into a shell; None where the reason says it."""

    remedy: str | None = None
    run: str | None = None


def advice_for_event(run: DryRun) -> Advice:
    """Return what a person does about a rejection."""
    answer, task, names = run.answer, run.answer.task, run.rules.workflows.labels
    keys = f"the labels {names.task} and {names.repository}" if names.repository else f"the label {names.task}"
    words = {"gate": answer.gate, "found_by": task.found_by if task else None, "keys": keys}
    if run.event:
        words |= _words_of(run.event, run.rules)
    workflow = answer.workflow.name if answer.workflow else None
    return _advice(answer.code, words, run.rules, task.id if task else None, workflow)


def advice_for_problem(problem: Problem, status: WorkflowStatus, rules: Rules) -> Advice:
    """Return what a person does about a problem of a Workflow."""
    return _advice(problem.code, problem.data, rules, status.task, status.ref.name)


def _advice(code: str, words: Mapping[str, object], rules: Rules, task: str | None, workflow: str | None) -> Advice:
    selector = rules.workflows.selector_of(task) if task else None
    about = {"namespace": rules.workflows.namespace, "task": task, "workflow": workflow, "selector": selector}
    known = {"again": ""} | {name: str(value) for name, value in {**words, **about}.items() if value}
    remedy, _, run = ADVICE.get(code, "").partition("\n")
    return Advice(_filled(remedy, known), _filled(run, {name: shlex.quote(each) for name, each in known.items()}))


def accepted_events(gate: GateStatus, status: WorkflowStatus, rules: Rules) -> Iterator[str]:
    """Return what an event must be like to move a gate now."""
    for rule in gate.rules:
        yield f"{_rule_in_words(rule)}, by {_people_in_words(rules, rule.by)}"
    if gate.rules and not all(rule.task for rule in gate.rules) and status.task:
        yield f"It names task {status.task} by {_patterns_in_words(rules)}."
    if gate.rules and status.bound:
        yield f"It is of pull request {status.bound}."
    rejected = [each for each in status.signals_for(gate.name) if each.state == "rejected"]
    if rejected:
        last = max((each.by or each.signal).happened for each in rejected)
        yield f"It happened after {format_time(last)}: earlier signals were rejected."


def _filled(template: str, words: Mapping[str, object]) -> str | None:
    """Return a template with its names filled in; nothing where one of them is not known."""
    try:
        return template.format_map(words) or None
    except KeyError:
        return None


def _words_of(event: Event, rules: Rules) -> dict[str, str | None]:
    signal, matched = event.signal, rules.match(event.signal)
    groups = matched[1].by if matched else ()
    facts = {name: getattr(signal, name) for name in ("label", "person", "pull_request", "repository")}
    places = [f"{place} {', '.join(event.places.get(place, ())) or '(none)'}" for place in rules.task.patterns]
    return {
        **facts,
        "again": _filled(_AGAIN.get(signal.name, ""), {name: fact for name, fact in facts.items() if fact}),
        "account": _person_in_words(Person(signal.person, signal.person_id)) if signal.person else None,
        "groups": " or ".join(f"people.{group}" for group in groups),
        "patterns": _patterns_in_words(rules),
        "people": _people_in_words(rules, groups),
        "places": " and ".join(places),
        "rules": _rules_for(signal, rules),
    }


def _rules_for(signal: Signal, rules: Rules) -> str:
    """Return what the rules ask of such an event, and what it has; where there are none, which events they have."""
    kind, given = signal.name.partition(".")[0], list(rules.each_rule())
    related = [pair for pair in given if any(event.partition(".")[0] == kind for event in pair[1].event)]
    if not related:
        events = ", ".join(dict.fromkeys(event for _, rule in given for event in rule.event))
        return f"The rules have these events: {events}. To use this one, add a rule with `event: {signal.name}`."
    facts: dict[str, object] = {"label": signal.label or signal.labels, "review": signal.verdict, "base": signal.base}
    facts |= {"merged": signal.merged, "draft": signal.draft, **signal.data}
    has = _in_words({name: value for name, value in facts.items() if value not in (None, "", ())})
    wanted = "; ".join(f"{_rule_in_words(rule)}, for {gate}" for gate, rule in related)
    return f"The rules for such events: {wanted}. This event has {has or 'nothing that a rule asks for'}."


def _rule_in_words(given: EventFilter) -> str:
    """Return which events a rule is for, by the names of gates.yaml: `pull_request.labeled with label task-*`."""
    fields = given.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"event", "by", "withdraw"})
    events = _in_words(given.event)
    return f"{events} with {_in_words(fields)}" if fields else events


def _in_words(value: object) -> str:
    """Return a value of gates.yaml or of an event, e.g. `label ready-for-qa, draft false`."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_in_words(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return " or ".join(map(_in_words, value))
    return value if isinstance(value, str) else json.dumps(value)


def _patterns_in_words(rules: Rules) -> str:
    """Return what names a task: `a label that matches task-([0-9]+) or a branch that matches ...`."""
    patterns = [(place, getattr(rules.task, place)) for place in rules.task.patterns]
    return " or ".join(f"a {place} that matches {pattern}" for place, pattern in patterns)


def _people_in_words(rules: Rules, groups: Iterable[str]) -> str:
    """Return `reviewers (5DLabs-Tess, ...)`."""
    return " or ".join(
        group if group == ANYONE else f"{group} ({', '.join(map(_person_in_words, rules.people[group]))})"
        for group in dict.fromkeys(groups)
    )


def _person_in_words(person: Person) -> str:
    """Return the login, with the account's id where it is known."""
    return person.login if person.id is None else f"{person.login} with id {person.id}"
