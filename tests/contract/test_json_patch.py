"""JSON Patch: what the function's only kind of write relies on."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.contract.api import JSON_PATCH, PARTIAL, RECORDINGS, Api

FAILED = (422, "Invalid", "the server rejected our request due to an error in our request")
MODIFIED = (
    'Operation cannot be fulfilled on workflows.argoproj.io "waiting": the object has been modified; '
    "please apply your changes to the latest version and try again"
)
STATE = "/metadata/annotations/taskgate.dev~1state"
PHASE = "/status/nodes/play-task-3-workflow-3495908942/phase"


def test_true_tests_let_the_changes_through(kubernetes_api: Api) -> None:
    before = kubernetes_api.create()
    patch = [
        {"op": "test", "path": "/metadata/uid", "value": before["metadata"]["uid"]},
        {"op": "test", "path": PHASE, "value": "Running"},
        {"op": "test", "path": STATE, "value": None},
        {"op": "replace", "path": PHASE, "value": "Succeeded"},
        {"op": "add", "path": STATE, "value": '{"keys": {}}'},
    ]
    answer = kubernetes_api.patch("waiting", patch)
    assert answer.status == 200
    after = kubernetes_api.must("GET", kubernetes_api.workflow("waiting"))
    assert after == answer.body
    assert after["metadata"]["annotations"]["taskgate.dev/state"] == '{"keys": {}}'
    assert after["status"]["nodes"]["play-task-3-workflow-3495908942"]["phase"] == "Succeeded"
    assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]


@pytest.mark.parametrize("recording", ["failed-steps", "failed-supplied"])
def test_a_patch_fails_a_gate_as_argo_does(kubernetes_api: Api, recording: str) -> None:
    """The difference between the recordings before and after `argo node set --phase Failed`, as a patch."""
    expected = json.loads((RECORDINGS / recording / "failed.json").read_text())["status"]
    before = kubernetes_api.create("failing", recording)
    (gate,) = (node for node in before["status"]["nodes"].values() if node["type"] == "Suspend")
    path = f"/status/nodes/{gate['id']}"
    failed = expected["nodes"][gate["id"]]
    patch = [
        {"op": "test", "path": f"{path}/type", "value": "Suspend"},
        {"op": "test", "path": f"{path}/phase", "value": "Running"},
        {"op": "replace", "path": f"{path}/phase", "value": "Failed"},
        {"op": "add", "path": f"{path}/finishedAt", "value": failed["finishedAt"]},
        {"op": "add", "path": f"{path}/message", "value": failed["message"]},
    ]
    assert kubernetes_api.patch("failing", patch).status == 200
    assert kubernetes_api.must("GET", kubernetes_api.workflow("failing"))["status"] == expected
    assert kubernetes_api.patch("failing", patch).refusal == FAILED


OBJECT = {"a": 1, "b": [1, 2, {"c": None}], "d/e~f": "x"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/spec/a", "value": 2},
        {"op": "test", "path": "/spec/a", "value": 1.0},
        {"op": "test", "path": "/spec/a", "value": "1"},
        {"op": "test", "path": "/spec/a", "value": True},
        {"op": "test", "path": "/spec/a", "value": None},
        {"op": "test", "path": "/spec/a"},
        {"op": "test", "path": "/spec/absent", "value": "x"},
        {"op": "test", "path": "/spec/absent/below", "value": None},
        {"op": "test", "path": "/spec/a/below", "value": None},
        {"op": "test", "path": "/spec/b/7", "value": None},
        {"op": "test", "path": "/spec/b", "value": [1, 2]},
        {"op": "test", "path": "/spec/d~1e~0f", "value": "y"},
        {"op": "test", "path": "/metadata/uid", "value": "another"},
        {"op": "test", "path": "/metadata/resourceVersion", "value": "1"},
        {"op": "add", "path": "/metadata/annotations/a", "value": "b"},
        {"op": "add", "path": "/spec/b/4", "value": 1},
        {"op": "add", "path": "/spec/b/x", "value": 1},
        {"op": "add", "path": "/spec/absent/below", "value": 1},
        {"op": "add", "path": "", "value": {}},
        {"op": "remove", "path": "/spec/absent"},
        {"op": "remove", "path": "/spec/b/3"},
        {"op": "replace", "path": "/spec/b/3", "value": 1},
        {"op": "replace", "path": "/spec/absent/below", "value": 1},
        {"op": "move", "from": "/spec/absent", "path": "/spec/x"},
        {"op": "move", "from": "/spec/b", "path": "/spec/b/0"},
        {"op": "copy", "from": "/spec/absent/below", "path": "/spec/x"},
        {"op": "invent", "path": "/spec/a", "value": 1},
        {"op": "add", "value": 1},
        {"path": "/spec/a"},
        None,
    ],
)
def test_an_operation_that_fails_changes_nothing_and_is_not_named(kubernetes_api: Api, operation: object) -> None:
    workflow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "w"}, "spec": OBJECT}
    before = kubernetes_api.must("POST", kubernetes_api.workflows, workflow)
    answer = kubernetes_api.patch("w", [{"op": "add", "path": "/spec/first", "value": 1}, operation])
    assert answer.refusal == FAILED
    assert answer.body["details"] == {}
    assert kubernetes_api.must("GET", kubernetes_api.workflow("w")) == before


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "test", "path": "/spec/absent", "value": None}, OBJECT),
        ({"op": "test", "path": "/spec/absent"}, OBJECT),
        ({"op": "test", "path": "/spec/b/2/c", "value": None}, OBJECT),
        ({"op": "test", "path": "/spec/b/-2", "value": 2}, OBJECT),
        ({"op": "test", "path": "/spec/d~1e~0f", "value": "x"}, OBJECT),
        ({"op": "test", "path": "/spec/b/2", "value": {"c": None}}, OBJECT),
        ({"op": "add", "path": "/spec/a", "value": 2}, {**OBJECT, "a": 2}),
        ({"op": "add", "path": "/spec/a", "value": 2.0}, {**OBJECT, "a": 2}),
        ({"op": "add", "path": "/spec/z", "value": {"y": []}}, {**OBJECT, "z": {"y": []}}),
        ({"op": "add", "path": "/spec/b/0", "value": 0}, {**OBJECT, "b": [0, 1, 2, {"c": None}]}),
        ({"op": "add", "path": "/spec/b/-", "value": 3}, {**OBJECT, "b": [1, 2, {"c": None}, 3]}),
        ({"op": "replace", "path": "/spec/b/1", "value": "two"}, {**OBJECT, "b": [1, "two", {"c": None}]}),
        ({"op": "replace", "path": "/spec/absent", "value": 5}, {**OBJECT, "absent": 5}),
        ({"op": "remove", "path": "/spec/b/0"}, {**OBJECT, "b": [2, {"c": None}]}),
        ({"op": "move", "from": "/spec/a", "path": "/spec/b/0"}, {"b": [1, 1, 2, {"c": None}], "d/e~f": "x"}),
        ({"op": "copy", "from": "/spec/b", "path": "/spec/c"}, {**OBJECT, "c": OBJECT["b"]}),
    ],
)
def test_an_operation_that_applies(kubernetes_api: Api, operation: dict[str, Any], expected: object) -> None:
    workflow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "w"}, "spec": OBJECT}
    kubernetes_api.must("POST", kubernetes_api.workflows, workflow)
    answer = kubernetes_api.patch("w", [operation])
    assert answer.status == 200, answer.body
    assert answer.body["spec"] == expected
    assert kubernetes_api.must("GET", kubernetes_api.workflow("w"))["spec"] == expected


def test_the_map_of_annotations_and_a_key_in_it_can_be_made_safely(kubernetes_api: Api) -> None:
    kubernetes_api.create(annotations={})
    make_map = [
        {"op": "test", "path": "/metadata/annotations", "value": None},
        {"op": "add", "path": "/metadata/annotations", "value": {"taskgate.dev/state": "1"}},
    ]
    make_key = [
        {"op": "test", "path": STATE, "value": None},
        {"op": "add", "path": STATE, "value": "2"},
    ]
    assert kubernetes_api.patch("waiting", make_map).status == 200
    assert kubernetes_api.patch("waiting", make_map).refusal == FAILED
    assert kubernetes_api.patch("waiting", make_key).refusal == FAILED


WRITTEN_AS_THE_SERVER_DOES = [
    ("plain", b'"plain"'),
    ('"', rb'"\""'),
    ("a\nb", rb'"a\nb"'),
    ("caf\u00e9", '"caf\u00e9"'.encode()),
    ("a<b", rb'"a\u003cb"'),
    ("a&b>", rb'"a\u0026b\u003e"'),
    ("\u2028", rb'"\u2028"'),
    ("\b\f\x01\x7f", b'"\\b\\f\\u0001\x7f"'),
]
WRITTEN_OTHERWISE = [
    ("caf\u00e9", rb'"caf\u00e9"'),
    ("a<b", b'"a<b"'),
    ("a<b", rb'"a\u003Cb"'),
    ("a&b>", b'"a&b>"'),
    ("/", rb'"\/"'),
]
EITHER_WAY = [(*each, True) for each in WRITTEN_AS_THE_SERVER_DOES] + [(*each, False) for each in WRITTEN_OTHERWISE]


@pytest.mark.parametrize(("text", "written", "found"), EITHER_WAY)
def test_a_test_compares_strings_as_they_are_written(
    kubernetes_api: Api, text: str, written: bytes, *, found: bool
) -> None:
    """The server compares bytes: a client has to write strings as Go's encoder does."""
    workflow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "w"}}
    kubernetes_api.must("POST", kubernetes_api.workflows, {**workflow, "spec": {"text": text}})
    answer = kubernetes_api.patch("w", b'[{"op": "test", "path": "/spec/text", "value": %s}]' % written)
    assert (answer.status == 200) is found
    assert found or answer.refusal == FAILED


