"""What it takes for a rejected event to be accepted, by the code of its rejection."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from func.cli.dry_run import DryRun
from func.cli.remedies import Remedy
from func.cli.wording import event_in_words, people_in_words, wanted_in_words
from func.core.conditions import value_at
from func.core.rules import EventFilter, Rule, Rules
from func.core.signals import STATE_ANNOTATION, Signal
from func.core.values import format_time

Advice: TypeAlias = "str | Remedy | Callable[[DryRun, Rules], str]"
_REDELIVER = 'Then choose "Redeliver" in the webhook settings of GitHub: a rejected event was not used.'
# Commands that can be pasted; names in braces are those of `_words`, quoted for a shell.
_LIST = "kubectl get workflows -n {namespace} -l {selector} --show-labels"
_FORGET = f"kubectl annotate workflow {{workflow_arguments}} {STATE_ANNOTATION}-"
_RETRY = "argo retry {workflow_arguments}"
_USED = "Nothing: the event has done its work{used_at}. For a new one: {again}."
_REPEAT = "Cause a new event: {again}."


def advice(run: DryRun, rules: Rules) -> Remedy | None:
    """Return what a person does about a rejection; None where the reason itself says it."""
    given = _ADVICE.get(run.answer.code) if run.answer and not run.is_accepted else None
    if given is None:
        return None
    if callable(given):
        text = given(run, rules)
        return Remedy(text) if text else None
    words = _words(run, rules)
    text, command = given if isinstance(given, Remedy) else (given, None)
    return Remedy(text.format_map(words), command.format_map(words) if command else None)


def _words(run: DryRun, rules: Rules) -> dict[str, object]:
    """Return what an advice may name; each is a text, also where the event does not have it."""
    signal = run.event.signal if run.event else None
    task = run.plan.task if run.plan else None
    workflow = run.answer.workflow.name if run.answer and run.answer.workflow else "the Workflow"
    selector = rules.workflows.selector_of(task) if task else rules.workflows.selector
    head = value_at(run.event.data, "pull_request.head.sha") if run.event else None
    return {
        "again": again(signal),
        "gate": run.gate or "the gate",
        "head": head or "that is newest",
        "labels": rules.workflows.labels.task + (f" and {name}" if (name := rules.workflows.labels.repository) else ""),
        "other_task": _other_task(run),
        "used_at": _used_at(run),
        "namespace": rules.workflows.namespace,
        "people": people_in_words(rules, _groups(signal, rules)) if signal else "its people",
        "person": (signal.person if signal else None) or "somebody",
        "pull_request": (signal.pull_request if signal else None) or "the pull request",
        "redeliver": _REDELIVER,
        "repositories": ", ".join(rules.repositories or ()) or "(none)",
        "repository": (signal.repository if signal else None) or "its repository",
        "selector": shlex.quote(selector),
        "task": task.id if task else "the task",
        "workflow": workflow,
        "workflow_arguments": f"-n {rules.workflows.namespace} {shlex.quote(workflow)}",
    }


def again(signal: Signal | None) -> str:
    """Return who has to do what, so that the source sends a new event like this one."""
    if signal is None:
        return "it must happen again"
    who, what = signal.person or "somebody", signal.pull_request or "it"
    ways = {
        "pull_request_review.submitted": f"{who} reviews {what} again",
        "pull_request.labeled": f"remove the label {signal.label} from {what} and add it again",
        "pull_request.unlabeled": f"add the label {signal.label} to {what} and remove it again",
        "pull_request.opened": f"close {what} and reopen it",
        "pull_request.reopened": f"close {what} and reopen it",
    }
    return ways.get(signal.name, "it must happen again")


def _no_rule(run: DryRun, rules: Rules) -> str:
    if run.event is None:
        return ""
    signal, kind = run.event.signal, run.name.partition(".")[0]
    related = [(gate, rule) for gate, rule in rules.each_rule() if any(e.partition(".")[0] == kind for e in rule.event)]
    if not related:
        events = ", ".join(dict.fromkeys(event for _, rule in rules.each_rule() for event in rule.event))
        return f"The rules have these events: {events}. To use {run.name}, add a rule with `event: {run.name}`."
    near = [text for gate, rule in related if (text := _difference(signal, gate, rule))]
    if near:
        return f"{'; or '.join(near)}."
    return f"The rules for such events: {'; '.join(f'{event_in_words(rule)} for {gate}' for gate, rule in related)}."


def _difference(signal: Signal, gate: str, rule: EventFilter) -> str:
    """Return what is between an event and a rule for events of its name; empty where it has another name."""
    if signal.name not in rule.names:
        return ""
    label = signal.label or ", ".join(signal.labels) or "(none)"
    pairs: dict[str, tuple[object, object]] = {
        "review": (rule.review, signal.verdict),
        "merged": (rule.merged, signal.merged),
        "draft": (rule.draft, signal.draft),
        "base": (rule.base, signal.base),
        "label": (rule.label, label),
    }
    pairs |= {path: (wanted, signal.data.get(path)) for path, wanted in rule.when.items()}
    wanted = []
    for name, (want, have) in pairs.items():
        alone = rule.model_copy(update={**_NO_CONDITIONS, **_condition(name, want)})
        if (name in rule.when or want is not None) and not alone.matches(signal):
            has = ", ".join(map(str, have)) if isinstance(have, list) else have
            wanted.append(f"{name} must be {wanted_in_words(want)}, and is {_plain(has)}")
    return f"For {gate}, {' and '.join(wanted)}" if wanted else ""


_NO_CONDITIONS: Mapping[str, object] = {**dict.fromkeys(("label", "review", "merged", "draft", "base")), "when": {}}


def _condition(name: str, want: object) -> dict[str, object]:
    return {name: want} if name in _NO_CONDITIONS else {"when": {name: want}}


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value if value not in (None, "") else "(none)")


def _places(run: DryRun, rules: Rules) -> str:
    places = run.event.places if run.event else {}
    return " and ".join(f"{place} {', '.join(places.get(place, ())) or '(none)'}" for place in rules.task.patterns)


def _no_task(run: DryRun, rules: Rules) -> str:
    given = {place: getattr(rules.task, place) for place in rules.task.patterns}
    if not given or run.event is None:
        return ""
    matches = " or ".join(f"a {place} that matches {pattern}" for place, pattern in given.items())
    signal = run.event.signal
    on = f" to {signal.pull_request}" if signal.pull_request else ""
    label = f" Add the label of its task{on}, then {again(signal)}." if "label" in given else ""
    return f"The event needs {matches}, and has {_places(run, rules)}.{label}"


def _several_tasks(run: DryRun, rules: Rules) -> str:
    signal = run.event.signal if run.event else None
    return (
        f"It has {_places(run, rules)}. Remove the wrong label, then {again(signal)}; a redelivered event has the old "
        "labels. If the branch is wrong, open a new pull request."
    )


def _groups(signal: Signal, rules: Rules) -> Iterable[str]:
    found = rules.match(signal)
    return found[1].by if found else [group for _, _, each in rules.withdrawals_of(signal) for group in each.by]


def _person(run: DryRun, rules: Rules) -> str:
    signal = run.event.signal if run.event else None
    if signal is None or signal.person is None:
        return ""
    groups = list(dict.fromkeys(_groups(signal, rules)))
    for group in groups:
        for each in rules.people.get(group, ()):
            if each.login.casefold() == signal.person.casefold() and each.id is not None:
                return (
                    f"The login is in {group}, but with account id {each.id}; this account has {signal.person_id}. "
                    "Somebody else may use the login now."
                )
    places = " or ".join(f"people.{group}" for group in groups)
    return (
        f"One of {people_in_words(rules, groups)} must do it. If {signal.person} may do it too, add the login to "
        f"{places} in gates.yaml. {_REDELIVER}"
    )


def _used_at(run: DryRun) -> str:
    use = run.state.use_of(run.event.signal.identity) if run.state and run.event else None
    return f" at {format_time(use.at)}" if use and use.at else ""


def _other_task(run: DryRun) -> str:
    task, signal = run.plan.task if run.plan else None, run.event.signal if run.event else None
    if task is None or task.found_by not in ("label", "branch", "title") or signal is None:
        return ""
    return (
        f" It names task {task.id} by its {task.found_by}: if that is wrong, correct it on "
        f"{signal.pull_request or 'the pull request'}, then {again(signal)}."
    )


def _fork(run: DryRun, rules: Rules) -> str:
    signal = run.event.signal if run.event else None
    repository = (signal.repository if signal else None) or "the repository"
    rule: Rule | None = (found := rules.match(signal)) and found[1] if signal else None
    where = f"the rule of gates.{run.gate}" if rule else "its rule"
    return (
        f"Push the branch to {repository} itself and open the pull request from there. Or set `forks: true` on {where} "
        "in gates.yaml, if anybody who can fork the repository may name a task."
    )


# code -> what it takes. Names in braces are those of `_words`.
_ADVICE: Mapping[str, Advice] = {
    "malformed": "Send a CloudEvent 1.0 in JSON, or a payload of GitHub (--github-event names its event).",
    "wrong-field": "Compare it with the payload in the webhook settings of GitHub, under Recent Deliveries. The "
    "content type of the webhook must be application/json.",
    "missing-field": "Compare it with the payload in the webhook settings of GitHub, under Recent Deliveries. The "
    "content type of the webhook must be application/json.",
    "no-rule": _no_rule,
    "no-task": _no_task,
    "several-tasks": _several_tasks,
    "wrong-task": "Correct the event's data, or the path in gates.yaml.",
    "wrong-repository": "Correct the event's data, or the path in gates.yaml.",
    "repository-not-listed": "The rules list {repositories}. Add {repository} to `repositories` in gates.yaml.",
    "fork": _fork,
    "unknown-head": _fork,
    "pull-request-closed": "Reopen {pull_request}, then {again}.",
    "person-not-allowed": _person,
    "no-person": "GitHub names nobody, for example after the account was deleted. One of {people} must do it.",
    "author-not-allowed": "Somebody else of {people} must do it.",
    "no-author": "Use an event that names the author, or remove `not-author` from the rule in gates.yaml.",
    "not-head": "{person} reviews the newest commit, {head}, and approves again.",
    "no-workflow": Remedy(
        "The task needs a running Workflow with the labels {labels} in namespace {namespace}. Those of the task:",
        _LIST,
    ),
    "wrong-labels": "If it is the right Workflow, correct its label. {redeliver}",
    "impossible-label": "Give the task or the repository a shorter name.",
    "workflow-finished": "Start a new Workflow for task {task}, then {again}.",
    "several-workflows": Remedy("Compare them, and stop the wrong ones with argo stop. {redeliver}", _LIST),
    "other-pull-request": Remedy(
        "Close the pull request that the Workflow belongs to, or remove the task's label from it, then {again}. "
        "Only if neither is possible, make Taskgate forget all that it remembers. An old approval that is redelivered "
        "can open a gate then:",
        _FORGET,
    ),
    "annotation-unreadable": Remedy(
        "Correct the annotation with kubectl edit, or open the gate manually with argo resume. Only if neither is "
        "possible, remove it. Nothing is remembered then: an old approval that is redelivered can open a gate:",
        _FORGET,
    ),
    "workflow-stopping": "Start a new Workflow for task {task}, then {again}.",
    "too-old": "It must happen while the Workflow exists: {again}.",
    "duplicate": _USED,
    "used-up": _USED,
    "used-on-original": _USED,
    "revoked": _REPEAT,
    "overtaken": _REPEAT,
    "expired": _REPEAT,
    "pull-request-gone": "Bring the pull request back (reopen it, or add the label of its task again), then {again}.",
    "revoked-nothing": "Nothing: an event revokes older signals only.",
    "nothing-waits": "Nothing: an event revokes waiting signals only, and the gate is open.",
    "claimed": "Nothing: the gate is about to be moved.",
    "claim-pending": "Send the event again in a minute.",
    "already-open": "Nothing: the gate is open.{other_task} If the gate can be reached again, set `rounds: true` on "
    "its rule in gates.yaml.",
    "early": "Send the event when the Workflow waits at {gate}, or remove `early: refuse` in gates.yaml.",
    "gate-failed": Remedy("Retry the Workflow; a gate that stands again waits for a new event:", _RETRY),
    "gate-skipped": "Correct the `when` of the gate's step, then start the Workflow again.",
    "several-nodes": "To open one of them now, use argo resume with its node id.",
    "missing-output": "Add the output to `outputs` in gates.yaml, or give it a default in the Workflow's template.",
    "unsafe-output": "Give the output another value in `outputs` in gates.yaml.",
}
