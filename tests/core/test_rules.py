"""gates.yaml: what it says happens, and what is wrong in it is named in one line."""

from __future__ import annotations

import pytest

from func.core.errors import SettingError
from func.core.gates_file import parse_rules
from func.core.rules import Rules
from func.service.settings import BUILT_IN_RULES
from tests.core.bench import Bench, answer_to, rules_with
from tests.payloads import (
    CLEO,
    REX,
    TESS,
    Payload,
    Request,
    approved,
    changes_requested,
    closed,
    cloudevent_structured,
    commented,
    dismissed,
    labeled,
    opened,
    reopened,
    unlabeled,
    user,
)
from tests.recorded_workflows import waiting_workflow

BUILT_IN = BUILT_IN_RULES.read_text(encoding="utf-8")
HEAD = BUILT_IN.split("\ngates:")[0]


def one_gate(way: str) -> str:
    return f"{HEAD}\ngates:\n  g: {way}\n"


def instead(old: str, new: str) -> str:
    assert old in BUILT_IN
    return BUILT_IN.replace(old, new, 1)


LABEL, TESS_LOGIN, NUMBER = "'task-([0-9]+)'", "'5DLabs-Tess[bot]'", "'{pull_request.number}'"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", ["the file is empty", "expected workflows"]),
        ("odd", ["'odd'", "expected an object"]),
        ("a: [", ["not YAML", "line 1"]),
        ("[" * 1200, ["not YAML", "deep"]),
        (f"a: {'9' * 5000}", ["not YAML", "line 1, column 4", "cannot be read as int"]),
        (f"a: 0x{'f' * 5000}", ["not YAML", "line 1, column 4", "too large"]),
        ("a: !!int x", ["not YAML", "line 1, column 4", "cannot be read as int"]),
        ("a: !!bool x", ["not YAML", "line 1, column 4", "cannot be read as bool"]),
        ("a: !!timestamp x", ["not YAML", "line 1, column 4", "cannot be read as timestamp"]),
        (HEAD, ["gates is missing"]),
        (f"{HEAD}\ngates: {{}}", ["gates is {}", "at least one"]),
        (one_gate(""), ["gates.g is null", "expected a rule like {event: "]),
        (one_gate("[]"), ["gates.g is []", "at least one"]),
        (one_gate("{on: pull_request.opened, by: anyone}"), ["gates.g: ", "bare `on`", "write `event`"]),
        (one_gate("{event: pull_request.opened}"), ["gates.g.by is missing", "anyone"]),
        (one_gate("{events: pull_request.opened, by: anyone}"), ["gates.g.events is not known", "mean event?"]),
        (one_gate("{event: 'pull_request.*', by: anyone}"), ["'pull_request.*'", "expected pull_request,"]),
        (one_gate("{event: pull_request.opened, by: nobody}"), ["gates.g.by", "'nobody'", "reviewers", "anyone"]),
        (one_gate("{event: pull_request.opened, by: []}"), ["gates.g.by is []", "at least one"]),
        (one_gate("{event: [], by: anyone}"), ["gates.g.event is []", "at least one"]),
        (one_gate("{event: pull_request.open, by: anyone}"), ["event", "'pull_request.open'", "pull_request.opened"]),
        (one_gate("{event: pull_request., by: anyone}"), ["event is 'pull_request.'", "no such event"]),
        (one_gate("{event: com.example.*, by: anyone, task: t}"), ["'com.example.*'", "expected the whole name"]),
        (f"{BUILT_IN}\nsources: {{com.github.push: {{task: a}}}}", ["sources.com.github.push", "built in: remove"]),
        (one_gate("{event: issue_coment.created, by: anyone}"), ["'issue_coment.created'", "mean issue_comment"]),
        (
            one_gate("{event: issue_comment.made, by: anyone}"),
            ["no such event", "mean issue_comment."],
        ),
        (one_gate("{event: pull_request.opened, by: anyone, when: {a: {b: c}}}"), ["expected {not: ...}", "has dots"]),
        (one_gate("{event: pull_request.opened, by: anyone, when: x}"), ["g.when is 'x'", "expected conditions"]),
        (one_gate("{event: pull_request.opened, by: anyone, when: {'a b': c}}"), ["when", "'a b' is not a path"]),
        (one_gate("{event: pull_request.opened, by: anyone, quorum: 0}"), ["g.quorum is 0", "at least 1"]),
        (one_gate("{event: pull_request.opened, by: anyone, then: close}"), ["g.then is 'close'", "'open' or 'fail'"]),
        (one_gate("{event: issue_comment.created, by: anyone, fresh: true}"), ["g.fresh", "has no review-commit"]),
        (one_gate("{event: star.created, by: anyone}"), ["'star.created'", "expected also `task`"]),
        (f"{BUILT_IN}\nsources: {{com.x: {{taks: a}}}}", ["sources.com.x", "'taks'", "mean task"]),
        (f"{BUILT_IN}\nsources: {{com.x: {{task: 'a b'}}}}", ["sources.com.x", "task is 'a b'", "expected a path"]),
        (
            one_gate("{event: pullrequest.opened, by: anyone}"),
            ["gates.g.event", "'pullrequest.opened'", "mean pull_request.opened?"],
        ),
        (one_gate("{event: com.github.push, by: anyone}"), ["gates.g.event", "'com.github.push'", "expected"]),
        (one_gate("{event: com.example.done, by: anyone}"), ["gates.g.event", "'com.example.done'", "`task`"]),
        (one_gate("{event: com.example.done, task: t, by: anyone}"), ["gates.g.repository is missing", "expected"]),
        (one_gate("{event: x, task: 'a..b', repository: r, by: anyone}"), ["gates.g.task", "'a..b'", "expected"]),
        (one_gate("{event: push, by: anyone, review: aproved}"), ["gates.g.review", "'aproved'", "'approved'"]),
        (one_gate("{event: push, by: anyone, merged: 'yes'}"), ["gates.g.merged", "'yes'", "true or false"]),
        (one_gate("{event: push, by: anyone, fresh: 1}"), ["gates.g.fresh", "1", "true or false"]),
        (one_gate("{event: push, by: anyone, early: later}"), ["gates.g.early", "'later'", "'refuse'"]),
        (one_gate("{event: push, by: anyone, inputs: {a: 1}}"), ["gates.g.inputs.a is 1", "a string"]),
        (one_gate("{event: push, by: anyone, inputs: [a]}"), ["gates.g.inputs", "an object"]),
        (one_gate("{event: push, by: anyone, lable: x}"), ["gates.g.lable is not known", "mean label"]),
        (one_gate("{event: push, by: anyone, event: push}"), ["'event' occurs twice", "line"]),
        (one_gate("{event: push, by: anyone, withdraw: push}"), ["gates.g.withdraw is 'push'", "{event: "]),
        (one_gate("{event: push, by: anyone, withdraw: [{event: push, by: x}]}"), ["gates.g.withdraw.by", "'x'"]),
        (one_gate("{event: push, by: anyone, withdraw: {event: pull_request.open}}"), ["withdraw.event", "opened"]),
        (
            one_gate("{event: push, by: anyone, withdraw: {event: pullrequest.closed}}"),
            ["g.withdraw.event", "'pullrequest.closed'", "names no task", "mean pull_request.closed?"],
        ),
        (
            one_gate("{event: pull_request.opened, by: anyone, withdraw: {event: push}}"),
            ["g.withdraw.event is 'push'", "names no pull request"],
        ),
        (one_gate("{event: push, by: anyone, withdraw: {event: push, fresh: true}}"), ["fresh is not known"]),
        (f"{BUILT_IN}\ntask: {{}}", ["'task' occurs twice", "line"]),
        (f"{BUILT_IN}\nrepos: []", ["repos is not known here"]),
        (f"{BUILT_IN}\nrepositories: [a/b-c, a-b/c]", ["a/b-c and a-b/c", "a-b-c"]),
        (f"{BUILT_IN}\nrepositories: [A/b-c, a-B/c]", ["A/b-c and a-B/c"]),
        (f"{BUILT_IN}\nrepositories: [a]", ["repositories.0 is 'a'", "expected owner/name"]),
        (f"{BUILT_IN}\nrepositories: a/b", ["repositories is 'a/b'", "a list"]),
        (
            one_gate(
                "[{event: pull_request.opened, by: anyone, inputs: {a: '1,b=2'}}, "
                "{event: pull_request.closed, by: anyone, inputs: {a: '1', b: '2'}}]"
            ),
            ["gates.g: ", "'g(a=1,b=2)'", "rename the gate"],
        ),
        (
            one_gate(
                "{event: pull_request.opened, by: anyone, inputs: {a: '1'}}\n"
                "  g(a=1): {event: pull_request.closed, by: anyone}"
            ),
            ["gates.g(a=1): ", "'g(a=1)'", "rename the gate"],
        ),
        (instead("namespace: agent-platform", "namespace: A_b"), ["workflows.namespace", "'A_b'", "expected"]),
        (instead("namespace: agent-platform", ""), ["workflows.namespace is missing"]),
        (instead("workflow-type=play-orchestration", "a b"), ["selector", "'a b'", "expected"]),
        (instead("workflow-type=play-orchestration", "''"), ["workflows.selector is ''", "not empty"]),
        (instead("play-task-{task}-workflow", "play-task"), ["name is 'play-task'", "{task}"]),
        (instead("play-task-{task}-workflow", "Play-{task}"), ["name is 'Play-{task}'", "expected"]),
        (instead("task: task-id", "task: 'task id'"), ["workflows.labels.task", "'task id'", "label"]),
        (instead("task: task-id, ", ""), ["workflows.labels.task is missing"]),
        (instead(LABEL, "'task-([0-9+'"), ["task.label", "'task-([0-9+'", "not a regular expression", "RE2"]),
        (instead(LABEL, "'task-[0-9]+'"), ["task.label", "one group", "found 0"]),
        (instead(LABEL, "'(task)-([0-9]+)'"), ["task.label", "one group", "found 2"]),
        (instead("  label: 'task-", "  labl: 'task-"), ["task.labl is not known here"]),
        (instead(TESS_LOGIN, "{login: x}"), ["people.reviewers.0", "{'login': 'x'}", "expected a login"]),
        (instead(TESS_LOGIN, "{login: x, id: y}"), ["people.reviewers.0", "expected a login"]),
        (instead(TESS_LOGIN, "3"), ["people.reviewers.0 is 3", "expected a login"]),
        (instead("people:", "people:\n  anyone: [x]"), ["people.anyone", "another one"]),
        (instead("people:", "people:\n  some: x"), ["people.some is 'x'", "a list"]),
        (instead(NUMBER, "'{pull_request.number'"), ["outputs.pr-number", "not a template"]),
        (instead(NUMBER, "'{pull_request[0]}'"), ["outputs.pr-number", "is not a path"]),
        (instead(NUMBER, "'{a!r}'"), ["outputs.pr-number", "is not a path"]),
        (instead(NUMBER, "'{a:9}'"), ["outputs.pr-number", "is not a path"]),
        (instead(NUMBER, "'{}'"), ["outputs.pr-number", "is not a path"]),
        (instead(NUMBER, "'{{workflow.name}}'"), ["outputs.pr-number", "doubled braces"]),
        (
            instead("\ntask:", "\n  one-pull-request: maybe\ntask:"),
            ["workflows.one-pull-request", "'maybe'", "true or"],
        ),
        (instead("\ntask:", "\n  one_pull_request: false\ntask:"), ["workflows.one_pull_request is not known"]),
        # An empty key would drop the condition.
        (one_gate("{event: pull_request.labeled, by: anyone, label: }"), ["gates.g.label is null", "remove the key"]),
        (one_gate("{event: pull_request.closed, by: anyone, merged: }"), ["gates.g.merged is null"]),
        (one_gate("{event: pull_request_review, by: anyone, review: }"), ["gates.g.review is null"]),
        (one_gate("{event: push, by: anyone, task: }"), ["gates.g.task is null"]),
        (one_gate("{event: push, by: anyone, task: {path: a, pattern: }}"), ["gates.g.task", "expected a path"]),
        (f"{BUILT_IN}\nrepositories:", ["repositories is null"]),
        (instead("repository: repository", "repository: "), ["workflows.labels.repository is null"]),
        (instead(LABEL, ""), ["task.label is null"]),
        # So would these.
        (instead("workflow-type=play-orchestration", "' '"), ["workflows.selector is ' '", "every Workflow"]),
        (one_gate("{event: pull_request.labeled, by: anyone, label: ''}"), ["gates.g.label is ''", "not empty"]),
        (one_gate("{event: push, by: anyone, withdraw: {event: push, by: []}}"), ["withdraw.by is []", "at least one"]),
        (one_gate("{event: push, by: anyone, when: {a: {not: []}}}"), ["gates.g.when", "at least one value"]),
        (one_gate("{event: push, by: anyone, when: {a: .nan}}"), ["gates.g.when", "expected a string, a number"]),
        (f"{HEAD}\ngates: {{1: {{event: push, by: anyone}}}}", ["the key of gates is 1", "a string"]),
        (one_gate("{event: opened, by: anyone}"), ["gates.g.event is 'opened'", "did you mean pull_request.opened?"]),
        (
            one_gate("{event: com.github.pull_request.opened, by: anyone}"),
            ["gates.g.event", "without the prefix of its type: pull_request.opened"],
        ),
    ],
    ids=range(103),
)
def test_what_is_wrong_is_named_in_one_line(text: str, named: list[str]) -> None:
    with pytest.raises(SettingError) as wrong:
        parse_rules(text, "my/gates.yaml")
    message = str(wrong.value)
    assert message.startswith("my/gates.yaml: ")
    assert message.isprintable()
    assert [part for part in named if part not in message] == [], message


