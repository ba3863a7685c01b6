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
_MAX_ANNOTATION_BYTES = 256 * 1024


def subdomain_problem(name: str) -> str | None:
    """Return why a name is not an RFC 1123 subdomain."""
    return _problem(name, _SUBDOMAIN, 253, "a lowercase RFC 1123 subdomain")


def label_problem(name: str) -> str | None:
    """Return why the name of a namespace is not an RFC 1123 label."""
    return _problem(name, _LABEL, 63, "a lowercase RFC 1123 label")


def label_key_problem(key: str) -> str | None:
    """Return why a text is not the key of a label or an annotation."""
    prefix, slash, name = key.rpartition("/")
    part, problem = "name", _problem(name, _QUALIFIED, 63, "a qualified name")
    if slash and subdomain_problem(prefix):
        part, problem = "prefix", subdomain_problem(prefix)
    return f"Invalid value: {json.dumps(key, ensure_ascii=False)}: {part} part {problem}" if problem else None


def label_value_problem(value: str) -> str | None:
    """Return why a text is not the value of a label."""
    problem = _problem(value, f"({_QUALIFIED})?", 63, "a valid label")
    return f"Invalid value: {json.dumps(value, ensure_ascii=False)}: {problem}" if problem else None


def annotations_problem(annotations: Mapping[str, str]) -> str | None:
    """Return why annotations are rejected."""
    for key in annotations:
        if problem := label_key_problem(key.lower()):
            return problem
    size = sum(len(text.encode("utf-8", "replace")) for item in annotations.items() for text in item)
    limit = _MAX_ANNOTATION_BYTES
    return f"Too long: may not be more than {limit} bytes" if size > limit else None


def _problem(text: str, pattern: str, limit: int, kind: str) -> str | None:
    if len(text) > limit:
        return f"must be no more than {limit} bytes"
    return None if re.fullmatch(pattern, text, re.ASCII) else f"{kind} must match '{pattern}'"
