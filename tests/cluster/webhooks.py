"""Sends webhooks as GitHub does."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid

import urllib3

from tests.payloads import Payload, event_name

_http = urllib3.PoolManager(maxsize=8, retries=False, timeout=120)


def deliver(url: str, payload: Payload, secret: str, delivery: str | None = None, event: str | None = None) -> int:
    """Sends one delivery, signed with `secret`, and gives the status of the answer.

    Args:
        event: GitHub's name of the event; by default told by the payload.
    """
    body = json.dumps(payload).encode()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": event or event_name(payload),
        "X-GitHub-Delivery": delivery or str(uuid.uuid4()),
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }
    return _http.request("POST", url, body=body, headers=headers).status