def test_a_rule_can_be_merged_into_another_one() -> None:
    rules = parse_rules(
        f"{HEAD}\ngates:\n"
        "  g: &common {event: pull_request.opened, by: anyone, forks: true}\n"
        "  h: {<<: *common, event: pull_request.closed}\n",
        "gates.yaml",
    )
    ((first,), (second,)) = rules.gates.values()
    assert second == first.model_copy(update={"event": ("pull_request.closed",)})


def refused(rules: Rules, event: Request | Payload) -> str | None:
    """Why an event is refused or ignored before any Workflow is looked at."""
    answer = answer_to(event, rules)
    return answer.outcome if answer else None


def way(text: str) -> Rules:
    return rules_with(f"  wait-pr-approved: {{{text}}}")


@pytest.mark.parametrize(
    ("text", "event", "outcome"),
    [
        ("event: pull_request.opened, by: anyone", opened(), None),
        ("event: pull_request.opened, by: anyone", reopened(), "ignored"),
        ("event: [pull_request.opened, pull_request.reopened], by: anyone", reopened(), None),
        ("event: pull_request.labeled, label: 'ready-*', by: anyone", labeled("ready-for-qa"), None),
        ("event: pull_request.labeled, label: 'ready-*', by: anyone", labeled("not-ready-for-qa"), "ignored"),
        ("event: pull_request.labeled, label: READY-FOR-QA, by: anyone", labeled("ready-for-qa"), None),
        # The label that was put on counts, not one that was there already.
        ("event: pull_request.labeled, label: a, by: anyone", labeled("b", labels=["task-3", "a"]), "ignored"),
        ("event: pull_request.labeled, label: a, by: anyone", labeled("a") | {"label": None}, "ignored"),
        # An event without a label of its own looks at those of the pull request.
        ("event: pull_request.opened, label: a, by: anyone", opened(labels=["task-3", "a"]), None),
        ("event: pull_request.opened, label: a, by: anyone", opened(labels=["task-3"]), "ignored"),
        ("event: pull_request_review.submitted, review: approved, by: anyone", approved(), None),
        ("event: pull_request_review.submitted, review: approved, by: anyone", commented(), "ignored"),
        ("event: pull_request_review.submitted, review: commented, by: anyone", commented(), None),
        ("event: pull_request_review.submitted, by: anyone", changes_requested(), None),
        ("event: pull_request_review.dismissed, by: anyone", dismissed(), None),
        ("event: pull_request.closed, merged: true, by: anyone", closed(), None),
        ("event: pull_request.closed, merged: true, by: anyone", closed(merged=False), None),  # noted as closed
        ("event: pull_request.closed, merged: false, by: anyone", closed(), None),  # it frees the Workflow
        ("event: pull_request.opened, draft: false, by: anyone", opened(draft=True), "ignored"),
        ("event: pull_request.opened, draft: false, by: anyone", opened(draft=False), None),
        ("event: pull_request.opened, draft: true, by: anyone", opened(draft=True), None),
        ("event: pull_request.opened, base: main, by: anyone", opened(base="main"), None),
        ("event: pull_request.opened, base: main, by: anyone", opened(base="dev"), "ignored"),
        ("event: pull_request.opened, base: 'release/*', by: anyone", opened(base="release/1"), None),
        ("event: pull_request.opened, base: 'release/*', by: anyone", opened(base="x-release/1"), "ignored"),
        ("event: pull_request.opened, by: quality", opened(by=CLEO), None),
        ("event: pull_request.opened, by: quality", opened(by="cleo-5DLABS"), None),  # no case
        ("event: pull_request.opened, by: quality", opened(by=REX), "refused"),
        ("event: pull_request.opened, by: quality", opened(by=TESS), "refused"),
        ("event: pull_request.opened, by: [quality, reviewers]", opened(by=TESS), None),
        # The person of a review is its author, whoever sends it.
        ("event: pull_request_review.submitted, by: reviewers", approved(by=REX, reviewer=TESS), None),
        ("event: pull_request_review.submitted, by: reviewers", approved(by=TESS, reviewer=REX), "refused"),
        ("event: pull_request_review.submitted, by: anyone, fresh: true", approved(reviewed="0" * 40), "refused"),
        ("event: pull_request_review.submitted, by: anyone", approved(reviewed="0" * 40), None),
        ("event: pull_request.opened, by: anyone", opened(head_repository="evil/cto"), "refused"),
        ("event: pull_request.opened, by: anyone", opened(head_repository=None), "refused"),
        ("event: pull_request.opened, by: anyone, forks: true", opened(head_repository="evil/cto"), None),
        ("event: pull_request.opened, by: anyone, forks: true", opened(head_repository=None), None),
    ],
    ids=range(38),
)
def test_an_event_is_matched_and_checked_by_its_way(text: str, event: Payload, outcome: str | None) -> None:
    assert refused(way(text), event) == outcome


