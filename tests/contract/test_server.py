"""What clients ask a server about itself, and the two reviews."""

from __future__ import annotations

from dataclasses import replace

from tests.contract.api import Api


def test_the_workflow_resource_can_be_discovered(server: Api) -> None:
    groups = server.must("GET", "/apis")["groups"]
    argo = next(group for group in groups if group["name"] == "argoproj.io")
    assert argo["preferredVersion"] == {"groupVersion": "argoproj.io/v1alpha1", "version": "v1alpha1"}
    group = server.must("GET", "/apis/argoproj.io")
    assert group["versions"] == argo["versions"]
    resources = server.must("GET", "/apis/argoproj.io/v1alpha1")["resources"]
    workflows = next(each for each in resources if each["name"] == "workflows")
    assert (workflows["kind"], workflows["namespaced"], workflows["shortNames"]) == ("Workflow", True, ["wf"])
    assert {"get", "list", "watch", "patch", "update", "create", "delete"} <= set(workflows["verbs"])
    assert "v1" in server.must("GET", "/api")["versions"]
    core = {each["name"] for each in server.must("GET", "/api/v1")["resources"]}
    assert {"namespaces", "configmaps", "events"} <= core


def test_the_version_is_told(server: Api) -> None:
    version = server.must("GET", "/version")
    assert (version["major"], version["gitVersion"][:2]) == ("1", "v1")


def test_an_unknown_token_is_not_authenticated(server: Api) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "made up"}}
    answer = server.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert answer.status == 201
    assert answer.body["kind"] == "TokenReview"
    assert not answer.body["status"].get("authenticated")
    assert answer.body["status"]["error"]


def test_a_wrong_token_is_refused(server: Api) -> None:
    stranger = replace(server, headers={"authorization": "Bearer made-up"})
    assert stranger.request("GET", "/apis/argoproj.io/v1alpha1/workflows").refusal == (
        401,
        "Unauthorized",
        "Unauthorized",
    )


def test_a_client_can_ask_whether_it_may(server: Api) -> None:
    attributes = {"verb": "patch", "group": "argoproj.io", "resource": "workflows", "namespace": "default"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = server.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert answer.status == 201
    assert answer.body["status"]["allowed"] is True
    assert answer.body["spec"]["resourceAttributes"] == attributes


def test_a_method_that_a_path_does_not_have_is_not_allowed(server: Api) -> None:
    answer = server.request("POST", "/version", b"")
    message = "the server does not allow this method on the requested resource"
    assert answer.refusal == (405, "MethodNotAllowed", message)


def test_what_is_not_served_is_not_found(server: Api) -> None:
    answer = server.request("GET", "/api/v1/namespaces/default/nothings")
    assert answer.refusal == (404, "NotFound", "the server could not find the requested resource")
