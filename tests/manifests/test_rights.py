"""Least rights: every rule of every Role, written down once more. What the API server makes of them: test_rbac.py."""

import re
from pathlib import Path

import pytest

from tests.manifests.building import CONFIGURATIONS, Manifest, build, function, of_kind, with_component

FUNCTION = ("taskgate", "agent-platform", "workflows", ("get", "list", "patch"))
WAITING = ("taskgate-waiting", "agent-platform", "workflows", ("get", "list", "watch"))
DEAD_LETTERS = ("taskgate-sensor", "taskgate", "configmaps", ("create",))
SENSOR_BESIDE = ("taskgate-sensor", "argo-events", "configmaps", ("create",))
TOKEN_REVIEW = ("taskgate", None, "tokenreviews", ("create",))
EVENTS = ("taskgate", "agent-platform", "events", ("create",))
SHADOW = ("taskgate", "agent-platform", "workflows", ("get", "list"))

Right = tuple[str, str | None, str, tuple[str, ...]]


def moved(right: Right) -> Right:
    account, namespace, resource, verbs = right
    return account, namespace.replace("agent-platform", "factory") if namespace else None, resource, verbs


RIGHTS: dict[str, set[Right]] = {
    "base": {FUNCTION},
    "overlays/argo-events": {FUNCTION, WAITING, DEAD_LETTERS},
    "overlays/deployment": {FUNCTION, WAITING, DEAD_LETTERS},
    "overlays/sensor": {FUNCTION, WAITING, SENSOR_BESIDE},
    "overlays/observe": {SHADOW, WAITING, DEAD_LETTERS},
    "overlays/broker": {FUNCTION, WAITING, TOKEN_REVIEW},
    "overlays/example": {moved(FUNCTION), moved(WAITING), DEAD_LETTERS},
}


def rights(manifests: list[Manifest]) -> set[Right]:
    """Who may do what where: account, namespace (None: all), resource, verbs."""
    roles = {
        (m["kind"], m["metadata"].get("namespace"), m["metadata"]["name"]): m["rules"]
        for m in (*of_kind(manifests, "Role"), *of_kind(manifests, "ClusterRole"))
    }
    return {
        (subject["name"], binding["metadata"].get("namespace"), resource, tuple(sorted(rule["verbs"])))
        for binding in (*of_kind(manifests, "RoleBinding"), *of_kind(manifests, "ClusterRoleBinding"))
        for subject in binding["subjects"]
        for rule in roles[binding["roleRef"]["kind"], binding["metadata"].get("namespace"), binding["roleRef"]["name"]]
        for resource in rule["resources"]
    }


@pytest.mark.parametrize("folder", CONFIGURATIONS)
def test_nobody_may_more_than_this(folder: str) -> None:
    assert rights(build(folder)) == RIGHTS[folder]


def test_events_want_one_right_more(tmp_path: Path) -> None:
    manifests = with_component("components/kubernetes-events", "overlays/argo-events", tmp_path)
    assert rights(manifests) == RIGHTS["overlays/argo-events"] | {EVENTS}


@pytest.mark.parametrize("folder", CONFIGURATIONS)
def test_every_subject_is_an_account_of_ours(folder: str) -> None:
    manifests = build(folder)
    accounts = {(m["metadata"]["name"], m["metadata"]["namespace"]) for m in of_kind(manifests, "ServiceAccount")}
    bindings = (*of_kind(manifests, "RoleBinding"), *of_kind(manifests, "ClusterRoleBinding"))
    subjects = [subject for binding in bindings for subject in binding["subjects"]]
    assert {subject["kind"] for subject in subjects} == {"ServiceAccount"}
    assert {(subject["name"], subject["namespace"]) for subject in subjects} == accounts


@pytest.mark.parametrize("folder", CONFIGURATIONS)
def test_the_policy_is_about_the_account_that_the_function_runs_as(folder: str) -> None:
    manifests = build(folder)
    (policy,) = of_kind(manifests, "ValidatingAdmissionPolicy")
    (binding,) = of_kind(manifests, "ValidatingAdmissionPolicyBinding")
    (condition,) = policy["spec"]["matchConditions"]
    (pattern,) = re.findall(r"^request\.userInfo\.username\.matches\('(.*)'\)$", condition["expression"])
    account = function(manifests)["spec"]["template"]["spec"]["serviceAccountName"]
    namespace = function(manifests)["metadata"]["namespace"]
    assert re.search(pattern, f"system:serviceaccount:{namespace}:{account}")
    for other in ("admin", "taskgate", "system:serviceaccount:argo:argo", "system:serviceaccount:taskgate:default"):
        assert not re.search(pattern, other)
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}
    # 403. The default is 422, which the function takes for a lost race.
    assert {validation["reason"] for validation in policy["spec"]["validations"]} == {"Forbidden"}
