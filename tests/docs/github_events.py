"""Writes docs/github-events.md, the events of GitHub that a rule can name: `python -m tests.docs.github_events`."""

from __future__ import annotations

import textwrap

from func.core.sources.github import UNKNOWN_HEAD, paths_of
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

Every event that a rule can name, as `<kind>.<action>` or `<kind>`. The actions are in
[GitHub's documentation](https://docs.github.com/en/webhooks/webhook-events-and-payloads), and `taskgate check` rejects
others. `python -m tests.docs.github_events` writes this page.

- The person is the sender, for `pull_request_review` the review's author.
- **task**: the places where `task` looks. A rule for a kind without any needs `task`, its path in the payload.
- **also**: what else a rule can use, besides `when`. Anything else is an error.
- GitHub lists no pull request in `check_run`, `check_suite` and `workflow_run` for a commit of a fork. Such an event is
  `refused` unless the rule sets `forks: true`.
- {", ".join(f"`{kind}`" for kind in sorted(UNKNOWN_HEAD))} never names the repository of its branch. Its rules need
  `forks: true`.

| kind | task | also |
| --- | --- | --- |
"""


def row(kind: str) -> str:
    """Return the row of a kind."""
    facts = paths_of(kind)
    task = ", ".join(fact for fact in USES["task"] if fact in facts)
    also = [use for use, needed in USES.items() if use != "task" and set(needed) & facts.keys()]
    if "changed-label" in facts and "label" not in facts:
        also.append("label")
    return f"| `{kind}` | {task} | {', '.join(also)} |\n" if task or also else ""


def text() -> str:
    """Return the page: the kinds that have facts of a task or pull request, then the others."""
    rows = {kind: row(kind) for kind in sorted(ACTIONS)}
    others = ", ".join(f"`{kind}`" for kind, found in rows.items() if not found)
    return _HEAD + "".join(rows.values()) + "\n" + textwrap.fill(f"The others: {others}.", 120) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