def test_a_login_may_come_with_the_number_of_its_account() -> None:
    text = instead(TESS_LOGIN, "{login: '5DLabs-Tess[bot]', id: 77}").replace("5DLabs-Tess, tess-5dlabs]", "]", 1)
    rules = parse_rules(text, "gates.yaml")
    assert refused(rules, approved(by=TESS, by_id=77)) is None
    assert refused(rules, approved(by=TESS, by_id=78)) == "refused"  # the login was free and somebody took it
    assert refused(rules, approved(by="other", by_id=77)) == "refused"
    without = approved(by=TESS)
    del without["review"]["user"]["id"]
    assert refused(rules, without) == "refused"


def test_a_review_of_an_account_that_is_gone_is_nobodys() -> None:
    event = approved()
    event["review"]["user"] = None
    assert refused(way("event: pull_request_review.submitted, by: reviewers"), event) == "refused"
    assert refused(way("event: pull_request_review.submitted, by: anyone"), event) is None


def test_the_first_way_that_matches_is_the_rule() -> None:
    rules = rules_with(
        "  wait-pr-created:\n"
        "  - {event: pull_request.opened, draft: true, by: quality}\n"
        "  - {event: pull_request.opened, by: anyone}\n"
        "  wait-ready-for-qa: {event: pull_request.opened, by: anyone}"
    )
    assert refused(rules, opened(draft=True, by=REX)) == "refused"  # no later way helps
    answer = Bench.at("wait-pr-created", rules).deliver(opened(by=REX))
    assert (answer.outcome, answer.gate) == ("opened", "wait-pr-created")


