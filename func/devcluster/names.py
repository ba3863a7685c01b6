"""What may be a name, a label or an annotation.

Source: https://github.com/kubernetes/apimachinery/blob/v0.35.4/pkg/util/validation/validation.go
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = rf"({_QUALIFIED})?"
ANNOTATION_BYTES = 256 * 1024


def subdomain_problem(name: str) -> str | None:
    """Why a name is no RFC 1123 subdomain, None where it is one."""
    if len(name) > 253:
        return "must be no more than 253 bytes"
    if re.fullmatch(_SUBDOMAIN, name, re.ASCII):
        return None
    return (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
        "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        f"'{_SUBDOMAIN}')"
    )


def label_problem(name: str) -> str | None:
    """Why a namespace is no RFC 1123 label, None where it is one."""
    if len(name) > 63:
        return "must be no more than 63 bytes"
    if re.fullmatch(_LABEL, name, re.ASCII):
        return None
    return (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
        f"end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
    )


def label_key_problem(key: str) -> str | None:
    """Why a text is no label or annotation key, None where it is one."""
    prefix, slash, name = key.rpartition("/")
    if slash and subdomain_problem(prefix):
        return f"Invalid value: {_quoted(key)}: prefix part {subdomain_problem(prefix)}"
    if len(name) > 63:
        return f"Invalid value: {_quoted(key)}: name part must be no more than 63 bytes"
    if re.fullmatch(_QUALIFIED, name, re.ASCII):
        return None
    return (
        f"Invalid value: {_quoted(key)}: name part must consist of alphanumeric characters, '-', '_' or '.', and must "
        "start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
        f"validation is '{_QUALIFIED}')"
    )


def label_value_problem(value: str) -> str | None:
    """Why a text is no label value, None where it is one."""
    if len(value) > 63:
        return f"Invalid value: {_quoted(value)}: must be no more than 63 bytes"
    if re.fullmatch(_VALUE, value, re.ASCII):
        return None
    return (
        f"Invalid value: {_quoted(value)}: a valid label must be an empty string or consist of alphanumeric "
        "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
        f"'my_value',  or '12345', regex used for validation is '{_VALUE}')"
    )


def annotations_problem(annotations: Mapping[str, str]) -> str | None:
    """Why annotations are refused, None where they are not."""
    for key in annotations:
        if problem := label_key_problem(key.lower()):
            return problem
    size = sum(
        len(key.encode("utf-8", "replace")) + len(value.encode("utf-8", "replace"))
        for key, value in annotations.items()
    )
    return f"Too long: may not be more than {ANNOTATION_BYTES} bytes" if size > ANNOTATION_BYTES else None


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
