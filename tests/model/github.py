"""Pull requests, and the deliveries that GitHub makes of what happens to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from func.core.cloud_event import Incoming
from func.core.outcomes import EventRef
from tests import payloads
from tests.model.specification import Event

STRANGER = "tess-5d1abs"
REVIEWERS = (payloads.TESS, payloads.TESS, "TESS-5dlabs", payloads.TESS, STRANGER)
LABELS = ("ready-for-qa", "ready-for-qa", "task-3", "ready-for-qa", "task-4", "task-<&>", "bug")
PULLS = (0, 1, 0, 2, 0, 1, 3, 4)  # of those below
# Ids that any source may choose; those of GitHub are plain.
_ODD = ('<{}>&"\\', "{}-\u00e9\u2028", "{{{{{}}}}}")


@dataclass(frozen=True)
class Delivery:
    """One event: what the specification reads of it, and what the function gets."""

    event: Event
    incoming: Incoming

    def __repr__(self) -> str:
        shown = f"{self.event.id}: {self.event.name} of #{self.event.pull_request} at {self.event.happened:%H:%M:%S}"
        return f"<{shown} {self.event.label or self.event.verdict or ''}>"


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
    """

    number: int
    branch: str
    labels: list[str]
    head_repository: str | None = payloads.REPOSITORY
    commits: list[str] = field(default_factory=lambda: [payloads.HEAD])
    reviews: list[Review] = field(default_factory=list)
    state: str = "none"


def pull_requests() -> list[PullRequest]:
    """Three for task 3, one of them with a branch that names no task; one for task 4, and one from a fork.

    Most that happens is about the first.
    """
    return [
        PullRequest(31, "task-3-implementation", ["task-3"]),
        PullRequest(32, "feature/task-3-again", []),
        PullRequest(33, "fix-typo", ["task-3"]),
        PullRequest(41, "task-4", ["bug"]),
        PullRequest(39, "task-3-implementation", ["task-3"], head_repository="mallory/cto"),
    ]


@dataclass
class GitHub:
    """What happens on GitHub; each happening makes one delivery."""

    pulls: list[PullRequest] = field(default_factory=pull_requests)
    deliveries: list[Delivery] = field(default_factory=list)
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
        elif pull.state == "closed":
            action = "open"
        act: Callable[[PullRequest, int, datetime], Delivery | None] = getattr(self, f"_{action}")
        delivery = act(pull, detail, now)
        if delivery:
            self.deliveries.append(delivery)
        return delivery

    def _open(self, pull: PullRequest, _: int, now: datetime) -> Delivery | None:
        old, pull.state = pull.state, "open"
        if old == "none":
            return self._delivery(pull, "pull_request.opened", payloads.opened, now)
        return self._delivery(pull, "pull_request.reopened", payloads.reopened, now) if old == "closed" else None

    def _close(self, pull: PullRequest, _: int, now: datetime) -> Delivery:
        pull.state = "closed"
        return self._delivery(pull, "pull_request.closed", payloads.closed, now, merged=False)

    def _merge(self, pull: PullRequest, _: int, now: datetime) -> Delivery:
        pull.state = "closed"  # the model lets it be opened again all the same: more can happen so
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

    def _label(self, pull: PullRequest, detail: int, now: datetime) -> Delivery:
        label = LABELS[detail % len(LABELS)]
        if label not in pull.labels:
            pull.labels.append(label)
        by = STRANGER if detail % 5 == 4 else payloads.CLEO
        return self._delivery(pull, "pull_request.labeled", payloads.labeled, now, label=label, by=by)

    def _unlabel(self, pull: PullRequest, detail: int, now: datetime) -> Delivery | None:
        if not pull.labels:
            return None
        label = pull.labels.pop(detail % len(pull.labels))
        return self._delivery(pull, "pull_request.unlabeled", payloads.unlabeled, now, label=label, by=payloads.CLEO)

    def _approve(self, pull: PullRequest, detail: int, now: datetime) -> Delivery:
        return self._submit(pull, "approved", payloads.approved, detail, now)

    def _refuse(self, pull: PullRequest, detail: int, now: datetime) -> Delivery:
        return self._submit(pull, "changes_requested", payloads.changes_requested, detail, now)

    def _comment(self, pull: PullRequest, detail: int, now: datetime) -> Delivery:
        return self._submit(pull, "commented", payloads.commented, detail, now)

    def _submit(self, pull: PullRequest, verdict: str, build: Any, detail: int, now: datetime) -> Delivery:  # noqa: ANN401
        person = REVIEWERS[detail % len(REVIEWERS)]
        is_late = detail // len(REVIEWERS) % 4 == 3 and len(pull.commits) > 1
        number = 1000 + sum(len(each.reviews) for each in self.pulls)
        review = Review(number, pull.commits[-2 if is_late else -1], person, now)
        pull.reviews.append(review)
        return self._reviewed(pull, review, "submitted", verdict, build, now)

    def _dismiss(self, pull: PullRequest, detail: int, now: datetime) -> Delivery | None:
        if not pull.reviews:
            return None
        review = pull.reviews[-1 - detail % len(pull.reviews)]
        return self._reviewed(pull, review, "dismissed", "dismissed", payloads.dismissed, now)

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
        name = f"pull_request_review.{action}"
        delivery = self._delivery(pull, name, build, review.submitted, **facts)
        said = {"review": review.number, "verdict": verdict, "commit": review.commit, "person": review.person}
        return Delivery(_with(delivery.event, **said), delivery.incoming)

    def _delivery(
        self,
        pull: PullRequest,
        name: str,
        build: Any,  # noqa: ANN401 - the builders differ in what they take
        happened: datetime,
        **more: Any,  # noqa: ANN401
    ) -> Delivery:
        if build in (payloads.labeled, payloads.unlabeled):
            payload = build(more.pop("label"), **self._facts(pull), happened=happened, **more)
        else:
            payload = build(**self._facts(pull), happened=happened, **more)
        number = len(self.deliveries) + 1
        delivery = f"d{number:03}" if number % 7 else _ODD[number // 7 % len(_ODD)].format(f"d{number:03}")
        event = Event(
            id=delivery,
            name=name,
            happened=happened,
            pull_request=pull.number,
            person=payload["sender"]["login"],
            head=pull.commits[-1],
            labels=frozenset(pull.labels),
            branch=pull.branch,
            is_fork=pull.head_repository != payloads.REPOSITORY,
            label=payload["label"]["name"] if "label" in payload else None,
            merged=more.get("merged", False),
        )
        kind = f"com.github.{name.partition('.')[0]}"
        source = "https://github.com/5dlabs/cto"
        return Delivery(event, Incoming(EventRef(delivery, kind, source), happened, str(pull.number), payload))

    def _facts(self, pull: PullRequest) -> dict[str, Any]:
        return {
            "number": pull.number,
            "labels": list(pull.labels),
            "branch": pull.branch,
            "sha": pull.commits[-1],
            "head_repository": pull.head_repository,
        }


def _with(event: Event, **fields: Any) -> Event:  # noqa: ANN401 - as dataclasses.replace
    from dataclasses import replace

    return replace(event, **fields)