def test_events_of_repositories_that_are_not_named_are_ignored() -> None:
    rules = parse_rules(f"{BUILT_IN}\nrepositories: [5DLabs/CTO]", "gates.yaml")
    assert refused(rules, approved()) is None
    assert refused(rules, approved(repository="5dlabs/other")) == "ignored"


def test_only_a_gate_with_the_inputs_of_the_way_fits() -> None:
    text = (
        "  wait-event:\n"
        "  - {event: pull_request.opened, by: anyone, inputs: {event: created}}\n"
        "  - {event: pull_request_review.submitted, by: anyone, inputs: {event: approved, strict: 'yes'}}"
    )
    rules = rules_with(text)

    def bench(inputs: dict[str, str]) -> Bench:
        return Bench(waiting_workflow(3, "wait-event", gates=["wait-event"], inputs=inputs), rules)

    assert bench({"event": "created"}).deliver(opened()).outcome == "opened"
    assert bench({"event": "created"}).deliver(approved()).outcome == "parked"
    assert bench({"event": "approved"}).deliver(approved()).outcome == "parked"
    assert bench({"event": "approved", "strict": "yes", "more": "x"}).deliver(approved()).outcome == "opened"


def from_ci(task: object = 3, repository: object = "5dlabs/cto", **data: object) -> Request:
    """An event of a source that is not GitHub."""
    headers, body = cloudevent_structured(
        {"run": {"task": task, "repository": repository, **data}}, "done", delivery="ci-1", prefix="com.example.ci."
    )
    return headers, body


