"""The codes: why an event has its outcome, and the one place that makes a sentence of a code.

Code compares codes, never sentences. To add one: a line in `_SENTENCES`, and `raise Rejection(code, ...)` or
`Verdict.of(code, ...)` where it is found; `python -m tests.docs.codes` writes docs/codes.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from func.core.errors import TaskgateError
from func.core.outcomes import EventRef, Outcome, WorkflowRef


class Reason(NamedTuple):
    """What a code means.

    Args:
        sentence: for a person; names in braces are filled in.
        check: the check that it belongs to.
        http_status: where it differs from the outcome's.
    """

    sentence: str
    outcome: Outcome
    check: str
    http_status: int | None = None


# What codes share, in the order in which the checks are made -> the codes with their sentences.
_SENTENCES: Mapping[tuple[Outcome, str] | tuple[Outcome, str, int], Mapping[str, str]] = {
    ("invalid", "token", 401): {
        "no-token": "No token: send the header Authorization with Bearer and a token.",
        "unknown-token": "The token is not one of those in the token file.",
        "invalid-token": "The token is not valid for the audience {audience}.",
        "sender-not-allowed": "The sender {sender} is not a service account of namespace {namespace}.",
    },
    ("invalid", "cloudevent"): {
        "malformed": "{detail}",
        "json-too-large": "The JSON needs more than {limit} MiB of memory: send a smaller event.",
        "wrong-field": "The event's {field} is {value}: {expected}.",
        "missing-field": "The event's {field} is missing: this is not an event of GitHub.",
    },
    ("invalid", "cloudevent", 415): {"unsupported-media-type": "{detail}"},
    ("invalid", "cloudevent", 413): {"body-too-large": "{detail}"},
    ("unavailable", "cloudevent"): {
        "busy": "{detail}",
        "body-too-slow": "{detail}",
    },
    ("error", "cloudevent"): {
        "defect": "Taskgate failed on this event; its log has the traceback. Send the event again.",
    },
    ("ignored", "rule"): {
        "no-rule": "No rule matches {event}{details}.",
        "other-namespace": "Namespace {namespace} is not {expected}, where the rules look for Workflows.",
    },
    ("ignored", "task"): {"no-task": "The event names no task: {why}."},
    ("ambiguous", "task"): {
        "several-tasks": "The event names several tasks, {tasks}: leave one, then cause a new event.",
    },
    ("invalid", "task"): {
        "wrong-task": "The event's {path} is {value}: expected the id of a task: at most 63 "
        "letters, digits, -, _ and ., with a letter or digit at both ends.",
        "wrong-type": "The event's {path} is {value}: expected a string or an integer.",
        "wrong-repository": "The event's {path} is {value}: expected owner/name.",
    },
    ("ignored", "repository"): {
        "repository-not-listed": "Repository {repository} is not one of the rules' `repositories`.",
    },
    ("refused", "fork"): {
        "fork": "The head of {pull_request} is in another repository, and the rule does not set `forks: true`.",
        "unknown-head": "{event} does not name the repository of its branch, which may be a fork's, and the rule does "
        "not set `forks: true`.",
    },
    ("refused", "state"): {
        "pull-request-closed": "{pull_request} is closed, so its events open nothing.",
    },
    ("refused", "person"): {
        "person-not-allowed": "{person} is not in {groups}.",
        "no-person": "The event does not say who caused it, and the rule asks for {groups}.",
        "author-not-allowed": "{person} is the author of {pull_request}, and the rule sets `not-author: true`.",
        "no-author": "The event does not name the pull request's author, and the rule sets `not-author: true`.",
    },
    ("refused", "fresh"): {
        "not-head": "The review is about commit {head}, which is no longer the head of {pull_request}.",
    },
    ("no-workflow", "workflow"): {
        "no-workflow": "No Workflow has the labels of {task}.",
        "wrong-labels": "Workflow {workflow} is not the one of {task}: {why}.",
        "impossible-label": "No Workflow can have the labels of {task}: a label's value has at most 63 characters, "
        "alphanumeric at both ends, and {value} is not one.",
        "workflow-finished": "No Workflow of {task} is running.",
    },
    ("ignored", "workflow"): {
        "nothing-to-revoke": "No Workflow of {task} is running, so nothing can be revoked.",
        "workflow-gone": "Workflow {workflow} no longer exists.",
        "selector-mismatch": "The labels of Workflow {workflow} do not match {selector} (`workflows.selector` in "
        "gates.yaml).",
    },
    ("ambiguous", "workflow"): {
        "several-workflows": "Several Workflows of {task} are running: {workflows}; stop all but one.",
    },
    ("refused", "workflow"): {
        "workflow-stopping": "Workflow {workflow} is being stopped ({shutdown}), so none of its gates is opened.",
        "workflow-unreadable": "Workflow {workflow} cannot be read: {why}. Look at it with kubectl get workflow.",
        "annotation-unreadable": "The annotation {annotation} of {workflow} cannot be read: {why}. Correct it, or open "
        "the gate manually. As a last resort remove it with `{command}`. A redelivered old approval can open a gate "
        "after that.",
    },
    ("unavailable", "workflow"): {
        "offloaded": "The nodes of this Workflow are stored in a database: set ARGO_SERVER to the URL of Argo Server.",
        "lost-race": "The Workflow could not be written in {tries} tries: {why}",
        "api-unavailable": "{detail}",
    },
    ("forbidden", "workflow"): {
        "api-unauthenticated": "{detail}",
        "api-missing-permission": "{detail}",
        "api-forbidden": "{detail}",
    },
    ("refused", "age"): {
        "too-old": "The event happened at {happened}, before Workflow {workflow} was created at {created}, so it is "
        "about an earlier Workflow.",
    },
    ("duplicate", "duplicate"): {
        "duplicate": "This event was already used: it {verb} {gate}.",
        "used-up": "This event no longer counts: {gate} was opened {how} while its signal waited.",
        "used-on-original": "This event was already used for {gate} on the Workflow that this one was resubmitted "
        "from.",
    },
    ("refused", "pull request"): {
        "other-pull-request": "Workflow {workflow} belongs to {bound}, not to {pull_request}. Close {bound}, or remove "
        "the task's label from it. As a last resort make the Workflow forget everything with `{command}`; an old "
        "approval that is sent again can open a gate then.",
    },
    ("refused", "signal"): {
        "revoked": "This signal was revoked by {by}.",
        "pull-request-gone": "{pull_request} {how} at {at}, and this event is not newer.",
        "overtaken": "This signal was overtaken by {by}.",
        "expired": "This signal waited for more than {days} days.",
        "forgotten": "Too many events came for {workflow}, and those up to {until} were forgotten, so this event "
        "may have been revoked. Cause a new one, for example approve again.",
        "not-newer": "This signal is not newer than the last event that moved {gate}, of {at}. Cause a new one, for "
        "example approve again.",
        "revoked-nothing": "This event revokes nothing: the signals for {gates} are newer.",
    },
    ("ignored", "signal"): {"no-longer-allowed": "The current rules do not accept event {event}: {why}"},
    ("withdrawn", "signal"): {
        "revoked-signals": "Revoked for {gates}: {signals}.",
        "revokes-later": "Nothing to revoke yet: what it revokes for {gates} will be refused when it arrives.",
        "left": "{pull_request} {how} task {task}: {what}.",
    },
    ("already-open", "signal"): {"nothing-waits": "{gate} was opened before, so there is nothing to revoke."},
    ("parked", "signal"): {
        "quorum": "{count} of {quorum} people have signalled {gate}: the signal waits for the others.",
        "changes-requested": "{people} requested changes: the approval waits until they approve, or their review is "
        "dismissed.",
        "older-first": "An older signal of {pull_request} opens {gate} first: this one waits behind it.",
    },
    ("opened", "gate"): {"opened": "{gate} is open: {message}."},
    ("failed", "gate"): {"failed": "{gate} has failed: {message}."},
    ("parked", "gate"): {
        "not-reached": "Workflow {workflow} has not reached {gate} yet: the signal waits.{hint}",
        "workflow-failed": "Workflow {workflow} has failed and may be retried: the signal waits for {gate}.",
        "next-round": "{gate} is open: the signal waits until the Workflow reaches it again.",
    },
    ("refused", "gate"): {
        "early": "Workflow {workflow} has not reached {gate}, and the rule sets `early: refuse`.",
        "gate-failed": "{gate} ended as {phase} and no longer waits.",
        "gate-skipped": "{gate} was skipped ({phase}) and will not wait.",
    },
    ("already-open", "gate"): {
        "already-open": "{gate} was opened before, {how}.",
        "claimed": "{gate} is about to be opened by event {event}.",
    },
    ("unavailable", "gate"): {
        "claim-pending": "The claimed node {node} is not there yet: send the event again.",
    },
    ("ambiguous", "gate"): {
        "several-nodes": "Several nodes wait at {gate}: {nodes}. Tell them apart by `inputs` in the rules, or resume "
        "one with argo.",
    },
    ("incomplete", "gate"): {
        "missing-output": "Nothing gives a value for output {output} and it has no default: add it to `outputs` in the "
        "rules.",
        "unsafe-output": "The value for output {output} {why}.",
    },
    ("ignored", "gate"): {"nothing-to-release": "{detail}"},
}
CODES: Mapping[str, Reason] = {
    code: Reason(sentence, *shared) for shared, given in _SENTENCES.items() for code, sentence in given.items()
}
CHECKS = tuple(dict.fromkeys(reason.check for reason in CODES.values()))  # the first that does not pass answers
_MAX_REASON = 1000  # characters


class Verdict(NamedTuple):
    """Why an event has its outcome: a code with its data.

    Args:
        data: what the sentence names, by the names in its braces.
    """

    code: str
    data: Mapping[str, object]

    @classmethod
    def of(cls, code: str, **data: object) -> Verdict:
        """Return the verdict of a code."""
        return cls(code, data)

    @property
    def outcome(self) -> Outcome:
        """The outcome that this code means."""
        return CODES[self.code].outcome

    @property
    def http_status(self) -> int | None:
        """The HTTP status, where it differs from the outcome's."""
        return CODES[self.code].http_status

    @property
    def sentence(self) -> str:
        """The reason for a person, in one printable line."""
        text = CODES[self.code].sentence.format_map(self.data)
        shown = text if len(text) <= _MAX_REASON else f"{text[: _MAX_REASON - 4]}...."
        return shown if shown.isprintable() else "".join(each if each.isprintable() else " " for each in shown)


class Rejection(TaskgateError):
    """A check fails: the event ends here, with this code.

    Args:
        code: one of CODES.
        about: the CloudEvent or the Workflow, where the caller does not know it.
        gate: likewise.
        node: likewise.
        retry_after: seconds after which trying again may help.
        data: what the sentence names.
    """

    def __init__(
        self,
        code: str,
        /,
        *,
        about: EventRef | WorkflowRef | None = None,
        gate: str | None = None,
        node: str | None = None,
        retry_after: int | None = None,
        **data: object,
    ) -> None:
        self.verdict = Verdict(code, {"gate": gate, "node": node, **data})
        self.about = about
        self.gate = gate
        self.node = node
        self.retry_after = retry_after
        super().__init__(code)

    @classmethod
    def because(cls, verdict: Verdict) -> Rejection:
        """Return the rejection with a verdict that is known already."""
        rejection = cls(verdict.code)
        rejection.verdict = verdict
        return rejection

    @property
    def reason(self) -> str:
        """One sentence for a person."""
        return self.verdict.sentence

    def __str__(self) -> str:
        return self.verdict.sentence
