"""Writes docs/github-events.md, the events of GitHub that a rule can name: `python -m tests.docs.github_events`."""

from __future__ import annotations

from func.core.sources.github import UNKNOWN_HEAD, paths_of
from func.core.sources.github_actions import ACTIONS
from tests.docs.markdown import DOCS, item

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
_EVENTS = "https://docs.github.com/en/webhooks/webhook-events-and-payloads"
_HEAD = f"""# GitHub's events

A rule names an event as `<kind>.<action>`, with [GitHub's
actions]({_EVENTS}), or as `<kind>`. Each item lists kinds, then
where `task` looks, then what else a rule can use besides `when`. A rule for any other kind needs `task`, a path in the
payload.

For a commit of a fork, GitHub lists no pull request in [`check_run`,
`check_suite`](https://docs.github.com/en/rest/checks/suites) and
[`workflow_run`](https://github.com/github/docs/issues/22501).
{", ".join(f"[`{kind}`]({_EVENTS}#{kind})" for kind in sorted(UNKNOWN_HEAD))}
does not name the repository of its branch. Such an event is `refused` unless the rule sets `forks: true`.

"""


def usable(kind: str) -> str:
    """Return what a rule for the kind can use; empty for a kind without facts of a task or pull request."""
    facts = paths_of(kind)
    task = ", ".join(fact for fact in USES["task"] if fact in facts)
    also = [use for use, needed in USES.items() if use != "task" and set(needed) & facts.keys()]
    if "changed-label" in facts and "label" not in facts:
        also.append("label")
    return f"{task}; {', '.join(also)}".removesuffix("; ")


def text() -> str:
    """Return the page: the kinds that have facts, those with the same facts together."""
    kinds: dict[str, list[str]] = {}
    for kind in sorted(ACTIONS):
        kinds.setdefault(usable(kind), []).append(f"`{kind}`")
    return _HEAD + "".join(item(f"{', '.join(same)}: {what}") + "\n" for what, same in kinds.items() if what)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
