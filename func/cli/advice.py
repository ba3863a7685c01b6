"""What a person does about a rejected event, or about a problem of a Workflow: one table for both, by code."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import NamedTuple

from func.cli.dry_run import DryRun
from func.cli.wording import in_words, patterns_in_words, people_in_words, person_in_words, rule_in_words
from func.core.conditions import value_at
from func.core.events import Event
from func.core.field_types import Person
from func.core.outcomes import Task
from func.core.rules import Rules
from func.core.signals import STATE_ANNOTATION, Signal
from func.core.status import Problem, WorkflowStatus
from func.core.workflows import PARKED_LABEL


class Advice(NamedTuple):
    """What to do.

    Args:
        text: for a person.
        command: one that can be pasted into a shell, where one helps.
        then: how the event comes again.
    """

    text: str
    command: str = ""
    then: str = ""

    def data(self) -> dict[str, str | None]:
        """Return it for scripts."""
        return {"remedy": self.text or None, "run": self.command or None}


_NONE = Advice("")
# What makes the source send a new event, by the name of the event.
_AGAIN: Mapping[str, str] = {
    "pull_request_review.submitted": "{login} reviews {pull_request} again",
    "pull_request.labeled": "remove the label {label} from {pull_request} and add it again",
    "pull_request.unlabeled": "add the label {label} to {pull_request} and remove it again",
    "pull_request.opened": "close {pull_request} and reopen it",
    "pull_request.reopened": "close {pull_request} and reopen it",
}
_NEW = "Then cause a new event: {again}."
_REDELIVER = 'Then choose "Redeliver" in the webhook settings of GitHub: a rejected event was not used.'

_FORGET = f"kubectl annotate workflow -n {{namespace}} {{workflow}} {STATE_ANNOTATION}-"
_WAKE = 'kubectl annotate workflow -n {namespace} {workflow} --overwrite taskgate.dev/look="$(date +%s)"'
_COMPARE = Advice(
    "Compare it with the payload in the webhook settings of GitHub, under Recent Deliveries. The content type of the "
    "webhook must be application/json."
)
_FORK = Advice(
    "Push the branch to {repository} itself and open the pull request from there. Or set `forks: true` on the rule of "
    "{gate} in gates.yaml, if anybody who can fork the repository may name a task."
)
_DONE = Advice("Nothing: the event has done its work.", then="For a new one: {again}.")
_REPEAT = Advice("Cause a new event: {again}.")
_COMPARE_TWINS = Advice(
    "Compare them, and stop the wrong ones with argo stop.",
    "kubectl get workflows -n {namespace} -l {selector} --show-labels",
    _REDELIVER,
)
_START = Advice("Start a new Workflow for the task.", then=_NEW)
_OUTPUT = Advice(
    "Add it to `outputs` in gates.yaml, give it a default in the Workflow's template, or open the gate manually with a "
    "value.",
    "printf %s {output}': '; read -r value; argo node set -n {namespace} {workflow} --node-field-selector id={node} "
    '--phase Succeeded -p {output}="$value"',
)

# Code of a rejection or of a problem -> what it takes; none where its sentence says it. Names in braces are those of
# `_words_of_event` and `_words_of_problem`. What names something that is not known is left out.
ADVICE: Mapping[str, Advice] = {
    "malformed": Advice("Send a CloudEvent 1.0 in JSON, or a payload of GitHub (--github-event names its event)."),
    "wrong-field": _COMPARE,
    "missing-field": _COMPARE,
    "no-rule": Advice("{rules}"),
    "no-task": Advice("It needs {patterns}, and has {places}. Add one of them.", then=_NEW),
    "several-tasks": Advice(
        "It has {places}. Remove the wrong label; if the branch is wrong, open a new pull request. A redelivered event "
        "has the old labels.",
        then=_NEW,
    ),
    "repository-not-listed": Advice("Add {repository} to `repositories` in gates.yaml: they are {repositories}."),
    "fork": _FORK,
    "unknown-head": _FORK,
    "pull-request-closed": Advice("Reopen {pull_request}.", then=_NEW),
    "person-not-allowed": Advice(
        "One of {people} must do it. If {person} may do it too, add the login to {groups} in gates.yaml. The same "
        "login with another id is another account.",
        then=_REDELIVER,
    ),
    "no-person": Advice("GitHub names nobody, for example after the account was deleted. One of {people} must do it."),
    "author-not-allowed": Advice("Somebody else of {people} must do it."),
    "not-head": Advice("{login} reviews the newest commit, {head}, and approves again."),
    "no-workflow": Advice(
        "The task needs a running Workflow with the labels {labels} in namespace {namespace}. Those of the task:",
        _COMPARE_TWINS.command,
    ),
    "wrong-labels": Advice("If it is the right Workflow, correct its label.", then=_REDELIVER),
    "label-missing": Advice(
        "Add the label. New Workflows need it in their metadata.",
        "printf %s {label}': '; read -r value; kubectl label workflow -n {namespace} {workflow} {label}=\"$value\"",
    ),
    "selector-mismatch": Advice("If it is a Workflow of the fleet, give it labels that match, with kubectl label."),
    "workflow-finished": _START,
    "workflow-stopping": _START,
    "several-workflows": _COMPARE_TWINS,
    "shadowed": _COMPARE_TWINS,
    "workflow-unreadable": Advice(
        "Look at the object, and correct it.", "kubectl get workflow -n {namespace} {workflow} -o yaml"
    ),
    "annotation-unreadable": Advice(
        "Correct the annotation with kubectl edit, or open the gate manually with argo resume. Only if neither is "
        "possible, remove the annotation, and Taskgate remembers nothing. An old approval that is redelivered can open "
        "a gate then:",
        _FORGET,
    ),
    "suspended": Advice(
        "Ask who suspended it. This resumes the Workflow and opens every gate at which it waits.",
        "argo resume -n {namespace} {workflow}",
    ),
    "duplicate": _DONE,
    "used-up": _DONE,
    "used-on-original": _DONE,
    "other-pull-request": Advice(
        "Close the pull request that the Workflow belongs to, or remove the task's label from it, then {again}. Only "
        "if neither is possible, make Taskgate forget all that it remembers. An old approval that is redelivered can "
        "open a gate then:",
        _FORGET,
    ),
    "too-old": _REPEAT,
    "revoked": _REPEAT,
    "overtaken": _REPEAT,
    "expired": _REPEAT,
    "pull-request-gone": Advice(
        "Bring the pull request back (reopen it, or add the label of its task again).", then=_NEW
    ),
    "already-open": Advice(
        "Nothing: the gate is open. It names task {task} by its {found_by}: if that is wrong, correct it. If the gate "
        "can be reached again, set `rounds: true` on its rule in gates.yaml.",
        then=_NEW,
    ),
    "early": Advice("Send the event when the Workflow waits at {gate}, or remove `early: refuse` in gates.yaml."),
    "gate-without-rule": Advice("Add the gate to `gates` in gates.yaml, or open it manually with argo resume."),
    "gate-failed": Advice(
        "Retry the Workflow; a gate that waits again needs a new event:", "argo retry -n {namespace} {workflow}"
    ),
    "gate-skipped": Advice("Correct the `when` of the gate's step, then start the Workflow again."),
    "several-nodes": Advice(
        "Tell them apart by `inputs` in gates.yaml. To open one now, look for its id, then use argo resume with "
        "--node-field-selector id=.",
        "argo get -n {namespace} {workflow}",
    ),
    "missing-output": _OUTPUT,
    "unsafe-output": _OUTPUT,
    "claimed": Advice(
        "If it stays so, check that Argo Server answers. Then send that event again, or change the Workflow once.",
        _WAKE,
    ),
    "release-missed": Advice(
        "Repair the EventSource that watches Workflows with waiting signals, then change the Workflow once.", _WAKE
    ),
    "watch-label-missing": Advice(
        "Add the label.", f"kubectl label workflow -n {{namespace}} {{workflow}} {PARKED_LABEL}=true"
    ),
}


def advice_for_event(run: DryRun, rules: Rules) -> Advice:
    """Return what a person does about a rejection; without text where the reason itself says it."""
    return _NONE if run.is_accepted else _advice(run.answer.code, _words_of_event(run, rules))


def advice_for_problem(problem: Problem, status: WorkflowStatus, rules: Rules) -> Advice:
    """Return what a person does about a problem of a Workflow; without text where its sentence says it."""
    selector = rules.workflows.selector_of(Task(status.task, None, "label")) if status.task else None
    about = {"namespace": status.ref.namespace, "workflow": status.ref.name, "selector": selector}
    return _advice(problem.code, {**problem.data, **about})


def _advice(code: str, words: Mapping[str, object]) -> Advice:
    template, known = ADVICE.get(code, _NONE), {name: str(value) for name, value in words.items() if value}
    quoted = {name: shlex.quote(value) for name, value in known.items()}
    text, then = _filled(template.text, known), _filled(template.then, known)
    return Advice(f"{text} {then}".strip(), _filled(template.command, quoted)) if text else _NONE


def _filled(template: str, words: Mapping[str, str]) -> str:
    """Return a template with its names filled in; nothing where one of them is not known."""
    try:
        return template.format_map(words)
    except KeyError:
        return ""


def _words_of_event(run: DryRun, rules: Rules) -> dict[str, object]:
    task, workflow, names = run.answer.task, run.answer.workflow, rules.workflows.labels
    words: dict[str, object] = {
        "gate": run.answer.gate,
        "labels": f"{names.task} and {names.repository}" if names.repository else names.task,
        "namespace": rules.workflows.namespace,
        "workflow": workflow and workflow.name,
    }
    if task:
        words |= {"task": task.id, "found_by": task.found_by, "selector": rules.workflows.selector_of(task)}
    return words | _words_of_signal(run.event, rules) if run.event else words


def _words_of_signal(event: Event, rules: Rules) -> dict[str, object]:
    signal, matched = event.signal, rules.match(event.signal)
    groups = matched[1].by if matched else ()
    places = [f"{place} {', '.join(event.places.get(place, ())) or '(none)'}" for place in rules.task.patterns]
    words = {"label": signal.label, "login": signal.person, "pull_request": signal.pull_request}
    again = _filled(_AGAIN.get(signal.name, ""), {name: value for name, value in words.items() if value})
    return {
        **words,
        "again": again or "it must happen again",
        "groups": " or ".join(f"people.{group}" for group in groups),
        "head": value_at(event.data, "pull_request.head.sha"),
        "patterns": patterns_in_words(rules),
        "people": people_in_words(rules, groups),
        "person": person_in_words(Person(signal.person, signal.person_id)) if signal.person else None,
        "places": " and ".join(places),
        "repositories": ", ".join(rules.repositories or ()),
        "repository": signal.repository,
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
    has = in_words({name: value for name, value in facts.items() if value not in (None, "", ())})
    wanted = "; ".join(f"{rule_in_words(rule)}, for {gate}" for gate, rule in related)
    return f"The rules for such events: {wanted}. This event has {has or 'nothing that a rule asks for'}."
