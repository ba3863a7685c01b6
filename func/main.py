"""The function, as the Functions Framework loads it: `functions-framework --source func/main.py --target taskgate`.

`taskgate serve` is the way in production: it listens before it imports, and bounds what a connection may take.
"""

from __future__ import annotations

import os

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from func.service.build import build_app

_function = build_app(os.environ)
_function.ready()


@functions_framework.aio.http
async def taskgate(request: Request) -> Response:
    """One HTTP request: a CloudEvent, or a probe."""
    return await _function(request)
