"""Pull requests, and the deliveries that GitHub makes of what happens to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from func.core.cloud_event import Incoming
from func.core.outcomes import EventRef
from tests import payloads
from tests.model.specification import Event
from tests.payloads import Payload

LEAD, OTHER, STRANGER = "5DLabs-Tess", "tess-5dlabs", "tess-5d1abs"
PEOPLE = (payloads.TESS, LEAD, "TESS-5dlabs", payloads.TESS, OTHER, STRANGER)
LABELS = ("ready-for-qa", "task-4", "task-3", "Task-3", "ready-for-qa", "task-<&>", "bug", "task-3")
TITLES = ("Task 3: more", "Update the README", "Task 4: fewer", "Update the README", "Task 3: less", "task 4: none")
PULLS = (0, 1, 0, 1, 0, 2, 0, 0, 1, 3, 0, 4)  # of those below
# Ids that any source may choose; those of GitHub are plain.
_ODD = ('<{}>&"\\', "{}-\u00e9\u2028", "{{{{{}}}}}")


@dataclass(frozen=True)
class Delivery:
    """One event: what the specification reads of it, and what the function gets."""

    event: Event
    incoming: Incoming

    def __repr__(self) -> str:
        event = self.event
        about = event.label or event.verdict or ("merged" if event.merged else "")
        return f"<{event.id}: {event.name} {about} of {event.pull} at {event.happened:%d. %H:%M:%S} by {event.person}>"


@dataclass
class Review:
    """A review that was submitted."""

    number: int
    commit: str
    person: str
    submitted: datetime


@dataclass
class PullRequest:
    """One pull request.

    Args:
        commits: what its branch was at, the head last.
        state: `none` before it is opened, then `open`, `closed` or `merged`.
    """

    number: int
    branch: str
    labels: list[str]
    author: str = payloads.REX
    head_repository: str | None = payloads.REPOSITORY
    commits: list[str] = field(default_factory=lambda: [payloads.HEAD])
    reviews: list[Review] = field(default_factory=list)
    state: str = "none"
    title: str = "Update the README"

    @property
    def is_closed(self) -> bool:
        """Whether it is closed or merged."""
        return self.state in ("closed", "merged")


def pull_requests() -> list[PullRequest]:
    """Three for task 3, two of them with a branch that names no task; one for task 4, and one from a fork.

    Most that happens is about the first.
    """
    return [
        PullRequest(31, "fix-typo", ["task-3"]),
        PullRequest(32, "feature/task-3-again", [], author=OTHER),
        PullRequest(33, "second-try", ["task-3"]),
        PullRequest(41, "task-4", ["bug"]),
        PullRequest(39, "task-3-implementation", ["task-3"], head_repository="mallory/cto"),
    ]


@dataclass
class GitHub:
    """What happens on GitHub; each happening makes one delivery.

    Args:
        has_titles: a title can name a task, as the rules have it.
    """

    pulls: list[PullRequest] = field(default_factory=pull_requests)
    deliveries: list[Delivery] = field(default_factory=list)
    has_titles: bool = False
    _commits: int = 0

    def act(self, action: str, which: int, detail: int, now: datetime) -> Delivery | None:
        """Somebody does something to a pull request; None where it can't be done.

        Args:
            which: of the pull requests, counted round.
            detail: of the ways to do it, counted round.
        """
        pull = self.pulls[PULLS[which % len(PULLS)]]
        if pull.state == "none" and action != "open":
            self.act("open", which, 0, now)  # all begins with it
        elif pull.is_closed and (action in ("close", "merge", "push") or detail % 3 == 0):
            action = "open"
        act: Callable[[PullRequest, int, datetime], Delivery | None] = getattr(self, f"_{action}")
        delivery = act(pull, detail, now)
        if delivery:
            self.deliveries.append(delivery)
        return delivery

    def _open(self, pull: PullRequest, _: int, now: datetime) -> Delivery | None:
        old = pull.state
        if old in ("open", "merged"):
            return None
        pull.state = "open"
        if old == "none":
            return self._delivery(pull, "pull_request.opened", payloads.opened, now)
        return self._delivery(pull, "pull_request.reopened", payloads.reopened, now)

    def _close(self, pull: PullRequest, _: int, now: datetime) -> Delivery:
        pull.state = "closed"
        return self._delivery(pull, "pull_request.closed", payloads.closed, now, merged=False)

    def _merge(self, pull: PullRequest, _: int, now: datetime) -> Delivery:
        pull.state = "merged"
        return self._delivery(pull, "pull_request.closed", payloads.closed, now, merged=True)

    def _push(self, pull: PullRequest, detail: int, now: datetime) -> Delivery:
        if detail % 4 == 3 and len(pull.commits) > 1:
            commit = pull.commits[-2]  # by force, back to what was there before
        else:
            self._commits += 1
            commit = f"{self._commits:040x}"
        before = pull.commits[-1]
        pull.commits.append(commit)
        return self._delivery(pull, "pull_request.synchronize", payloads.synchronize, now, before=before)

    def _retarget(self, pull: PullRequest, _: int, now: datetime) -> Delivery:
        return self._delivery(pull, "pull_request.edited", _retargeted, now)

    def _retitle(self, pull: PullRequest, detail: int, now: datetime) -> Delivery:
        before, pull.title = pull.title, TITLES[detail % len(TITLES)]
        delivery = self._delivery(pull, "pull_request.edited", _retitled, now, title_before=before)
        return Delivery(delivery.event._replace(titled_before=self._titled(before)), delivery.incoming)

    def _titled(self, title: str) -> frozenset[str]:
        """The task that a title names."""
        found = re.fullmatch(r"Task ([0-9]+): .*", title) if self.has_titles else None
        return frozenset([found[1]] if found else [])

    def _label(self, pull: PullRequest, detail: int, now: datetime) -> Delivery:
        label = LABELS[detail % len(LABELS)]
        before = frozenset(pull.labels)
        if label.lower() not in [each.lower() for each in pull.labels]:
            pull.labels.append(label)
        label = next(each for each in pull.labels if each.lower() == label.lower())
        by = STRANGER if detail % 5 == 4 else payloads.CLEO
        return self._delivery(
            pull, "pull_request.labeled", payloads.labeled, now, label=label, by=by, before=before - {label}
        )

    def _unlabel(self, pull: PullRequest, detail: int, now: datetime) -> Delivery | None:
        if not pull.labels:
            return None
        before = frozenset(pull.labels)
        label = pull.labels.pop(detail % len(pull.labels))
        return self._delivery(
            pull, "pull_request.unlabeled", payloads.unlabeled, now, label=label, by=payloads.CLEO, before=before
        )

    def _rename(self, pull: PullRequest, _: int, __: datetime) -> None:
        """A label is renamed in the whole repository: GitHub tells nothing about the pull requests that have it."""
        names = ("task-3", "task-4")
        old, new = names if "task-3" in [each.lower() for each in pull.labels] else names[::-1]
        for each in self.pulls:
            # A repository has no two labels that differ in case alone.
            each.labels[:] = dict.fromkeys(new if label.lower() in (old, new) else label for label in each.labels)

    def _approve(self, pull: PullRequest, detail: int, now: datetime) -> Delivery:
        return self._submit(pull, "approved", payloads.approved, detail, now)

    def _refuse(self, pull: PullRequest, detail: int, now: datetime) -> Delivery:
        return self._submit(pull, "changes_requested", payloads.changes_requested, detail, now)

    def _comment(self, pull: PullRequest, detail: int, now: datetime) -> Delivery:
        return self._submit(pull, "commented", payloads.commented, detail, now)

    def _submit(self, pull: PullRequest, verdict: str, build: Any, detail: int, now: datetime) -> Delivery:  # noqa: ANN401
        is_late = detail // len(PEOPLE) % 4 == 3 and len(pull.commits) > 1
        number = 1000 + sum(len(each.reviews) for each in self.pulls)
        review = Review(number, pull.commits[-2 if is_late else -1], PEOPLE[detail % len(PEOPLE)], now)
        pull.reviews.append(review)
        return self._reviewed(pull, review, "submitted", verdict, build, now)

    def _dismiss(self, pull: PullRequest, detail: int, now: datetime) -> Delivery | None:
        if not pull.reviews:
            return None
        review = pull.reviews[-1 - detail % len(pull.reviews)]
        delivery = self._reviewed(pull, review, "dismissed", "dismissed", payloads.dismissed, now)
        if detail % 5:
            return delivery
        delivery.incoming.data["review"]["user"] = None  # the account was deleted
        return Delivery(delivery.event._replace(person=""), delivery.incoming)

    def _reviewed(
        self,
        pull: PullRequest,
        review: Review,
        action: str,
        verdict: str,
        build: Any,  # noqa: ANN401 - the builders differ in what they take
        now: datetime,
    ) -> Delivery:
        facts = {"reviewed": review.commit, "review_id": review.number, "updated": now, "by": review.person}
        delivery = self._delivery(pull, f"pull_request_review.{action}", build, review.submitted, **facts)
        event = delivery.event._replace(
            happened=now,
            review=review.number,
            submitted=review.submitted,
            verdict=verdict,
            commit=review.commit,
            person=review.person,
        )
        return Delivery(event, delivery.incoming)

    def _delivery(
        self,
        pull: PullRequest,
        name: str,
        build: Any,  # noqa: ANN401 - the builders differ in what they take
        happened: datetime,
        **more: Any,  # noqa: ANN401
    ) -> Delivery:
        is_label = build in (payloads.labeled, payloads.unlabeled)
        labels_before = more.pop("before") if is_label else frozenset(pull.labels)
        names = (more.pop("label"),) if is_label else ()
        payload: Payload = build(*names, **self._facts(pull), happened=happened, **more)
        payload["pull_request"]["state"] = "closed" if pull.is_closed else "open"
        number = len(self.deliveries) + 1
        delivery = f"d{number:03}" if number % 7 else _ODD[number // 7 % len(_ODD)].format(f"d{number:03}")
        event = Event(
            id=delivery,
            name=name,
            happened=happened,
            pull=f"{payloads.REPOSITORY}#{pull.number}",
            person=payload["sender"]["login"],
            author=pull.author,
            head=pull.commits[-1],
            labels=frozenset(pull.labels),
            before=labels_before,
            branch=pull.branch,
            is_fork=pull.head_repository != payloads.REPOSITORY,
            is_closed=pull.is_closed,
            label=payload["label"]["name"] if "label" in payload else None,
            merged=more.get("merged", False),
            retargeted=build is _retargeted,
            titled=self._titled(pull.title),
            titled_before=self._titled(pull.title),
        )
        kind = f"com.github.{name.partition('.')[0]}"
        source = "https://github.com/5dlabs/cto"
        return Delivery(event, Incoming(EventRef(delivery, kind, source), happened, str(pull.number), payload))

    def _facts(self, pull: PullRequest) -> dict[str, Any]:
        return {
            "number": pull.number,
            "labels": list(pull.labels),
            "branch": pull.branch,
            "author": pull.author,
            "sha": pull.commits[-1],
            "head_repository": pull.head_repository,
            "title": pull.title,
        }


def _retargeted(**facts: Any) -> Payload:  # noqa: ANN401
    """The base is changed; made from a payload that has no fields of its own."""
    payload = payloads.reopened(base="release", **facts)
    changes = {"base": {"ref": {"from": "main"}, "sha": {"from": payloads.PUSHED}}}
    return payload | {"action": "edited", "changes": changes}


def _retitled(*, title_before: str, **facts: Any) -> Payload:  # noqa: ANN401
    """The title is changed."""
    return payloads.reopened(**facts) | {"action": "edited", "changes": {"title": {"from": title_before}}}
