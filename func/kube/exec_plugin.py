"""Credentials from a program that a kubeconfig names, as those of EKS, GKE and single sign-on are.

The program runs in its own thread, once at a time. A few callers wait for its answer, never beyond their deadline; the
others get an error and retry. So a program that hangs blocks only a few threads.

Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from func.kube.credentials import bearer
from func.kube.errors import NotRenewed, Unauthenticated
from func.redaction import protect, redact

VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_RUN_SECONDS = 60.0  # then it is killed; with a person at the terminal there is no limit
_WAITING = 4  # threads that wait for it; the others can handle events that need no API call
_PAUSE_SECONDS = 2.0  # after a failure, before it is run again
_EARLY_SECONDS = 30.0  # before a token expires the next one is made, while this one is still in use
_SPARED_SECONDS = 0.5  # of the caller's time, for the call itself
_SHOWN = 300  # characters of its output in a message
_SECRET_NAME = re.compile(r"secret|token|password|passwd|key|credential", re.IGNORECASE)

_MADE_TOKEN = re.compile(r'"(?:token|clientKeyData)"\s*:\s*"([^"]+)"')


@dataclass(frozen=True)
class Plugin:
    """The program, as a kubeconfig describes it.

    Args:
        command: a name to look for in PATH, or a path.
        cluster: information for the program; None where it does not ask for any.
        is_interactive: whether it may ask a person at the terminal.
        hint: how to install it.
    """

    command: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    version: str
    cluster: Mapping[str, object] | None
    is_interactive: bool
    hint: str


@dataclass(frozen=True)
class _Made:
    """A credential that the program made.

    Args:
        headers: for each request.
        made: when it was made, in seconds since the epoch.
        renew: when the next one is made, likewise.
        expires: likewise.
    """

    headers: Mapping[str, str] = field(repr=False)
    made: float
    renew: float
    expires: float


class ExecCredential:
    """A credential that a plugin makes, and renews before it expires.

    Args:
        plugin: the program.
        source: for messages.
        use_certificate: takes a client certificate and its key, where the plugin makes those.
    """

    def __init__(self, plugin: Plugin, source: str, use_certificate: Callable[[str, str], None]) -> None:
        self.source = source
        self._plugin = plugin
        self._use_certificate = use_certificate
        self._lock = threading.Lock()
        self._made: _Made | None = None
        self._run: Future[_Made] | None = None
        self._failure: NotRenewed | None = None
        self._pause_until = 0.0
        self._waiting = 0
        for name, value in plugin.environment.items():
            if _SECRET_NAME.search(name):
                protect(value)
        for before, argument in zip(("", *plugin.arguments), plugin.arguments, strict=False):
            name, _, value = argument.partition("=")
            if _SECRET_NAME.search(name) and value:
                protect(value)
            elif before.startswith("-") and "=" not in before and _SECRET_NAME.search(before):
                protect(argument)

    def headers(self, seconds: float) -> Mapping[str, str]:
        """Return the headers of the newest credential; wait for it where none is valid."""
        with self._lock:
            made, now = self._made, time.time()
            if made and now < made.renew:
                return made.headers
            run = self._begin()
            if made and now < made.expires:
                return made.headers
            if run is None:
                raise self._failure or NotRenewed(f"{self.source} is not run again yet.")
            if self._waiting >= _WAITING:
                raise NotRenewed(f"The credential is being renewed by {self.source}; try again.", 1)
            self._waiting += 1
        try:
            return run.result(max(0.0, seconds - _SPARED_SECONDS)).headers
        except FutureTimeoutError:
            raise NotRenewed(f"The credential is being renewed by {self.source}, which takes long.", 2) from None
        finally:
            with self._lock:
                self._waiting -= 1

    def reject(self, headers: Mapping[str, str]) -> bool:
        """Let the program make another credential, unless this one is new: the token may have been revoked."""
        with self._lock:
            if self._made and self._made.headers == headers:
                if time.time() < self._made.made + _PAUSE_SECONDS:
                    return False
                self._made = None
        return True

    def start(self, seconds: float) -> None:
        """Make the first credential, and wait so long for it; a program that takes longer continues in its thread.

        Raises:
            NotRenewed: the program is missing, or failed, in its own words.
        """
        with self._lock:
            run = self._begin()
        if run:
            with suppress(FutureTimeoutError):
                run.result(seconds)

    def _begin(self) -> Future[_Made] | None:
        """Run the program unless it is running; return None for a while after a failure.

        Raises:
            NotRenewed: there is no thread for it.
        """
        if self._run is None and time.monotonic() >= self._pause_until:
            run: Future[_Made] = Future()
            try:
                threading.Thread(target=self._make, args=(run,), name="exec-plugin", daemon=True).start()
            except RuntimeError:
                raise NotRenewed(f"{self.source} cannot be run: no more threads.") from None
            self._run = run
        return self._run

    def _make(self, run: Future[_Made]) -> None:
        made, failure = None, None
        try:
            made = self._made_of(_output_of(self._plugin, self.source))
        except (NotRenewed, Unauthenticated) as error:
            failure = NotRenewed(error.reason)
        except Exception as error:  # those who wait need an error, and its text may hold a credential
            failure = NotRenewed(f"{self.source} cannot be used: {type(error).__name__}.")
        with self._lock:
            self._made, self._failure, self._run = made or self._made, failure, None
            self._pause_until = time.monotonic() + _PAUSE_SECONDS if failure else 0.0
        if made:
            run.set_result(made)
        elif failure:
            run.set_exception(failure)

    def _made_of(self, output: str) -> _Made:
        try:
            answer = json.loads(output)
        except (ValueError, RecursionError):
            raise NotRenewed(f"{self.source} did not print JSON.") from None
        status = answer.get("status") if isinstance(answer, dict) else None
        if not isinstance(status, dict):
            raise NotRenewed(f"{self.source} did not print an ExecCredential with a status.")
        if answer.get("apiVersion") != self._plugin.version:
            raise NotRenewed(f"{self.source} printed another apiVersion than {self._plugin.version}.")
        token, certificate, key = (status.get(name) for name in ("token", "clientCertificateData", "clientKeyData"))
        headers = bearer(token, f"the output of {self.source}") if isinstance(token, str) else {}
        if isinstance(certificate, str) and isinstance(key, str):
            self._use_certificate(certificate, protect(key))
        elif not headers:
            raise NotRenewed(f"{self.source} printed neither a token nor a certificate with its key.")
        now = time.time()
        expires = self._expiry(status.get("expirationTimestamp"))
        return _Made(headers, now, expires - min(_EARLY_SECONDS, max(0.0, expires - now) / 4), expires)

    def _expiry(self, told: Any) -> float:  # noqa: ANN401 - JSON
        if told is None:
            return float("inf")  # until the server no longer accepts it
        try:
            expires = datetime.fromisoformat(told)
        except (TypeError, ValueError):
            raise NotRenewed(f"{self.source} printed an expirationTimestamp that is not a time.") from None
        return (expires if expires.tzinfo else expires.replace(tzinfo=UTC)).timestamp()


def _output_of(plugin: Plugin, source: str) -> str:
    """Return the output of the program.

    Raises:
        NotRenewed: it is missing, failed or took too long.
    """
    spec: dict[str, object] = {"interactive": plugin.is_interactive}
    if plugin.cluster is not None:
        spec["cluster"] = plugin.cluster
    info = {"kind": "ExecCredential", "apiVersion": plugin.version, "spec": spec}
    environment = os.environ | plugin.environment | {"KUBERNETES_EXEC_INFO": json.dumps(info)}
    try:
        process = subprocess.Popen(  # noqa: S603 - what the kubeconfig names, as kubectl does
            [plugin.command, *plugin.arguments],
            stdin=None if plugin.is_interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if plugin.is_interactive else subprocess.PIPE,
            env=environment,
            text=True,
            errors="replace",
            start_new_session=not plugin.is_interactive,  # so that what it starts can be ended with it
        )
    except OSError as error:
        hint = f" {' '.join(plugin.hint.split())[:_SHOWN]}" if plugin.hint else ""
        raise NotRenewed(f"{source} cannot be run: {error.strerror}.{hint}") from None
    with process:
        try:
            output, said = process.communicate(timeout=None if plugin.is_interactive else _RUN_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise NotRenewed(f"{source} took longer than {_RUN_SECONDS:.0f} s, and was ended.") from None
    if process.returncode:
        for token in _MADE_TOKEN.findall(output):
            protect(token)
        words = redact(" ".join((said or "").split()))[-_SHOWN:]
        raise NotRenewed(f"{source} failed with exit code {process.returncode}{f': {words}' if words else ''}.")
    return output
