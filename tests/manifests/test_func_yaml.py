"""func.yaml is valid for Knative's func CLI and says the same as the Service."""

import json
import re
from datetime import datetime
from typing import Any

import jsonschema
import pytest
import yaml

from tests.manifests.building import ROOT, Manifest, build, function

SCHEMA = ROOT / "tests/data/crds/knative-func.yaml-schema.json"


@pytest.fixture
def func_yaml() -> Manifest:
    loaded: Manifest = yaml.safe_load((ROOT / "func.yaml").read_text())
    created = loaded["created"]
    assert isinstance(created, datetime)  # func reads it as a time, JSON Schema as a string
    return {**loaded, "created": created.isoformat()}


@pytest.fixture
def validator() -> jsonschema.Draft4Validator:
    schema: dict[str, Any] = json.loads(SCHEMA.read_text())
    return jsonschema.Draft4Validator(schema, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)


def test_it_is_valid(func_yaml: Manifest, validator: jsonschema.Draft4Validator) -> None:
    assert [error.message for error in validator.iter_errors(func_yaml)] == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"envs": []}, "Additional properties are not allowed ('envs' was unexpected)"),
        ({"invoke": "event"}, "'event' is not one of ['http', 'cloudevent']"),
        ({"deploy": {"options": {"scale": {"max": -1}}}}, "-1 is less than the minimum of 0"),
        # Why the comment in func.yaml turns on automounting.
        (
            {"run": {"volumes": [{"secret": "x", "path": "/x", "projected": {}}]}},
            "Additional properties are not allowed ('projected' was unexpected)",
        ),
    ],
)
def test_the_schema_finds_faults(
    func_yaml: Manifest, validator: jsonschema.Draft4Validator, wrong: Manifest, message: str
) -> None:
    assert [error.message for error in validator.iter_errors({**func_yaml, **wrong})] == [message]


def test_it_says_the_same_as_the_service(func_yaml: Manifest) -> None:
    service = function(build("base"))
    template = service["spec"]["template"]
    (container,) = template["spec"]["containers"]
    options = func_yaml["deploy"]["options"]
    annotations = template["metadata"]["annotations"]

    assert (func_yaml["name"], func_yaml["namespace"]) == (
        service["metadata"]["name"],
        service["metadata"]["namespace"],
    )
    assert func_yaml["image"] == container["image"]
    assert func_yaml["run"]["envs"] == container["env"]
    assert func_yaml["deploy"]["serviceAccountName"] == template["spec"]["serviceAccountName"]
    assert str(options["scale"]["min"]) == annotations["autoscaling.knative.dev/min-scale"]
    assert str(options["scale"]["max"]) == annotations["autoscaling.knative.dev/max-scale"]
    limits = dict(options["resources"]["limits"])
    assert limits.pop("concurrency") == template["spec"]["containerConcurrency"]
    assert {"requests": options["resources"]["requests"], "limits": limits} == container["resources"]
    visibility = {"key": "networking.knative.dev/visibility", "value": "cluster-local"}
    assert visibility in func_yaml["deploy"]["labels"]
    assert func_yaml["deploy"]["healthEndpoints"] == {
        "liveness": container["livenessProbe"]["httpGet"]["path"],
        "readiness": container["readinessProbe"]["httpGet"]["path"],
    }


def test_it_mounts_what_the_service_mounts(func_yaml: Manifest) -> None:
    pod = function(build("base"))["spec"]["template"]["spec"]
    paths = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    wanted = {
        ("secret", volume["secret"]["secretName"], paths[volume["name"]])
        if "secret" in volume
        # The hash is Kustomize's.
        else ("configMap", re.sub(r"-[a-z0-9]{10}$", "", volume["configMap"]["name"]), paths[volume["name"]])
        for volume in pod["volumes"]
        if "projected" not in volume
    }
    mounted = {
        (kind, name, volume["path"])
        for volume in func_yaml["run"]["volumes"]
        for kind, name in volume.items()
        if kind != "path"
    }
    assert mounted == wanted


def test_no_annotation_lands_on_the_service_itself(func_yaml: Manifest) -> None:
    """func puts them on Service and revision both; Knative refuses autoscaling keys on a Service."""
    assert "annotations" not in func_yaml["deploy"]
