"""The least that a function of the Functions Framework is."""

from __future__ import annotations

import functions_framework
from flask import Request


@functions_framework.http
def hello(_request: Request) -> str:
    return "Hello"