OTHER = "event: com.example.ci.done, task: run.task, repository: run.repository, by: anyone"


@pytest.mark.parametrize("task", [3, "3"])
def test_a_source_other_than_github_says_where_its_task_stands(task: object) -> None:
    bench = Bench.at(rules=way(OTHER))
    assert bench.deliver(from_ci(task)).outcome == "opened"
    assert bench.deliver(from_ci(task)).outcome == "duplicate"


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (from_ci(4), "no-workflow"),
        (from_ci(repository="5dlabs/other"), "no-workflow"),
        (from_ci(None), "ignored"),
        (from_ci(task=True), "invalid"),
        (from_ci([3]), "invalid"),
        (from_ci("3,task-id=4"), "invalid"),
        (from_ci("../x"), "invalid"),
        (from_ci(""), "invalid"),
        (from_ci("3" * 100), "invalid"),
        (from_ci(repository=None), "invalid"),
        (from_ci(repository="a b"), "invalid"),
        (from_ci(repository="x" * 100), "invalid"),
    ],
)
def test_a_task_of_another_source_that_no_label_can_hold_is_invalid(event: Request, outcome: str) -> None:
    bench = Bench.at(rules=way(OTHER))
    assert bench.deliver(event).outcome == outcome
    assert not bench.is_open


