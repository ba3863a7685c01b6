"""Which form of the answer the `Accept` header asks for.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

from func.devcluster import errors


class Form(Enum):
    """How objects are written."""

    FULL = "whole objects"
    PARTIAL = "PartialObjectMetadata"
    PARTIAL_LIST = "PartialObjectMetadataList"


@lru_cache(maxsize=256)
def accepted(accept: str) -> Form:
    """The first form of the header that is served; nothing asked means whole objects.

    Tables, protobuf and the like are passed over, so a client that names JSON after them gets JSON.

    Args:
        accept: Value of the `Accept` header, empty where there is none.

    Raises:
        ApiError: 406, none of the forms asked for is served.

    """
    wanted = [_media_type(part) for part in accept.split(",") if part.strip()]
    for kind, parameters in sorted(wanted, key=lambda each: -_weight(each[1])):
        form = _form(kind, parameters)
        if form:
            return form
    if not wanted:
        return Form.FULL
    raise errors.not_acceptable("only the following media types are accepted: application/json")


def for_object(form: Form) -> Form:
    """The form for an answer that is one object.

    Raises:
        ApiError: A list was asked for.

    """
    if form is Form.PARTIAL_LIST:
        # The real server's answer for custom resources, instead of the 406 that it gives for others.
        raise errors.ApiError(500, "", "content is not a list")
    return form


def for_list(form: Form) -> Form:
    """The form for an answer that is a list.

    Raises:
        ApiError: 406, one object was asked for.

    """
    if form is Form.PARTIAL:
        raise errors.not_acceptable("you requested PartialObjectMetadata, but the requested object is a list")
    return form


def _media_type(text: str) -> tuple[str, dict[str, str]]:
    kind, *parameters = (part.strip() for part in text.split(";"))
    pairs = (parameter.partition("=") for parameter in parameters)
    return kind.lower(), {key.strip().lower(): value.strip() for key, _, value in pairs}


def _weight(parameters: dict[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 1.0


def _form(kind: str, parameters: dict[str, str]) -> Form | None:
    if kind not in ("application/json", "application/*", "*/*"):
        return None
    if "as" not in parameters:
        return Form.FULL
    if parameters.get("g") != "meta.k8s.io" or parameters.get("v") != "v1":
        return None
    return {form.value: form for form in (Form.PARTIAL, Form.PARTIAL_LIST)}.get(parameters["as"])
