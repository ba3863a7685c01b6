"""The codes: why an event has its outcome, and the one place that makes a sentence of a code.

Code compares codes, never sentences. To add one: a line in `CODES`, and `raise Rejection(code, ...)` or
`Verdict.of(code, ...)` where it is found; `python -m tests.docs.codes` writes docs/codes.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from func.core.outcomes import EventRef, Outcome, WorkflowRef


class Reason(NamedTuple):
    """What a code means.

    Args:
        check: the check that it belongs to.
        sentence: for a person; names in braces are filled in.
        http_status: where it differs from the outcome's.
    """

    outcome: Outcome
    check: str
    sentence: str
    http_status: int | None = None


# In the order in which the checks are made.
CODES: Mapping[str, Reason] = {
    "no-token": Reason("invalid", "token", "No token: send the header Authorization with Bearer and a token.", 401),
    "unknown-token": Reason("invalid", "token", "The token is not one of those in the token file.", 401),
    "invalid-token": Reason("invalid", "token", "The token is not valid for the audience {audience}.", 401),
    "sender-not-allowed": Reason(
        "invalid", "token", "The sender {sender} is not a service account of namespace {namespace}.", 401
    ),
    "malformed": Reason("invalid", "cloudevent", "{detail}"),
    "unsupported-media-type": Reason("invalid", "cloudevent", "{detail}", 415),
    "body-too-large": Reason("invalid", "cloudevent", "{detail}", 413),
    "json-too-large": Reason(
        "invalid", "cloudevent", "The JSON needs more than {limit} MiB of memory: send a smaller event."
    ),
    "wrong-field": Reason("invalid", "cloudevent", "The event's {field} is {value}: {expected}."),
    "missing-field": Reason("invalid", "cloudevent", "The event's {field} is missing: this is not an event of GitHub."),
    "busy": Reason("unavailable", "cloudevent", "{detail}"),
    "body-too-slow": Reason("unavailable", "cloudevent", "{detail}"),
    "defect": Reason(
        "error", "cloudevent", "Taskgate failed on this event; its log has the traceback. Send the event again."
    ),
    "no-rule": Reason("ignored", "rule", "No rule matches {event}{details}."),
    "other-namespace": Reason(
        "ignored", "rule", "Namespace {namespace} is not {expected}, where the rules look for Workflows."
    ),
    "no-task": Reason("ignored", "task", "It names no task: {why}."),
    "several-tasks": Reason("ambiguous", "task", "It names several tasks, {tasks}: leave one, then cause a new event."),
    "wrong-task": Reason(
        "invalid", "task", "The event's {path} is {value}: expected the id of a task that a label can hold."
    ),
    "wrong-type": Reason("invalid", "task", "The event's {path} is {value}: expected a string or an integer."),
    "wrong-repository": Reason("invalid", "task", "The event's {path} is {value}: expected owner/name."),
    "repository-not-listed": Reason(
        "ignored", "repository", "Repository {repository} is not one of the rules' `repositories`."
    ),
    "fork": Reason(
        "refused",
        "fork",
        "The head of {pull_request} is in another repository, where anybody can choose the branch name; "
        "the rule does not set `forks: true`.",
    ),
    "unknown-head": Reason(
        "refused",
        "fork",
        "{event} does not say in which repository its branch is, so it may be a fork's; "
        "the rule does not set `forks: true`.",
    ),
    "pull-request-closed": Reason(
        "refused", "state", "{pull_request} is closed, and events of a closed pull request open nothing."
    ),
    "person-not-allowed": Reason("refused", "person", "{person} is not in {groups}."),
    "no-person": Reason("refused", "person", "The event does not say who caused it, and the rule asks for {groups}."),
    "author-not-allowed": Reason(
        "refused", "person", "{person} is the author of {pull_request}, and the rule sets `not-author: true`."
    ),
    "no-author": Reason(
        "refused", "person", "The event does not name the pull request's author, and the rule sets `not-author: true`."
    ),
    "not-head": Reason(
        "refused", "fresh", "The review is about commit {head}, which is no longer the head of {pull_request}."
    ),
    "no-workflow": Reason("no-workflow", "workflow", "No Workflow has the labels of {task}."),
    "wrong-labels": Reason("no-workflow", "workflow", "Workflow {workflow} is not the one of {task}: {why}."),
    "impossible-label": Reason(
        "no-workflow",
        "workflow",
        "No Workflow can have the labels of {task}: a label's value has at most 63 characters, alphanumeric at both "
        "ends, and {value} is not one.",
    ),
    "workflow-finished": Reason("no-workflow", "workflow", "No Workflow of {task} is running."),
    "nothing-to-revoke": Reason("ignored", "workflow", "No Workflow of {task} is running, so nothing can be revoked."),
    "several-workflows": Reason(
        "ambiguous", "workflow", "Several Workflows of {task} are running: {workflows}; stop all but one."
    ),
    "workflow-stopping": Reason(
        "refused", "workflow", "Workflow {workflow} is being stopped ({shutdown}), so none of its gates is opened."
    ),
    "workflow-unreadable": Reason(
        "refused", "workflow", "Workflow {workflow} cannot be read: {why}. Look at it with kubectl get workflow."
    ),
    "annotation-unreadable": Reason(
        "refused",
        "workflow",
        "The annotation {annotation} of {workflow} cannot be read: {why}. Correct it, or open the gate manually. As a "
        "last resort remove it with `{command}`; an old approval that is redelivered can open a gate then.",
    ),
    "workflow-gone": Reason("ignored", "workflow", "Workflow {workflow} no longer exists."),
    "selector-mismatch": Reason(
        "ignored",
        "workflow",
        "The labels of Workflow {workflow} do not match {selector} (`workflows.selector` in gates.yaml).",
    ),
    "offloaded": Reason(
        "unavailable",
        "workflow",
        "The nodes of this Workflow are stored in a database: set ARGO_SERVER to the URL of Argo Server.",
    ),
    "lost-race": Reason("unavailable", "workflow", "The Workflow could not be written in {tries} tries: {why}"),
    "api-unavailable": Reason("unavailable", "workflow", "{detail}"),
    "api-unauthenticated": Reason("forbidden", "workflow", "{detail}"),
    "api-missing-permission": Reason("forbidden", "workflow", "{detail}"),
    "api-forbidden": Reason("forbidden", "workflow", "{detail}"),
    "too-old": Reason(
        "refused",
        "age",
        "The event happened at {happened}, before Workflow {workflow} was created at {created}, so it is about an "
        "earlier Workflow.",
    ),
    "duplicate": Reason("duplicate", "duplicate", "This event was already used: it {verb} {gate}."),
    "used-up": Reason(
        "duplicate", "duplicate", "This event no longer counts: {gate} was opened {how} while its signal waited."
    ),
    "used-on-original": Reason(
        "duplicate",
        "duplicate",
        "This event was already used for {gate} on the Workflow that this one was resubmitted from.",
    ),
    "other-pull-request": Reason(
        "refused",
        "pull request",
        "Workflow {workflow} belongs to {bound}, not to {pull_request}. Close {bound}, or remove the task's label from "
        "it. As a last resort make the Workflow forget everything with `{command}`; an old approval that is sent again "
        "can open a gate then.",
    ),
    "revoked": Reason("refused", "signal", "It was revoked by {by}."),
    "pull-request-gone": Reason("refused", "signal", "{pull_request} {how} at {at}, and this event is not newer."),
    "overtaken": Reason("refused", "signal", "It was overtaken by {by}."),
    "expired": Reason("refused", "signal", "It waited for more than {days} days."),
    "forgotten": Reason(
        "refused",
        "signal",
        "Too many events came for {workflow}, and those up to {until} were forgotten: this one may have been revoked. "
        "Cause a new one, for example approve again.",
    ),
    "not-newer": Reason(
        "refused",
        "signal",
        "It is not newer than the last event that moved {gate}, of {at}. Cause a new one, for example approve again.",
    ),
    "no-longer-allowed": Reason("ignored", "signal", "The rules of today do not accept event {event}: {why}"),
    "revoked-signals": Reason("withdrawn", "signal", "Revoked for {gates}: {signals}."),
    "revokes-later": Reason(
        "withdrawn", "signal", "Nothing to revoke yet: what it revokes for {gates} will be refused when it arrives."
    ),
    "left": Reason("withdrawn", "signal", "{pull_request} {how} task {task}: {what}."),
    "revoked-nothing": Reason("refused", "signal", "It revokes nothing: what stands for {gates} is newer."),
    "nothing-waits": Reason("already-open", "signal", "{gate} was opened before, so there is nothing to revoke."),
    "opened": Reason("opened", "gate", "{gate} is open: {message}."),
    "failed": Reason("failed", "gate", "{gate} has failed: {message}."),
    "not-reached": Reason("parked", "gate", "Workflow {workflow} has not reached {gate} yet: the signal waits.{hint}"),
    "workflow-failed": Reason(
        "parked", "gate", "Workflow {workflow} has failed and may be retried: the signal waits for {gate}."
    ),
    "next-round": Reason("parked", "gate", "{gate} is open: the signal waits until the Workflow reaches it again."),
    "quorum": Reason(
        "parked", "signal", "{count} of {quorum} people have signalled {gate}: the signal waits for the others."
    ),
    "changes-requested": Reason(
        "parked",
        "signal",
        "{people} requested changes: the approval waits until they approve, or their review is dismissed.",
    ),
    "older-first": Reason(
        "parked", "signal", "An older signal of {pull_request} opens {gate} first: this one waits behind it."
    ),
    "early": Reason(
        "refused", "gate", "Workflow {workflow} has not reached {gate}, and the rule sets `early: refuse`."
    ),
    "already-open": Reason("already-open", "gate", "{gate} was opened before, {how}."),
    "claimed": Reason("already-open", "gate", "{gate} is about to be opened by event {event}."),
    "claim-pending": Reason("unavailable", "gate", "The claimed node {node} is not there yet: send the event again."),
    "gate-failed": Reason("refused", "gate", "{gate} ended as {phase} and no longer waits."),
    "gate-skipped": Reason("refused", "gate", "{gate} was skipped ({phase}) and will not wait."),
    "several-nodes": Reason(
        "ambiguous",
        "gate",
        "Several nodes wait at {gate}: {nodes}. Tell them apart by `inputs` in the rules, or resume one with argo.",
    ),
    "missing-output": Reason(
        "incomplete",
        "gate",
        "Nothing gives a value for output {output} and it has no default: add it to `outputs` in the rules.",
    ),
    "unsafe-output": Reason("incomplete", "gate", "The value for output {output} {why}."),
    "nothing-to-release": Reason("ignored", "gate", "{detail}"),
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
    def check(self) -> str:
        """The check that answers."""
        return CODES[self.code].check

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


class Rejection(Exception):
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

    @property
    def outcome(self) -> Outcome:
        """The outcome of the answer."""
        return self.verdict.outcome

    def __str__(self) -> str:
        return self.verdict.sentence