@pytest.mark.parametrize(
    "body", [b"{}", b"[1]", b"[", b'"x"', b"[NaN]", b'[{"op": 1, "path": "/a"}]', b'[{"op": "add", "path": 1}]']
)
def test_what_is_no_json_patch_is_a_bad_request(kubernetes_api: Api, body: bytes) -> None:
    kubernetes_api.create()
    status, reason, _ = kubernetes_api.patch("waiting", body).refusal
    assert (status, reason) == (400, "BadRequest")


def test_a_patch_of_nothing_is_not_found(kubernetes_api: Api) -> None:
    answer = kubernetes_api.patch("nobody", [{"op": "test", "path": "/metadata/name", "value": "x"}])
    assert answer.refusal == (404, "NotFound", 'workflows.argoproj.io "nobody" not found')
    assert answer.body["details"] == {"name": "nobody", "group": "argoproj.io", "kind": "workflows"}


@pytest.mark.parametrize(
    ("path", "value", "status", "message"),
    [
        ("/metadata/name", "b", 400, "the name of the object (b) does not match the name on the URL (waiting)"),
        (
            "/metadata/namespace",
            "default",
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            "/metadata/uid",
            "x",
            422,
            'Workflow.argoproj.io "waiting" is invalid: metadata.uid: Invalid value: "x": field is immutable',
        ),
        (
            "/metadata/resourceVersion",
            "1",
            409,
            MODIFIED,
        ),
        (
            "/metadata/resourceVersion",
            "",
            422,
            "must be specified for an update",
        ),
    ],
)
def test_identity_cannot_be_patched(kubernetes_api: Api, path: str, value: str, status: int, message: str) -> None:
    before = kubernetes_api.create()
    answer = kubernetes_api.patch("waiting", [{"op": "replace", "path": path, "value": value}])
    assert answer.status == status
    assert message in answer.refusal[2]
    assert kubernetes_api.must("GET", kubernetes_api.workflow("waiting")) == before


