"""What would have to be different for the check that said no to say yes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from func.cli.deciding import Verdict
from func.cli.key_words import note_in_words, opened_in_words
from func.cli.wording import event_in_words, people_in_words
from func.core.cloud_event import OWN_TYPES
from func.core.events import Event
from func.core.outcomes import Check
from func.core.rules import ANYONE, Match, Person, Rules
from func.core.state import Key, slot_of
from func.core.values import look_up, show_time

_REDELIVER = 'Then "Redeliver" on GitHub: a refused event was not used up'


def needed(verdict: Verdict, rules: Rules) -> str:
    """Sentences for a person; empty where the reason itself says what to do, or where nobody can do anything."""
    words = _NEEDED.get(verdict.stopped_at) if verdict.stopped_at else None
    return words(verdict, rules) if words else ""


def _cloudevent_needed(verdict: Verdict, _rules: Rules) -> str:
    if (verdict.reason or "").startswith("The event's "):
        return (
            "That field is as GitHub sends it. GitHub, webhook settings, Recent Deliveries shows the payload; "
            "content type has to be application/json."
        )
    return "It is a CloudEvent 1.0 in JSON, or a payload of GitHub's (--github-event names its event)."


def _rule_needed(verdict: Verdict, rules: Rules) -> str:
    if str(verdict.recorded.event.get("type") or "").startswith(OWN_TYPES):
        return "Nothing: it is no event from outside."
    ways = [(gate, way) for gate, ways in rules.gates.items() for way in ways]
    kind = verdict.name.partition(".")[0]
    related = [(gate, way) for gate, way in ways if any(event.partition(".")[0] == kind for event in way.event)]
    if not related:
        events = dict.fromkeys(event for _, way in ways for event in way.event)
        return (
            f"It is one of the events that the rules know: {', '.join(events)}. "
            f"If {verdict.name} should open a gate, add it there in gates.yaml: `event: {verdict.name}`."
        )
    near = [text for gate, way in related if (text := _difference(verdict.event, gate, way))]
    if near:
        return f"{'; or '.join(near)}."
    opens = "; ".join(f"{event_in_words(way)} opens {gate}" for gate, way in related)
    return f"It is one of those that the rules know: {opens}."


def _difference(event: Event | None, gate: str, way: Match) -> str:
    """What is between this event and a rule for events of its name; empty where it has another name."""
    if event is None or event.facts.name not in way.event:
        return ""
    facts = event.facts
    pairs = (
        ("review", way.review, facts.verdict),
        ("merged", way.merged, facts.merged),
        ("draft", way.draft, facts.draft),
        ("base", way.base, facts.base),
    )
    wanted = [
        f"{name} is {_plain(want)} and not {_plain(have)}"
        for name, want, have in pairs
        if want is not None and not (way.model_copy(update=_only(name, want)).matches(facts, event.labels))
    ]
    if way.label is not None and way.fitting_label(facts, event.labels) is False:
        has = facts.label or ", ".join(event.labels) or "(none)"
        wanted.append(f"the label fits {way.label}, which {has} does not")
    return f"For {gate}, {' and '.join(wanted)}" if wanted else ""


def _only(name: str, want: object) -> dict[str, object]:
    """All conditions but this one taken out."""
    return {**dict.fromkeys(("label", "review", "merged", "draft", "base")), name: want}


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value if value is not None else "(none)")


def _task_needed(verdict: Verdict, rules: Rules) -> str:
    event = verdict.event
    if event is None or verdict.would == "invalid":
        return "That field of its data holds the task, as gates.yaml says." if verdict.would == "invalid" else ""
    places = {"label": ", ".join(event.labels), "branch": event.branch, "title": event.title}
    has = " and ".join(f"{place} {places[place] or '(none)'}" for place in rules.task.patterns)
    if verdict.would == "ambiguous":
        return (
            f"Labels and branch name the same task; now it has {has}. Take off the label that is wrong, then "
            f"{_again(event)}: a redelivery has the old labels. A branch that is wrong wants a new pull request."
        )
    fits = [f"{place} that fits {pattern.pattern}" for place, pattern in rules.task.patterns.items()]
    on = f" on {event.facts.pull_request}" if event.facts.pull_request else ""
    label = f" Put the label of its task{on}, and {_again(event)}." if "label" in rules.task.patterns else ""
    return f"It has a {' or a '.join(fits)}; now it has {has}.{label}" if fits else ""


def _repository_needed(verdict: Verdict, rules: Rules) -> str:
    name = (verdict.task.repository if verdict.task else None) or "its own"
    return f"It comes from one of {', '.join(rules.repositories or ())}; or add {name} to `repositories` in gates.yaml."


def _fork_needed(verdict: Verdict, _rules: Rules) -> str:
    where = f"gates.{verdict.gate}" if verdict.gate else "its gate"
    repository = verdict.event.repository if verdict.event else "the repository"
    return (
        f"Push the branch to {repository} itself and open the pull request from there; "
        f"or say `forks: true` at {where} in gates.yaml, if whoever can fork may name a task."
    )


def _person_needed(verdict: Verdict, rules: Rules) -> str:
    event = verdict.event
    if event is None:
        return ""
    groups = list(dict.fromkeys(_groups(event, rules)))
    people = people_in_words(rules, groups)
    person = event.facts.person
    if person is None:
        return f"GitHub names nobody, perhaps the account is deleted. It is done by one of {people}."
    ids = [
        f"its id in gates.yaml is {each.id}, the one of this account is {event.facts.person_id}"
        for group in groups
        for each in (rules.people[group] if group != ANYONE else ())
        if isinstance(each, Person) and each.login.casefold() == person.casefold()
    ]
    if ids:
        return f"The login is right and the account is not: {ids[0]}. Somebody may have taken the login over."
    places = " or ".join(f"people.{group}" for group in groups)
    add = f"add the login to {places} in gates.yaml. {_REDELIVER}"
    return f"It is done by one of {people}; or, if {person} may too, {add}."


def _groups(event: Event, rules: Rules) -> Iterable[str]:
    found = rules.way_of(event.facts, event.labels)
    if found:
        return found[1].by
    return [group for _, _, match in rules.withdrawals_of(event.facts, event.labels) for group in match.by]


def _fresh_needed(verdict: Verdict, _rules: Rules) -> str:
    event = verdict.event
    head = look_up(event.data, "pull_request.head.sha") if event else None
    who = (event.facts.person if event else None) or "somebody"
    old = event.facts.head if event else None
    return f"{who} looks at the newest commit and approves again: a review about commit {head}, not {old}."


def _workflow_needed(verdict: Verdict, rules: Rules) -> str:
    task = verdict.task
    if task is None or verdict.would not in ("no-workflow", "ambiguous"):
        return ""
    if verdict.would == "ambiguous":
        where = rules.workflows.namespace
        return f"One of them alone is under way: argo stop -n {where} <name> of each other. {_REDELIVER}."
    if verdict.near:
        return f"{verdict.near}: if it is the one, put its label right. {_REDELIVER}."
    selector = rules.workflows.selector_of(task)
    return (
        f"A Workflow is under way in namespace {rules.workflows.namespace} with the labels {selector}. What is there: "
        f"kubectl -n {rules.workflows.namespace} get workflows -l {rules.workflows.labels.task}={task.id} --show-labels"
    )


def _age_needed(verdict: Verdict, _rules: Rules) -> str:
    return f"It happens in the Workflow's life, so it has to be said again: {_again(verdict.event)}."


def _duplicate_needed(verdict: Verdict, _rules: Rules) -> str:
    if verdict.would != "duplicate":
        return ""  # the annotation can't be read, and the reason says what to run
    return f"Nothing, {_done(verdict)}. {_other_task(verdict) or f'For another round: {_again(verdict.event)}.'}"


def _done(verdict: Verdict) -> str:
    """What this very event did, where and when."""
    event, workflow = verdict.event, verdict.answer.workflow if verdict.answer else None
    used = verdict.state.used_by(event.ref.id) if verdict.state and event else None
    if used is None or workflow is None or event is None:
        return "this event has done its work"
    slot, key = used
    where = f"{slot} of Workflow {workflow.name}"
    if key.event != event.ref.id or key.written is None:
        return f"it was used before, in an earlier round of {where} or on the Workflow that this one is a copy of"
    if key.why:
        return f"it was used up on {where}: {key.why}, seen at {show_time(key.written)}"
    return f"it is this very event that opened {where}, at {show_time(key.written)}"


def _other_task(verdict: Verdict) -> str:
    task, event = verdict.task, verdict.event
    if task is None or task.found_by not in ("label", "branch", "title") or event is None:
        return ""
    return (
        f"It is for task {task.id} by its {task.found_by}; if another was meant, put that right on "
        f"{event.facts.pull_request}, then {_again(event)}: a redelivery has the old one."
    )


def _pull_request_needed(verdict: Verdict, _rules: Rules) -> str:
    mine = verdict.event.facts.pull_request if verdict.event else None
    if "was closed unmerged" in (verdict.reason or ""):
        return f"It is newer than what closed it: reopen {mine}, then {_again(verdict.event)}."
    return (
        "It is of the pull request that the Workflow belongs to. If that one is over, close it unmerged, which frees "
        f"the Workflow, then {_again(verdict.event)}; the command above makes it forget its keys too."
    )


def _key_needed(verdict: Verdict, rules: Rules) -> str:
    event = verdict.event
    if event is None or rules.way_of(event.facts, event.labels) is None:  # it takes keys back
        return "Nothing: it takes back keys of before it alone, and those while their gate is not open."
    if verdict.would == "unavailable":
        return "Send it again in a minute: another event is about to open this gate."
    if verdict.would == "already-open":
        return _open_needed(verdict, rules)
    key = _key_at_gate(verdict, rules)
    against = [note_in_words(note) for note in (key.notes if key else ()) if note.is_against(event.facts)]
    what = f" Against it stands: {', '.join(against)}." if against else ""
    newer = "It is newer than what stands against it, so what it says has to be said again"
    return f"{newer}: {_again(event)}.{what}"


def _key_at_gate(verdict: Verdict, rules: Rules) -> Key | None:
    """What its Workflow remembers for the gate that it would open."""
    event = verdict.event
    found = rules.way_of(event.facts, event.labels) if event else None
    return verdict.state.keys.get(slot_of(found[0], found[1].inputs)) if found and verdict.state else None


def _open_needed(verdict: Verdict, rules: Rules) -> str:
    key = _key_at_gate(verdict, rules)
    by = opened_in_words(key) if key and key.state in ("used", "claimed") else ""
    again = "If it can come again, say `rounds: true` at it in gates.yaml."
    return " ".join(filter(None, ("Nothing, the gate is open.", by, _other_task(verdict), again)))


def _gate_needed(verdict: Verdict, rules: Rules) -> str:
    reason = verdict.reason or ""
    if verdict.would == "refused" and "has not reached" in reason:
        return "It comes when the Workflow stands at the gate; or take `early: refuse` away in gates.yaml."
    if verdict.would == "already-open":
        return _open_needed(verdict, rules)
    words = {
        "incomplete": "`outputs` in gates.yaml gives the value; or the Workflow's gate has a default for it.",
        "ambiguous": "Only one node waits at this gate; or the rules tell them apart by `inputs`. "
        "Now, by hand: argo resume <workflow> --node-field-selector id=<node>.",
        "refused": "The gate waits, which it does again after: argo retry <workflow>.",
    }
    return words.get(verdict.would or "", "")


def _again(event: Event | None) -> str:
    """Who has to do what, so that GitHub sends a new event like it."""
    if event is None:
        return "it has to happen again"
    facts = event.facts
    who, what = facts.person or "somebody", facts.pull_request or "it"
    ways = {
        "pull_request_review.submitted": f"{who} reviews {what} again",
        "pull_request.labeled": f"take the label {facts.label} off {what} and put it on again",
        "pull_request.unlabeled": f"put the label {facts.label} on {what} and take it off again",
        "pull_request.opened": f"close {what} and open it again",
        "pull_request.reopened": f"close {what} and open it again",
    }
    return ways.get(facts.name, "it has to happen again")


_NEEDED: Mapping[Check, Callable[[Verdict, Rules], str]] = {
    "cloudevent": _cloudevent_needed,
    "rule": _rule_needed,
    "task": _task_needed,
    "repository": _repository_needed,
    "fork": _fork_needed,
    "person": _person_needed,
    "fresh": _fresh_needed,
    "workflow": _workflow_needed,
    "age": _age_needed,
    "duplicate": _duplicate_needed,
    "pull request": _pull_request_needed,
    "key": _key_needed,
    "gate": _gate_needed,
}
