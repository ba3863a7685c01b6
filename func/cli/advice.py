"""What a person does about a rejected event, or about a problem of a Workflow: by its code."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from func.cli.dry_run import DryRun
from func.cli.wording import event_in_words, people_in_words
from func.core.conditions import value_at
from func.core.outcomes import WorkflowRef
from func.core.rules import Rules
from func.core.signals import STATE_ANNOTATION, Signal
from func.core.status import Problem, WorkflowStatus
from func.core.values import format_time
from func.core.workflows import PARKED_LABEL


class Advice(NamedTuple):
    """What to do.

    Args:
        text: for a person.
        command: one that can be pasted into a shell, where one helps.
    """

    text: str
    command: str | None = None


_Template: TypeAlias = "str | Advice | Callable[[DryRun, Rules], str]"
_REDELIVER = 'Then choose "Redeliver" in the webhook settings of GitHub: a rejected event was not used.'
# Commands that can be pasted. Names in braces are filled in, quoted for a shell.
_LIST = "kubectl get workflows -n {namespace} -l {selector} --show-labels"
_FORGET = f"kubectl annotate workflow {{workflow}} {STATE_ANNOTATION}-"
_WAKE = 'kubectl annotate workflow {workflow} --overwrite taskgate.dev/look="$(date +%s)"'
_FORGETS_ALL = "An old approval that is redelivered can open a gate then:"
_COMPARE = (
    "Compare it with the payload in the webhook settings of GitHub, under Recent Deliveries. The content type of the "
    "webhook must be application/json."
)
_DONE = "Nothing: the event has done its work{used_at}. For a new one: {again}."
_REPEAT = "Cause a new event: {again}."


def advice_for_event(run: DryRun, rules: Rules) -> Advice | None:
    """Return what a person does about a rejection; None where the reason itself says it."""
    template = _FOR_EVENTS.get(run.answer.code) if run.answer and not run.is_accepted else None
    if callable(template):
        text = template(run, rules)
        return Advice(text) if text else None
    return _filled(template, _words_of_event(run, rules)) if template else None


def advice_for_problem(problem: Problem, status: WorkflowStatus, rules: Rules) -> Advice:
    """Return what a person does about a problem of a Workflow."""
    words = {name: shlex.quote(str(value)) for name, value in problem.data.items()}
    task = f"{rules.workflows.selector},{rules.workflows.labels.task}={status.task}"
    words |= {
        "namespace": shlex.quote(status.ref.namespace),
        "workflow": arguments(status.ref),
        "selector": shlex.quote(task),
        "labels": shlex.join(_selected_labels(rules)),
    }
    if problem.code == "selector-mismatch" and not _selected_labels(rules):
        return Advice("If it is a Workflow of the fleet, give it labels that match.")
    return _filled(_FOR_PROBLEMS[problem.code], words)


def open_manually(status: WorkflowStatus, node: str) -> str:
    """Return the command that opens one node and no other."""
    return f"argo resume {arguments(status.ref)} --node-field-selector {shlex.quote(f'id={node}')}"


def arguments(ref: WorkflowRef) -> str:
    """Return the arguments that name a Workflow to kubectl and argo."""
    return f"-n {shlex.quote(ref.namespace)} {shlex.quote(ref.name)}"


def how_to_repeat(signal: Signal | None) -> str:
    """Return what a person has to do, so that the source sends a new event like this one."""
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


def _filled(template: str | Advice, words: Mapping[str, object]) -> Advice:
    text, command = template if isinstance(template, Advice) else (template, None)
    return Advice(text.format_map(words), command.format_map(words) if command else None)


def _words_of_event(run: DryRun, rules: Rules) -> dict[str, object]:
    """Return what an advice may name; each is a text, also where the event does not have it."""
    signal = run.event.signal if run.event else None
    task = run.plan.task if run.plan else None
    workflow = run.answer.workflow if run.answer else None
    selector = rules.workflows.selector_of(task) if task else rules.workflows.selector
    head = value_at(run.event.data, "pull_request.head.sha") if run.event else None
    return {
        "again": how_to_repeat(signal),
        "gate": run.gate or "the gate",
        "head": head or "that is newest",
        "labels": rules.workflows.labels.task + (f" and {name}" if (name := rules.workflows.labels.repository) else ""),
        "namespace": rules.workflows.namespace,
        "other_task": _other_task(run, signal),
        "people": people_in_words(rules, _groups(signal, rules)) if signal else "its people",
        "person": (signal.person if signal else None) or "somebody",
        "pull_request": (signal.pull_request if signal else None) or "the pull request",
        "repositories": ", ".join(rules.repositories or ()) or "(none)",
        "repository": (signal.repository if signal else None) or "its repository",
        "selector": shlex.quote(selector),
        "task": task.id if task else "the task",
        "used_at": _used_at(run),
        "workflow": arguments(workflow) if workflow else "",
    }


def _used_at(run: DryRun) -> str:
    use = run.state.use_of(run.event.signal.identity) if run.state and run.event else None
    return f" at {format_time(use.at)}" if use and use.at else ""


def _other_task(run: DryRun, signal: Signal | None) -> str:
    task = run.plan.task if run.plan else None
    if task is None or task.found_by not in ("label", "branch", "title") or signal is None:
        return ""
    where = signal.pull_request or "the pull request"
    wrong = f" It names task {task.id} by its {task.found_by}: if that is wrong, correct it on {where}"
    return f"{wrong}, then {how_to_repeat(signal)}."


def _selected_labels(rules: Rules) -> list[str]:
    """Return the labels that the selector asks for; none where it asks for more than one value each."""
    requirements = rules.workflows.parsed_selector.requirements
    pairs = [(each.key, each.wanted) for each in requirements if not each.negated]
    found = [f"{key}={next(iter(wanted))}" for key, wanted in pairs if wanted and len(wanted) == 1]
    return found if len(found) == len(requirements) else []


def _no_rule(run: DryRun, rules: Rules) -> str:
    if run.event is None:
        return ""
    signal, kind = run.event.signal, run.name.partition(".")[0]
    related = [(gate, rule) for gate, rule in rules.each_rule() if any(e.partition(".")[0] == kind for e in rule.event)]
    if not related:
        events = ", ".join(dict.fromkeys(event for _, rule in rules.each_rule() for event in rule.event))
        return f"The rules have these events: {events}. To use {run.name}, add a rule with `event: {run.name}`."
    facts: dict[str, object] = {"label": signal.label or ", ".join(signal.labels), "review": signal.verdict}
    facts |= {"base": signal.base, "merged": signal.merged, "draft": signal.draft, **signal.data}
    has = ", ".join(
        f"{name} {str(value).lower() if isinstance(value, bool) else value}"
        for name, value in facts.items()
        if value not in (None, "")
    )
    wanted = "; ".join(f"{event_in_words(rule)}, for {gate}" for gate, rule in related)
    return f"The rules for such events: {wanted}. This event has {has or 'nothing that a rule asks for'}."


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
    label = f" Add the label of its task{on}, then {how_to_repeat(signal)}." if "label" in given else ""
    return f"The event needs {matches}, and has {_places(run, rules)}.{label}"


def _several_tasks(run: DryRun, rules: Rules) -> str:
    signal = run.event.signal if run.event else None
    return (
        f"It has {_places(run, rules)}. Remove the wrong label, then {how_to_repeat(signal)}; a redelivered event has "
        "the old labels. If the branch is wrong, open a new pull request."
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


_FORK = (
    "Push the branch to {repository} itself and open the pull request from there. Or set `forks: true` on the rule of "
    "{gate} in gates.yaml, if anybody who can fork the repository may name a task."
)

# code of a rejection -> what it takes; none where the reason says it. Names in braces are those of `_words_of_event`.
_FOR_EVENTS: Mapping[str, _Template] = {
    "malformed": "Send a CloudEvent 1.0 in JSON, or a payload of GitHub (--github-event names its event).",
    "wrong-field": _COMPARE,
    "missing-field": _COMPARE,
    "no-rule": _no_rule,
    "no-task": _no_task,
    "several-tasks": _several_tasks,
    "wrong-task": "Correct the event's data, or the path in gates.yaml.",
    "wrong-type": "Correct the path in gates.yaml, or the event's data.",
    "wrong-repository": "Correct the event's data, or the path in gates.yaml.",
    "repository-not-listed": "The rules list {repositories}. Add {repository} to `repositories` in gates.yaml.",
    "fork": _FORK,
    "unknown-head": _FORK,
    "pull-request-closed": "Reopen {pull_request}, then {again}.",
    "person-not-allowed": _person,
    "no-person": "GitHub names nobody, for example after the account was deleted. One of {people} must do it.",
    "author-not-allowed": "Somebody else of {people} must do it.",
    "no-author": "Use an event that names the author, or remove `not-author` from the rule in gates.yaml.",
    "not-head": "{person} reviews the newest commit, {head}, and approves again.",
    "no-workflow": Advice(
        "The task needs a running Workflow with the labels {labels} in namespace {namespace}. Those of the task:",
        _LIST,
    ),
    "wrong-labels": f"If it is the right Workflow, correct its label. {_REDELIVER}",
    "impossible-label": "Give the task or the repository a shorter name.",
    "workflow-finished": "Start a new Workflow for task {task}, then {again}.",
    "several-workflows": Advice(f"Compare them, and stop the wrong ones with argo stop. {_REDELIVER}", _LIST),
    "other-pull-request": Advice(
        "Close the pull request that the Workflow belongs to, or remove the task's label from it, then {again}. "
        f"Only if neither is possible, make Taskgate forget all that it remembers. {_FORGETS_ALL}",
        _FORGET,
    ),
    "annotation-unreadable": Advice(
        "Correct the annotation with kubectl edit, or open the gate manually with argo resume. Only if neither is "
        f"possible, remove the annotation, and Taskgate remembers nothing. {_FORGETS_ALL}",
        _FORGET,
    ),
    "workflow-stopping": "Start a new Workflow for task {task}, then {again}.",
    "too-old": "It must happen while the Workflow exists: {again}.",
    "duplicate": _DONE,
    "used-up": _DONE,
    "used-on-original": _DONE,
    "revoked": _REPEAT,
    "overtaken": _REPEAT,
    "expired": _REPEAT,
    "pull-request-gone": "Bring the pull request back (reopen it, or add the label of its task again), then {again}.",
    "revoked-nothing": "Nothing: an event revokes older signals only.",
    "nothing-waits": "Nothing: an event revokes waiting signals only, and the gate is open.",
    "claimed": "Nothing: the gate is about to be moved.",
    "already-open": "Nothing: the gate is open.{other_task} If the gate can be reached again, set `rounds: true` on "
    "its rule in gates.yaml.",
    "early": "Send the event when the Workflow waits at {gate}, or remove `early: refuse` in gates.yaml.",
    "gate-failed": Advice("Retry the Workflow; a gate that waits again needs a new event:", "argo retry {workflow}"),
    "gate-skipped": "Correct the `when` of the gate's step, then start the Workflow again.",
    "missing-output": "Add the output to `outputs` in gates.yaml, or give it a default in the Workflow's template.",
    "unsafe-output": "Give the output another value in `outputs` in gates.yaml.",
}

_OUTPUT = Advice(
    "Add it to `outputs` in gates.yaml, or open the gate manually with a value.",
    "printf %s {output}': '; read -r value; argo node set {workflow} --node-field-selector id={node} --phase Succeeded "
    '-p {output}="$value"',
)
_TWINS = Advice("Compare them, then stop the wrong ones with argo stop.", _LIST)
# code of a problem -> what a person does. Names in braces are those of the problem's data and of `advice_for_problem`.
_FOR_PROBLEMS: Mapping[str, str | Advice] = {
    "workflow-unreadable": Advice("Look at the object, and correct it.", "kubectl get workflow {workflow} -o yaml"),
    "annotation-unreadable": Advice(
        "Correct the annotation with kubectl edit, or open the gate manually (see below). Only if neither is possible, "
        f"remove the annotation, and Taskgate remembers nothing. {_FORGETS_ALL}",
        _FORGET,
    ),
    "offloaded": "Set ARGO_SERVER to the URL of Argo Server, then run this again.",
    "selector-mismatch": Advice(
        "If it is a Workflow of the fleet, give it these labels.",
        "kubectl label workflow {workflow} {labels} --overwrite",
    ),
    "label-missing": Advice(
        "Add the label. New Workflows need it in their metadata.",
        "printf %s {label}': '; read -r value; kubectl label workflow {workflow} {label}=\"$value\"",
    ),
    "wrong-labels": "Rename the Workflow, or correct its label: events of its task find it by the label.",
    "several-workflows": _TWINS,
    "shadowed": _TWINS,
    "suspended": Advice(
        "Ask who suspended it. This resumes the Workflow and opens every gate at which it waits.",
        "argo resume {workflow}",
    ),
    "workflow-stopping": "Start a new Workflow for its task.",
    "gate-without-rule": "Add the gate to `gates` in gates.yaml, or open it manually (see below).",
    "several-nodes": Advice(
        "Tell them apart by `inputs` in gates.yaml. To open one now, look for its id, then use argo resume with "
        "--node-field-selector id=.",
        "argo get {workflow}",
    ),
    "missing-output": _OUTPUT,
    "unsafe-output": _OUTPUT,
    "claimed": Advice(
        "Check that Argo Server answers. Then send that event again, or change the Workflow once.", _WAKE
    ),
    "release-missed": Advice(
        "Repair the EventSource that watches Workflows with waiting signals, then change the Workflow once.", _WAKE
    ),
    "watch-label-missing": Advice("Add the label.", f"kubectl label workflow {{workflow}} {PARKED_LABEL}=true"),
}
