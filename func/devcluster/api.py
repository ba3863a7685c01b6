"""The Kubernetes API as an ASGI application: it reads requests and writes answers."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from func.core.label_selectors import Selector
from func.devcluster import core_events, discovery, documents, errors, jsonpatch, resources, watches
from func.devcluster.documents import Document
from func.devcluster.errors import ApiError
from func.devcluster.resources import Resource
from func.devcluster.store import Store, Stored, View
from func.service.sockets import is_loopback_host

_MAX_BODY_BYTES = 3 * 1024 * 1024
_MAX_OPERATIONS = 10_000
_MAX_CONTINUED = 100
_WATCH_SECONDS = 1800.0
_JSON = "application/json"
_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"
_HEALTH = ("/healthz", "/readyz", "/livez")

_log = logging.getLogger(__name__)


class Recorded(NamedTuple):
    """One API request: the HTTP method, and the path with its query as it was sent."""

    method: str
    target: str


class Identity(NamedTuple):
    """The account that a token belongs to, and whom the token is for; without audiences only the API server."""

    username: str
    uid: str = ""
    groups: tuple[str, ...] = ("system:authenticated",)
    audiences: tuple[str, ...] = ()


class _Answer(NamedTuple):
    code: int
    body: bytes
    content_type: str = _JSON


@dataclass(frozen=True)
class _Call:
    """One request, and what its path names: a collection where `name` is empty, else one object."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    resource: Resource | None
    namespace: str
    name: str

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def wants_metadata(self) -> bool:
        """Whether the first media type that is served is PartialObjectMetadata, or a list of it; raise 406 for none.

        Tables and protobuf are passed over, so a client that names JSON after them gets JSON.

        Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources
        """
        for each in self.headers.get("accept", _JSON).split(","):
            kind, *pairs = (part.strip() for part in each.split(";"))
            parameters = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
            if kind not in (_JSON, "application/*", "*/*"):
                continue
            if "as" not in parameters:
                return False
            if parameters["as"].startswith("PartialObjectMetadata") and parameters.get("v") == "v1":
                return True
        message = f"only the following media types are accepted: {_JSON}"
        raise ApiError(406, "NotAcceptable", message)

    def is_true(self, name: str) -> bool:
        """Return whether a query parameter is set to true."""
        return self.query.get(name) in ("1", "true")

    def number(self, name: str) -> int:
        """Return a query parameter that is a whole number, 0 where it is not given; raise 400 for something else."""
        text = self.query.get(name, "") or "0"
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise errors.bad_request(f'{name}: Invalid value: "{text}": must be a whole number')
        return int(text)

    def document(self) -> Document:
        """Return the body as one JSON object; raise 400 or 415 for something else."""
        if self.content_type not in ("", _JSON):
            raise errors.unsupported_media_type(_JSON)
        return _object_of(self.body)

    def view(self) -> View:
        """Return the selection of objects that the query asks for; raise 400 for an invalid selector."""
        fields = self.query.get("fieldSelector", "")
        field, _, name = fields.partition("=")
        name = name.removeprefix("=")
        if fields and (field != "metadata.name" or not name):
            raise errors.bad_request(f"field selector {fields} not supported: expected metadata.name=<name>")
        try:
            return View(self.namespace, Selector.parse(self.query.get("labelSelector", "")), name or None)
        except ValueError as problem:
            raise errors.bad_request(f"unable to parse requirement: {problem}") from None