@pytest.mark.parametrize(
    ("path", "value"), [("/metadata/creationTimestamp", "2001-01-01T00:00:00Z"), ("/metadata/generation", 7)]
)
def test_what_the_server_sets_is_set_back_silently(kubernetes_api: Api, path: str, value: object) -> None:
    before = kubernetes_api.create()
    answer = kubernetes_api.patch("waiting", [{"op": "replace", "path": path, "value": value}])
    assert answer.status == 200
    assert answer.body["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert answer.body == before


def test_a_patch_that_changes_nothing_keeps_the_version(kubernetes_api: Api) -> None:
    before = kubernetes_api.create()
    answer = kubernetes_api.patch("waiting", [{"op": "replace", "path": PHASE, "value": "Running"}])
    assert answer.body == before


def test_generation_counts_changes_outside_metadata(kubernetes_api: Api) -> None:
    assert kubernetes_api.create()["metadata"]["generation"] == 1
    labelled = kubernetes_api.patch("waiting", [{"op": "add", "path": "/metadata/labels/a", "value": "b"}])
    assert labelled.body["metadata"]["generation"] == 1
    opened = kubernetes_api.patch("waiting", [{"op": "replace", "path": PHASE, "value": "Succeeded"}])
    assert opened.body["metadata"]["generation"] == 2


def test_the_answer_can_be_the_metadata_alone(kubernetes_api: Api) -> None:
    before = kubernetes_api.create()
    patch = [{"op": "add", "path": "/metadata/labels/a", "value": "b"}]
    answer = kubernetes_api.patch("waiting", patch, accept=PARTIAL)
    assert (answer.body["kind"], answer.body["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
    assert answer.body["metadata"]["labels"] == {**before["metadata"]["labels"], "a": "b"}
    assert set(answer.body) == {"kind", "apiVersion", "metadata"}


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("/metadata/labels/a", "not a label!", "metadata.labels"),
        ("/metadata/annotations/taskgate.dev~1state", "x" * 300_000, "metadata.annotations"),
    ],
)
def test_bad_labels_and_too_large_annotations_are_refused(
    kubernetes_api: Api, path: str, value: str, field: str
) -> None:
    kubernetes_api.create()
    answer = kubernetes_api.patch("waiting", [{"op": "add", "path": path, "value": value}])
    assert answer.refusal[:2] == (422, "Invalid")
    assert answer.body["details"]["causes"][0]["field"] == field
    assert answer.body["details"]["kind"] == "Workflow"


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "", "value": {"a": 1}},
        {"op": "replace", "path": "", "value": []},
        {"op": "remove", "path": "/kind"},
        {"op": "replace", "path": "/kind", "value": "X"},
        {"op": "replace", "path": "/apiVersion", "value": "argoproj.io/v2"},
        {"op": "replace", "path": "/metadata", "value": "x"},
        {"op": "replace", "path": "/metadata/labels", "value": ["x"]},
        {"op": "add", "path": "/metadata/labels/a", "value": 1},
        {"op": "add", "path": "/metadata/annotations/a", "value": {}},
    ],
)
def test_a_patch_that_leaves_no_workflow_is_refused(kubernetes_api: Api, operation: object) -> None:
    before = kubernetes_api.create()
    assert kubernetes_api.patch("waiting", [operation]).refusal[:2] == (422, "Invalid")
    assert kubernetes_api.must("GET", kubernetes_api.workflow("waiting")) == before


