"""What the API server accepts as a name, a label or an annotation.

Source: https://github.com/kubernetes/apimachinery/blob/v0.35.4/pkg/util/validation/validation.go
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = rf"({_QUALIFIED})?"
ANNOTATION_BYTES = 256 * 1024


def subdomain_problem(name: str) -> str | None:
    """Return why a name is not an RFC 1123 subdomain."""
    must = (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
        "start and end with an alphanumeric character"
    )
    return _problem(name, _SUBDOMAIN, 253, must)


def label_problem(name: str) -> str | None:
    """Return why the name of a namespace is not an RFC 1123 label."""
    must = (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
        "end with an alphanumeric character"
    )
    return _problem(name, _LABEL, 63, must)


def label_key_problem(key: str) -> str | None:
    """Return why a text is not the key of a label or an annotation."""
    prefix, slash, name = key.rpartition("/")
    must = "must consist of alphanumeric characters, '-', '_' or '.', and start and end with an alphanumeric character"
    part, problem = "name", _problem(name, _QUALIFIED, 63, must)
    if slash and subdomain_problem(prefix):
        part, problem = "prefix", subdomain_problem(prefix)
    return f"Invalid value: {json.dumps(key, ensure_ascii=False)}: {part} part {problem}" if problem else None


def label_value_problem(value: str) -> str | None:
    """Return why a text is not the value of a label."""
    must = (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
        "and end with an alphanumeric character"
    )
    problem = _problem(value, _VALUE, 63, must)
    return f"Invalid value: {json.dumps(value, ensure_ascii=False)}: {problem}" if problem else None


def annotations_problem(annotations: Mapping[str, str]) -> str | None:
    """Return why annotations are refused."""
    for key in annotations:
        if problem := label_key_problem(key.lower()):
            return problem
    size = sum(len(text.encode("utf-8", "replace")) for item in annotations.items() for text in item)
    return f"Too long: may not be more than {ANNOTATION_BYTES} bytes" if size > ANNOTATION_BYTES else None


def _problem(text: str, pattern: str, limit: int, must: str) -> str | None:
    if len(text) > limit:
        return f"must be no more than {limit} bytes"
    if re.fullmatch(pattern, text, re.ASCII):
        return None
    return f"{must} (regex used for validation is '{pattern}')"
