"""Writes docs/github-events.md, the events of GitHub that a rule can name: `python -m tests.docs.github_events`."""

from __future__ import annotations

from func.core.sources.github import PATHS, UNKNOWN_HEAD, paths_of
from func.core.sources.github_actions import ACTIONS
from tests.docs.markdown import DOCS

FILE = DOCS / "github-events.md"
# What a rule can use, in the words of gates.yaml -> the facts it needs.
USES = {
    "task": ("label", "branch", "title"),
    "pull request": ("number",),
    "base": ("base",),
    "draft": ("draft",),
    "merged": ("merged",),
    "review, fresh": ("review-commit",),
    "not-author": ("author",),
}
_HEAD = f"""# GitHub's events

Every event that a rule can name, as `<kind>.<action>` or `<kind>`. `python -m tests.docs.github_events` writes this
page.

- The person is the sender, for `pull_request_review` the review's author.
- **task**: the places where `task` looks. A rule for a kind without any needs `task`, its path in the payload.
- **also**: what else a rule can use, besides `when`. Anything else is an error.
- GitHub lists no pull request in `check_run`, `check_suite` and `workflow_run` for a commit of a fork. Such an event is
  `refused` unless the rule sets `forks: true`.
- {", ".join(f"`{kind}`" for kind in sorted(UNKNOWN_HEAD))} never names the repository of its branch.
  Its rules need `forks: true`.

| kind | actions | task | also |
| --- | --- | --- | --- |
"""


def row(kind: str) -> str:
    """Return the row of a kind."""
    facts = paths_of(kind)
    actions = ", ".join(f"`{each}`" for each in sorted(ACTIONS[kind])).replace("`*`", "those that senders choose")
    task = ", ".join(fact for fact in USES["task"] if fact in facts)
    also = [use for use, needed in USES.items() if use != "task" and set(needed) & facts.keys()]
    if "changed-label" in facts and "label" not in facts:
        also.append("label")
    return f"| `{kind}` | {actions} | {task} | {', '.join(also)} |\n"


def text() -> str:
    """Return the page: first the kinds that name a task."""
    kinds = sorted(ACTIONS, key=lambda kind: (kind not in PATHS, kind))
    return _HEAD + "".join(row(kind) for kind in kinds)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