def test_the_metadata_cannot_be_removed(kubernetes_api: Api) -> None:
    kubernetes_api.create()
    answer = kubernetes_api.patch("waiting", [{"op": "remove", "path": "/metadata"}])
    assert answer.refusal[:2] == (400, "BadRequest")


def test_an_annotation_without_a_value_is_empty(kubernetes_api: Api) -> None:
    kubernetes_api.create()
    answer = kubernetes_api.patch("waiting", [{"op": "add", "path": "/metadata/annotations/a", "value": None}])
    assert answer.body["metadata"]["annotations"]["a"] == ""


def test_the_spec_cannot_be_removed(kubernetes_api: Api) -> None:
    kubernetes_api.create()
    answer = kubernetes_api.patch("waiting", [{"op": "remove", "path": "/spec"}])
    assert answer.refusal == (422, "Invalid", 'Workflow.argoproj.io "waiting" is invalid: spec: Required value')


def test_the_status_has_to_be_an_object(kubernetes_api: Api) -> None:
    kubernetes_api.create()
    answer = kubernetes_api.patch("waiting", [{"op": "replace", "path": "/status", "value": "open"}])
    assert answer.refusal[:2] == (422, "Invalid")
    assert answer.body["details"]["causes"][0]["field"] == "status"


def test_of_many_racing_patches_with_the_same_test_one_wins(kubernetes_api: Api) -> None:
    kubernetes_api.create()

    def race(number: int) -> int:
        patch = [
            {"op": "test", "path": PHASE, "value": "Running"},
            {"op": "replace", "path": PHASE, "value": "Succeeded"},
            {"op": "add", "path": STATE, "value": str(number)},
        ]
        return kubernetes_api.patch("waiting", patch).status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(race, range(8)))
    assert sorted(statuses) == [200] + 7 * [422]
    state = kubernetes_api.must("GET", kubernetes_api.workflow("waiting"))["metadata"]["annotations"]
    assert state["taskgate.dev/state"] == str(statuses.index(200))


@pytest.mark.parametrize("content_type", ["application/json", "application/strategic-merge-patch+json", "text/plain"])
def test_other_kinds_of_patch_are_not_supported(kubernetes_api: Api, content_type: str) -> None:
    kubernetes_api.create()
    body = json.dumps({"metadata": {"labels": {"a": "b"}}}).encode()
    answer = kubernetes_api.request("PATCH", kubernetes_api.workflow("waiting"), body, content_type=content_type)
    status, reason, message = answer.refusal
    assert (status, reason) == (415, "UnsupportedMediaType")
    assert JSON_PATCH in message


def test_patches_have_a_largest_number_of_operations(kubernetes_api: Api) -> None:
    kubernetes_api.create()
    operation = {"op": "test", "path": "/metadata/name", "value": "waiting"}
    answer = kubernetes_api.patch("waiting", [operation] * 10_001)
    assert answer.refusal[:2] == (413, "RequestEntityTooLarge")
