"""Remove the credentials that this process has read from all that it prints.

No message is built from a credential. This is a second line of defence, for the messages of libraries and other
programs: an exception of http.client contains the header that it refuses, a plugin's error its arguments.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import traceback
from types import TracebackType
from urllib.parse import quote

MASK = "[redacted]"
_SHORTEST = 8  # characters; a shorter one would mask ordinary words
_KEPT = 1000  # the newest ones, because credentials are renewed
_AUTHORIZATION = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=\-]{4,}", re.IGNORECASE)
_USER = re.compile(r"://[^/\s@\"']+@")
_known: dict[str, None] = {}
_longest_first: tuple[str, ...] = ()  # a credential can be the beginning of another one
_lock = threading.Lock()


def protect(secret: str) -> str:
    """Return the credential, which `redact` removes from now on."""
    global _longest_first
    if len(secret) >= _SHORTEST:
        forms = dict.fromkeys((secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret, safe="")))
        with _lock:
            for form in forms:
                _known.pop(form, None)
                _known[form] = None
            while len(_known) > _KEPT:
                del _known[next(iter(_known))]
            _longest_first = tuple(sorted(_known, key=len, reverse=True))
    return secret


def redact(text: str) -> str:
    """Return the text without any credential that this process has read, and without what looks like one."""
    for secret in _longest_first:
        if secret in text:
            text = text.replace(secret, MASK)
    folded = text.casefold()
    if "bearer" in folded or "basic" in folded:  # the expression looks at each letter, which takes 30 us for a log line
        text = _AUTHORIZATION.sub(rf"\1 {MASK}", text)
    return _USER.sub(f"://{MASK}@", text)


def redact_url(url: str) -> str:
    """Return a URL without user and password, even when it is not a valid URL."""
    before, at, host = url.rpartition("@")
    return f"{MASK}@{host}" if at and before else redact(url)


def install() -> None:
    """Print the tracebacks of errors that nobody handles without credentials."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))

    def thread_hook(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_value is not None:
            hook(failed.exc_type, failed.exc_value, failed.exc_traceback)

    sys.excepthook = hook
    threading.excepthook = thread_hook