def test_a_key_of_another_source_waits_too() -> None:
    bench = Bench.at("wait-ready-for-qa", way(OTHER))
    assert bench.deliver(from_ci()).outcome == "parked"
    bench.reach()
    assert bench.release().outcome == "opened"


def test_by_a_group_refuses_a_source_that_names_nobody() -> None:
    with pytest.raises(SettingError, match=r"com\.example\.ci\.done names no person: expected `person`"):
        way(OTHER.replace("anyone", "reviewers"))
    named = way(OTHER.replace("anyone", "reviewers") + ", person: run.who")
    assert refused(named, from_ci()) == "refused"
    assert refused(named, from_ci(who=REX)) == "refused"
    assert refused(named, from_ci(who=TESS)) is None


def test_a_title_names_a_task_where_the_rules_say_so() -> None:
    rules = parse_rules(instead("\npeople:", "\n  title: '(?i)task[-_/ ]([0-9]+)(?:[^0-9].*)?'\npeople:"), "gates.yaml")
    found = Bench.at("wait-pr-created", rules).deliver(opened(labels=[], branch="work", title="Task 3: more"))
    assert found.outcome == "opened"
    assert refused(rules, opened(labels=["task-4"], branch="work", title="task-3")) == "ambiguous"


def test_a_label_taken_off_takes_the_key_back() -> None:
    bench = Bench.at("wait-pr-created")
    bench.deliver(labeled())
    assert bench.deliver(unlabeled()).outcome == "withdrawn"


def test_values_of_outputs_come_from_the_event() -> None:
    rules = rules_with(
        "  wait-pr-approved: {event: pull_request_review.submitted, by: anyone}",
        "  who: '{person}'\n"
        "  where: 'PR {pull_request.number} ({pull_request.draft})'\n"
        "  first: '{pull_request.labels.0.name}'",
    )
    document = waiting_workflow(3, outputs={"who": None, "where": None, "first": None, "none": "default"})
    bench = Bench(document, rules)
    assert bench.deliver(approved(number=7)).outcome == "opened"
    (node,) = [each for each in bench.document["status"]["nodes"].values() if each.get("outputs")]
    assert {each["name"]: each["value"] for each in node["outputs"]["parameters"]} == {
        "who": user(TESS)["login"],
        "where": "PR 7 (false)",
        "first": "task-3",
        "none": "default",
    }


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("{on: push, by: anyone}", "a bare `on` as true: write `event`"),
        ("{event: pull_request.labeled, review: approved, by: anyone}", "could never match"),
    ],
)
def test_a_way_that_could_not_be_meant_is_explained(way: str, words: str) -> None:
    text = f"workflows: {{namespace: a, selector: x=1, labels: {{task: t}}}}\ngates: {{wait: {way}}}"
    with pytest.raises(SettingError, match=words) as error:
        parse_rules(text, "gates.yaml")
    assert str(error.value).startswith("gates.yaml: gates.wait")