class Api:
    """The application.

    Args:
        record: called with every request before it is answered.
        tokens: bearer tokens and their accounts; may change while the application runs.
    """

    def __init__(self, store: Store, *, record: Callable[[Recorded], None], tokens: Mapping[str, Identity]) -> None:
        self._store = store
        self._record = record
        self._tokens = tokens
        self._discovery = {path: documents.encode(document) for path, document in discovery.documents().items()}
        self._continued: dict[str, tuple[int, list[Stored]]] = {}
        self._watches: set[watches.Watch] = set()
        self._stopping = False

    def stop(self) -> None:
        """End all watches, and those that come later at once."""
        self._stopping = True
        for watch in tuple(self._watches):
            watch.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = scope["query_string"].decode("latin-1")
        self._record(Recorded(scope["method"], f"{scope['path']}?{query}" if query else scope["path"]))
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        try:
            self._admit(headers)
            call = await _read(scope, receive, query, headers)
            # Only collections are watched: for one object the parameter means nothing.
            if call.resource and not call.name and call.method == "GET" and call.is_true("watch"):
                await self._watch(call, call.resource, receive, send)
                return
            answer = self._answer(call)
        except ApiError as error:
            answer = _json(error.code, error.status())
        except Exception:
            _log.exception("%s %s failed", scope["method"], scope["path"])
            message = "Internal error occurred: see the log of the embedded cluster"
            answer = _json(500, ApiError(500, "InternalError", message, {}).status())
        length = str(len(answer.body)).encode()
        kind = [(b"content-type", answer.content_type.encode()), (b"content-length", length)]
        await send({"type": "http.response.start", "status": answer.code, "headers": kind})
        await send({"type": "http.response.body", "body": answer.body})

    def _admit(self, headers: Mapping[str, str]) -> None:
        # A page in a browser can make its own host name resolve to 127.0.0.1, but cannot change the Host header.
        if not is_loopback_host(headers.get("host", "")):
            message = "this API serves only loopback names: use 127.0.0.1 or localhost as Host"
            raise ApiError(403, "Forbidden", message)
        if "origin" in headers:  # a page of another site can send here without changing a name
            raise ApiError(403, "Forbidden", "this API serves no web pages: it rejects requests with an Origin")
        # A client without a token may do everything. A wrong token is rejected, as by the real server.
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip() not in self._tokens:
            raise ApiError(401, "Unauthorized", "Unauthorized")

    def _answer(self, call: _Call) -> _Answer:
        if call.path in _HEALTH:
            return _Answer(200, b"ok", "text/plain; charset=utf-8")
        if found := self._discovery.get(call.path.rstrip("/")):
            if call.method != "GET":
                raise errors.method_not_allowed()
            return _Answer(200, found)
        if call.path in (discovery.TOKEN_REVIEWS, discovery.ACCESS_REVIEWS):
            return _json(201, self._review(call))
        if call.resource is None:
            raise errors.no_such_path()
        if call.resource is resources.NEW_EVENTS:
            return self._create_event(call)
        call.wants_metadata  # noqa: B018 - a form that is not served is rejected before anything is written
        return self._object(call, call.resource) if call.name else self._collection(call, call.resource)

    def _collection(self, call: _Call, resource: Resource) -> _Answer:
        if call.method == "GET":
            return self._list(call, resource)
        if call.method == "POST" and bool(call.namespace) == resource.namespaced:
            return _stored(201, self._store.create(resource, call.namespace, call.document()), call)
        raise errors.method_not_allowed()

    def _object(self, call: _Call, resource: Resource) -> _Answer:
        where = resource, call.namespace, call.name
        match call.method:
            case "GET":
                return _stored(200, self._store.get(*where), call)
            case "PUT":
                return _stored(200, self._store.replace(*where, call.document()), call)
            case "PATCH":
                return _stored(200, self._store.change(*where, _patch(call)), call)
            case "DELETE":
                gone = self._store.delete(*where)
                details = {"name": gone.name, "group": resource.group, "kind": resource.plural, "uid": gone.uid}
                status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
                return _json(200, {**status, "details": {key: value for key, value in details.items() if value}})
        raise errors.method_not_allowed()

    def _list(self, call: _Call, resource: Resource) -> _Answer:
        if token := call.query.get("continue"):
            if token not in self._continued:
                raise errors.expired("The provided continue parameter is too old: start a new list without it.")
            version, items = self._continued[token]
        else:
            page = self._store.select(resource, call.view())
            version, items = page.version, page.items
        metadata: Document = {"resourceVersion": str(version)}
        limit = call.number("limit") or len(items)
        if items[limit:]:
            metadata["continue"] = secrets.token_urlsafe()
            self._continued[metadata["continue"]] = version, items[limit:]
            while len(self._continued) > _MAX_CONTINUED:
                del self._continued[next(iter(self._continued))]
        partial = call.wants_metadata
        head = {
            "apiVersion": "meta.k8s.io/v1" if partial else resource.api_version,
            "kind": "PartialObjectMetadataList" if partial else f"{resource.kind}List",
            "metadata": metadata,
        }
        bodies = b",".join(each.partial if partial else each.body for each in items[:limit])
        return _Answer(200, documents.encode(head)[:-1] + b',"items":[' + bodies + b"]}")

    def _create_event(self, call: _Call) -> _Answer:
        """Store an Event under its older name, by which it is read."""
        if call.method != "POST" or call.name or not call.namespace:
            raise errors.method_not_allowed()
        document = core_events.to_core(call.document(), call.namespace)
        stored = self._store.create(resources.EVENTS, call.namespace, document)
        return _json(201, core_events.from_core(stored.document))

    def _review(self, call: _Call) -> Document:
        """Answer who a token belongs to, or that a client may do everything.

        Source: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/ and
        https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-access-review-v1/
        """
        if call.method != "POST":
            raise errors.method_not_allowed()
        spec = call.document().get("spec") or {}
        if call.path == discovery.ACCESS_REVIEWS:
            version, kind, status = "authorization.k8s.io/v1", "SelfSubjectAccessReview", {"allowed": True}
        else:
            version, kind, status = "authentication.k8s.io/v1", "TokenReview", self._authenticate(spec)
        return {"kind": kind, "apiVersion": version, "metadata": {}, "spec": spec, "status": status}

    def _authenticate(self, spec: Document) -> Document:
        identity = self._tokens.get(str(spec.get("token", "")))
        asked = [str(audience) for audience in spec.get("audiences") or []]
        fitting = [audience for audience in asked if identity and audience in identity.audiences]
        if identity is None or bool(asked) != bool(fitting) or (not asked and identity.audiences):
            return {"authenticated": False, "user": {}, "error": "invalid bearer token, or not for this audience"}
        user = {"username": identity.username, "uid": identity.uid, "groups": list(identity.groups)}
        return {"authenticated": True, "user": user} | ({"audiences": fitting} if fitting else {})

    async def _watch(self, call: _Call, resource: Resource, receive: Receive, send: Send) -> None:
        initial = call.is_true("sendInitialEvents")
        from_now = initial or call.query.get("resourceVersion", "") in ("", "0")
        watch = watches.Watch(
            self._store,
            resource,
            view=call.view(),
            partial=call.wants_metadata,
            since=None if from_now else call.number("resourceVersion"),
            seconds=float(call.number("timeoutSeconds")) or _WATCH_SECONDS,
            initial_end=initial,
        )
        self._watches.add(watch)
        leaving = asyncio.create_task(_end_when_gone(receive, watch))
        if self._stopping:
            watch.end()
        try:
            kind = [(b"content-type", _JSON.encode())]
            await send({"type": "http.response.start", "status": 200, "headers": kind})
            async for line in watch.lines():
                await send({"type": "http.response.body", "body": line, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            leaving.cancel()
            self._watches.discard(watch)


def _patch(call: _Call) -> Callable[[Document], object]:
    """Return the function that applies the patch of a request; raise 400, 413 or 415 where it is not one."""
    if call.content_type == _MERGE_PATCH:
        patch = _object_of(call.body)
        return lambda document: merged(document, patch)
    if call.content_type != _JSON_PATCH:
        raise errors.unsupported_media_type(_JSON_PATCH, _MERGE_PATCH)
    try:
        operations = jsonpatch.parse(call.body)
    except ValueError as problem:
        raise errors.bad_request(f"error decoding patch: {problem}") from None
    if len(operations) > _MAX_OPERATIONS:
        limit = f"The allowed maximum operations in a JSON patch is {_MAX_OPERATIONS}, got {len(operations)}"
        raise errors.request_too_large(limit)

    def apply(document: Document) -> object:
        try:
            return jsonpatch.apply(document, operations)
        except jsonpatch.PatchError:
            raise errors.patch_failed() from None

    return apply


def merged(target: object, patch: Mapping[str, object]) -> Document:
    """Return the target with all members of a JSON Merge Patch merged in; null removes a member.

    Source: https://www.rfc-editor.org/rfc/rfc7396#section-2
    """
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value) if isinstance(value, dict) else value
    return result


def _object_of(body: bytes) -> Document:
    try:
        value = documents.parse(body)
    except ValueError as problem:
        raise errors.bad_request(f"the body is not JSON: {problem}") from None
    if not isinstance(value, dict):
        raise errors.bad_request("the body is not a JSON object")
    return value


def _json(code: int, document: Document) -> _Answer:
    return _Answer(code, documents.encode(document))


def _stored(code: int, stored: Stored, call: _Call) -> _Answer:
    return _Answer(code, stored.partial if call.wants_metadata else stored.body)


async def _read(scope: Scope, receive: Receive, query: str, headers: Mapping[str, str]) -> _Call:
    body = bytearray()
    more = scope["method"] != "GET"
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _MAX_BODY_BYTES:
            raise errors.request_too_large(f"limit is {_MAX_BODY_BYTES}")
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    return _Call(scope["method"], scope["path"], parameters, headers, bytes(body), *_target(scope["path"]))


def _target(path: str) -> tuple[Resource | None, str, str]:
    """Return the resource, the namespace and the name that a path names; None for a path that is not served."""
    match path.split("/")[1:]:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            return None, "", ""
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, *rest = rest[1:]
    plural, name = [*rest, ""][:2] if 1 <= len(rest) <= 2 else ("", "")
    resource = resources.by_path(group, version, plural)
    # A namespaced collection can be listed over all namespaces; anything else is in its namespace or nowhere.
    if resource is None or (resource.namespaced != bool(namespace) and (name or namespace)):
        return None, "", ""
    return resource, namespace, name


async def _end_when_gone(receive: Receive, watch: watches.Watch) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    watch.end()
