"""GitHub's webhooks: kinds, actions, and where the facts of an event stand in its payload.

Source: https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

from collections.abc import Mapping

from func.core.sources.facts import Paths

# What our Sensor sends, and Knative's GitHubSource: https://knative.dev/docs/eventing/sources/github-source/
_TYPES = ("com.github.", "dev.knative.source.github.")

_SENDER: Paths = {"repository": "repository.full_name", "person": "sender.login", "person-id": "sender.id"}
_PULL_REQUEST: Paths = {
    **_SENDER,
    "label": "pull_request.labels.*.name",
    "branch": "pull_request.head.ref",
    "title": "pull_request.title",
    "number": "pull_request.number",
    "head": "pull_request.head.sha",
    "base": "pull_request.base.ref",
    "author": "pull_request.user.login",
    "author-id": "pull_request.user.id",
    "happened": "pull_request.updated_at",
    "state": "pull_request.state",
    "head-repository": "pull_request.head.repo.full_name",
    "base-repository": "pull_request.base.repo.full_name",
}
_ISSUE: Paths = {
    **_SENDER,
    "label": "issue.labels.*.name",
    "title": "issue.title",
    "author": "issue.user.login",
    "author-id": "issue.user.id",
    "happened": "issue.updated_at",
}
_BRANCH: Paths = {**_SENDER, "branch": "ref"}


def _run(place: str, suite: str, happened: str) -> Paths:
    """Return the paths of something that runs for a commit; `pull_requests` is empty where a fork's commit ran."""
    return {
        **_SENDER,
        "branch": f"{suite}.head_branch",
        "head": f"{place}.head_sha",
        "number": f"{place}.pull_requests.0.number",
        "base": f"{place}.pull_requests.0.base.ref",
        "happened": f"{place}.{happened}",
        "pull-requests": f"{place}.pull_requests",
    }


_WORKFLOW_RUN: Paths = {
    **_run("workflow_run", "workflow_run", "updated_at"),
    "head-repository": "workflow_run.head_repository.full_name",
}

# kind -> where its facts are; a kind that is not here has only those of _SENDER.
PATHS: Mapping[str, Paths] = {
    "pull_request": {
        **_PULL_REQUEST,
        "changed-label": "label.name",
        "draft": "pull_request.draft",
        "merged": "pull_request.merged",
    },
    "pull_request_review": {
        **_PULL_REQUEST,
        "draft": "pull_request.draft",
        "person": "review.user.login",
        "person-id": "review.user.id",
        "review": "review.id",
        "review-state": "review.state",
        "review-commit": "review.commit_id",
        "submitted": "review.submitted_at",
    },
    "pull_request_review_comment": _PULL_REQUEST,
    "pull_request_review_thread": _PULL_REQUEST,
    "issues": {**_ISSUE, "changed-label": "label.name"},
    "issue_comment": {
        **_ISSUE,
        # A comment on a pull request: an issue with this field.
        "number": "issue.number",
        "state": "issue.state",
        "is-pull-request": "issue.pull_request",
        "happened": "comment.updated_at",
    },
    "check_run": _run("check_run", "check_run.check_suite", "completed_at"),
    "check_suite": _run("check_suite", "check_suite", "updated_at"),
    "workflow_run": _WORKFLOW_RUN,
    "workflow_job": {
        **_SENDER,
        "branch": "workflow_job.head_branch",
        "head": "workflow_job.head_sha",
        "happened": "workflow_job.completed_at",
    },
    "deployment": {
        **_SENDER,
        "branch": "deployment.ref",
        "head": "deployment.sha",
        "happened": "deployment.updated_at",
    },
    # The workflow's run was updated before the review: the CloudEvent's time is nearer.
    "deployment_review": {fact: path for fact, path in _WORKFLOW_RUN.items() if fact != "happened"},
    "deployment_status": {
        **_SENDER,
        "branch": "deployment.ref",
        "head": "deployment.sha",
        "happened": "deployment_status.updated_at",
    },
    "status": {**_SENDER, "branch": "branches.*.name", "head": "sha", "happened": "updated_at"},
    "merge_group": {
        **_SENDER,
        "branch": "merge_group.head_ref",
        "head": "merge_group.head_sha",
        "base": "merge_group.base_ref",
    },
    "push": {**_BRANCH, "head": "after"},
    "code_scanning_alert": {**_BRANCH, "head": "commit_oid", "happened": "alert.updated_at"},
    "create": _BRANCH,
    "delete": _BRANCH,
    "workflow_dispatch": _BRANCH,
    "release": {
        **_SENDER,
        "branch": "release.tag_name",
        "title": "release.name",
        "author": "release.author.login",
        "author-id": "release.author.id",
        "happened": "release.published_at",
    },
    "discussion": {
        **_SENDER,
        "title": "discussion.title",
        "changed-label": "label.name",
        "author": "discussion.user.login",
        "author-id": "discussion.user.id",
        "happened": "discussion.updated_at",
    },
    "discussion_comment": {
        **_SENDER,
        "title": "discussion.title",
        "author": "discussion.user.login",
        "author-id": "discussion.user.id",
        "happened": "comment.updated_at",
    },
    "commit_comment": {**_SENDER, "head": "comment.commit_id", "happened": "comment.updated_at"},
}
_OF_PULL_REQUEST = ("repository", "number", "branch", "head", "base", "base-repository")
# A payload without these is not one of GitHub's, so its task cannot be trusted.
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "pull_request": _OF_PULL_REQUEST,
    "pull_request_review": (*_OF_PULL_REQUEST, "review", "review-state"),
    "push": ("branch", "repository"),
}
# Their branch can be a whole ref, refs/heads/<branch>. Elsewhere a branch of that very name would be meant.
WHOLE_REFS = frozenset(
    {"push", "merge_group", "workflow_dispatch", "deployment", "deployment_status", "code_scanning_alert"}
)
# A fork runs these under its own branch name, and the payload does not name the repository of the branch.
UNKNOWN_HEAD = frozenset({"workflow_job"})


def kind_of_type(event_type: str) -> str | None:
    """Return the kind in a CloudEvent's type: `com.github.pull_request` -> `pull_request`; None for other sources."""
    prefix = next((prefix for prefix in _TYPES if event_type.startswith(prefix)), None)
    return event_type.removeprefix(prefix) if prefix else None


def paths_of(kind: str) -> Paths:
    """Return where the facts of a kind of event are."""
    return PATHS.get(kind, _SENDER)
