"""plain.py, that imports what its author is told to for events and a Kubernetes API."""

from __future__ import annotations

import cloudevents.http  # noqa: F401 - imported for what it costs
import functions_framework
import kubernetes.client
import kubernetes.config  # noqa: F401
import pydantic  # noqa: F401
import yaml  # noqa: F401
from flask import Request


@functions_framework.http
def hello(_request: Request) -> str:
    return "Hello"
