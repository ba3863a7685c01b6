"""Writes docs/github-events.md, the events of GitHub that a rule can name: `python -m tests.docs.github_events`."""

from __future__ import annotations

from func.core.rules import GITHUB
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

- Each kind has a person, the sender (of `pull_request_review` the review's author), and a repository where GitHub's
  payload has one. People of GitHub need the prefix `{GITHUB}:` only where a group has people of other sources too.
- **task** names the places where `task` looks: the labels and the title of the pull request, issue or discussion, and
  the head branch. A rule for a kind without any needs `task`, the path of the task in the payload.
- **also** says what else a rule can use. A rule that uses something else is an error.
- Conditions with `when` can use every field of the payload.
- A number in `check_run`, `check_suite` and `workflow_run` is that of their only pull request. GitHub lists none for a
  commit of a fork, so such an event is `refused` unless the rule sets `forks: true`.
- {", ".join(f"`{kind}`" for kind in sorted(UNKNOWN_HEAD))} never names the repository of its branch, so a rule for it
  needs `forks: true`.

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
