"""What can go wrong with a call to the Kubernetes API or to Argo Server, by its cause.

ApiError
|- Unavailable       no answer, or refused for load: try again
|  |- NoAnswer       the connection failed, or the answer was cut short
|  `- NotRenewed     the credential is being renewed, or could not be
|- Unsure            a write got no answer: read the object to see whether it was done
|- LostRace          another writer changed the object first: read it again
|- NotFound          the object does not exist
|- Expired           a list or a watch is too old to go on
`- Forbidden         refused: a retry does not help
   |- Unauthenticated    no credential, or one that the server does not accept
   `- MissingPermission  RBAC does not allow it
"""

from __future__ import annotations

import ssl

from func.core.reasons import Rejection
from func.redaction import redact

# What http.client and urllib3 raise -> the cause in plain words.
_CAUSES = {
    "NameResolutionError": "the name of the host is not known",
    "NameLookupTimeoutError": "the name of the host is not resolved in time",
    "RemoteDisconnected": "it closed the connection",
    "ConnectionResetError": "it closed the connection",
    "BrokenPipeError": "it closed the connection",
    "SSLEOFError": "it closed the connection",
    "SSLZeroReturnError": "it closed the connection",
    "IncompleteRead": "it sent an incomplete answer",
    "InvalidChunkLength": "it sent an incomplete answer",
    "BadStatusLine": "it does not answer in HTTP",
    "LineTooLong": "it does not answer in HTTP",
    "HTTPException": "it does not answer in HTTP",
    "InvalidHeader": "it does not answer in HTTP",
    "ClosedPoolError": "the connection was renewed meanwhile",
}


class ApiError(Rejection):
    """The API did not do what was asked; it is also the answer for the sender."""

    code = "api-unavailable"

    def __init__(self, reason: str, retry_after: int | None = None) -> None:
        super().__init__(self.code, retry_after=retry_after, detail=redact(reason))


class Unavailable(ApiError):
    """The API does not answer, or refuses for load."""


class NoAnswer(Unavailable):
    """The connection could not be made, was cut, or was silent for too long."""


class NotRenewed(Unavailable):
    """The credential is being renewed, or could not be: there is no retry within the same event."""


class Unsure(ApiError):
    """A write got no answer: read the object to see whether it was done."""


class LostRace(ApiError):
    """Another writer changed the object first: read it again."""


class NotFound(ApiError):
    """The object does not exist."""


class Expired(ApiError):
    """The API no longer has the version that was asked for: list again."""


class Forbidden(ApiError):
    """The API refuses the request: a retry does not help."""

    code = "api-forbidden"


class Unauthenticated(Forbidden):
    """There is no credential, or the API does not accept it."""

    code = "api-unauthenticated"


class MissingPermission(Forbidden):
    """RBAC does not allow it."""

    code = "api-missing-permission"


def is_timeout(error: BaseException) -> bool:
    """Return whether a network error is a timeout."""
    # Those of urllib3 that are no TimeoutError have the word in their name.
    return any(isinstance(each, TimeoutError) or "Timeout" in type(each).__name__ for each in _chain(error))


def cause_of(error: BaseException) -> str:
    """Return the cause of a network error, never the library's own words: those can hold headers and addresses."""
    chain = _chain(error)
    through = "the proxy does not answer: " if type(chain[0]).__name__ == "ProxyError" else ""
    if is_timeout(error):
        return through + _CAUSES.get(type(chain[-1]).__name__, "it takes too long")
    refused = [str(each) for each in chain if str(each).startswith("Tunnel connection failed: ")]
    if refused:
        return f"the proxy answers {refused[-1].partition(': ')[2]}"
    return through + next(filter(None, map(_words_for, chain)), type(chain[-1]).__name__)


def _words_for(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({error.verify_message})"
    if words := _CAUSES.get(type(error).__name__):
        return words
    if isinstance(error, ssl.SSLError):
        return f"TLS fails ({error.reason})" if error.reason else ""
    words = (isinstance(error, OSError) and error.strerror) or ""
    return words[:1].lower() + words[1:]


def _chain(error: BaseException) -> list[BaseException]:
    """Return the error and those that urllib3 wrapped in it, outermost first."""
    chain = [error]
    while True:
        last = chain[-1]
        inside = (getattr(last, "original_error", None), *last.args, last.__cause__)
        within = next((each for each in inside if isinstance(each, BaseException) and each not in chain), None)
        if within is None:
            return chain
        chain.append(within)
