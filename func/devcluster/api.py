"""The Kubernetes API as an ASGI application: HTTP in, HTTP out, everything else is done elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl

from starlette.types import Message, Receive, Scope, Send

from func.devcluster import (
    discovery,
    documents,
    errors,
    events,
    jsonpatch,
    label_selectors,
    mergepatch,
    negotiation,
    objects,
    paging,
    resources,
    reviews,
    streaming,
)
from func.devcluster.changes import View
from func.devcluster.documents import Document
from func.devcluster.errors import ApiError
from func.devcluster.negotiation import Form
from func.devcluster.resources import Resource
from func.devcluster.store import Page, Store, Stored

MAX_BODY_BYTES = 3 * 1024 * 1024
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
_WATCH_SECONDS = 1800.0
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_HEALTH = ("/healthz", "/readyz", "/livez")

_log = logging.getLogger(__name__)


class Recorded(NamedTuple):
    """One API request: the HTTP method, and the path with its query as it was sent."""

    method: str
    target: str


@dataclass(frozen=True)
class Call:
    """One request, read."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> Form:
        return negotiation.accepted(self.headers.get("accept", ""))

    @property
    def dry_run(self) -> bool:
        return self.query.get("dryRun") == "All"

    def flag(self, name: str) -> bool:
        return self.query.get(name, "") in _TRUE

    def number(self, name: str) -> int:
        """A query parameter that is a whole number, 0 where it is not given.

        Raises:
            ApiError: 400, it is something else.

        """
        text = self.query.get(name, "") or "0"
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise errors.bad_request(f'{name}: Invalid value: "{text}": must be a whole number')
        return int(text)

    def document(self) -> Document:
        """The body as one JSON object.

        Raises:
            ApiError: 400 or 415, it is something else.

        """
        kind = self.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise errors.unsupported_media_type(("application/json",))
        try:
            value = documents.parse(self.body)
        except ValueError as problem:
            raise errors.bad_request(f"the body is not JSON: {problem}") from None
        if not isinstance(value, dict):
            raise errors.bad_request("the body is not a JSON object")
        return value


@dataclass(frozen=True)
class Target:
    """What a path names: a collection where `name` is empty, else one object."""

    resource: Resource
    namespace: str
    name: str


@dataclass(frozen=True)
class Answer:
    code: int
    body: bytes
    content_type: str = "application/json"


def target_of(path: str) -> Target | None:
    """What a path names, None where nothing is served.

    Args:
        path: Such as `/apis/argoproj.io/v1alpha1/namespaces/agent-platform/workflows/a`.

    """
    match path.split("/")[1:]:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            return None
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, *rest = rest[1:]
    plural, name = [*rest, ""][:2] if 1 <= len(rest) <= 2 else ("", "")
    resource = resources.by_path(group, version, plural)
    # A namespaced collection can be listed over all namespaces; anything else is where it belongs or nowhere.
    if resource is None or (resource.namespaced != bool(namespace) and (name or namespace)):
        return None
    return Target(resource, namespace, name)


class Api:
    """The application.

    Args:
        store: The objects.
        record: Called with every request before it is answered.
        tokens: Bearer tokens that are known; may change while the application runs.

    """

    def __init__(
        self, store: Store, *, record: Callable[[Recorded], None], tokens: Mapping[str, reviews.Identity]
    ) -> None:
        self._store = store
        self._record = record
        self._tokens = tokens
        self._discovery = {path: documents.encode(document) for path, document in discovery.documents().items()}
        self._watches: set[streaming.Watch] = set()
        self._stopping = False

    def stop(self) -> None:
        """End all watches, and those that come later at once."""
        self._stopping = True
        for watch in tuple(self._watches):
            watch.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = scope["query_string"].decode("latin-1")
        path = scope["path"]
        self._record(Recorded(scope["method"], f"{path}?{query}" if query else path))
        try:
            self._check_token(scope)
            call = await _read(scope, receive, query)
            watching = self._watching(call)
            if watching:
                await self._stream(watching, receive, send)
                return
            answer = self._answer(call)
        except ApiError as error:
            answer = Answer(error.code, documents.encode(error.status()))
        except Exception:
            _log.exception("%s %s failed", scope["method"], path)
            failure = ApiError(500, "InternalError", "Internal error occurred: see the log of the embedded cluster", {})
            answer = Answer(failure.code, documents.encode(failure.status()))
        await _respond(send, answer)

    def _check_token(self, scope: Scope) -> None:
        """Whoever sends no token may do everything; a wrong token is refused, as the real server does."""
        authorization = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer" and token.strip() not in self._tokens:
            raise errors.unauthorized()

    def _answer(self, call: Call) -> Answer:
        if call.path in _HEALTH:
            return Answer(200, b"ok", "text/plain; charset=utf-8")
        found = self._discovery.get(call.path.rstrip("/"))
        if found is not None:
            if call.method != "GET":
                raise errors.method_not_allowed()
            return Answer(200, found)
        if call.path in _REVIEWS:
            if call.method != "POST":
                raise errors.method_not_allowed()
            return Answer(201, documents.encode(_REVIEWS[call.path](call.document(), self._tokens)))
        target = target_of(call.path)
        if target is None:
            raise errors.no_such_path()
        if target.resource is resources.NEW_EVENTS:
            return _create_event(self._store, target, call)
        handler = _HANDLERS.get((call.method, bool(target.name)))
        if handler is None:
            raise errors.method_not_allowed()
        return handler(self._store, target, call)

    def _watching(self, call: Call) -> streaming.Request | None:
        watching = call.flag("watch") and call.method == "GET"
        target = target_of(call.path) if watching else None
        # Only collections are watched: for one object the parameter means nothing.
        if target is None or target.name:
            return None
        version = call.query.get("resourceVersion", "")
        initial = call.flag("sendInitialEvents")
        return streaming.Request(
            resource=target.resource,
            view=View(target.namespace, _selector(call, target.resource)),
            form=call.form,
            since=None if version in ("", "0") or initial else call.number("resourceVersion"),
            seconds=float(call.number("timeoutSeconds")) or _WATCH_SECONDS,
            bookmarks=call.flag("allowWatchBookmarks"),
            initial_end=initial and call.flag("allowWatchBookmarks"),
        )

    async def _stream(self, request: streaming.Request, receive: Receive, send: Send) -> None:
        watch = streaming.Watch(self._store, request)
        self._watches.add(watch)
        leaving = asyncio.create_task(_until_gone(receive, watch))
        if self._stopping:
            watch.end()
        try:
            await send(_start(200, "application/json"))
            async for line in watch.lines():
                await send({"type": "http.response.body", "body": line, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            leaving.cancel()
            self._watches.discard(watch)


def _get(store: Store, target: Target, call: Call) -> Answer:
    form = negotiation.for_object(call.form)
    return _object(200, store.get(target.resource, target.namespace, target.name), form)


def _list(store: Store, target: Target, call: Call) -> Answer:
    form = negotiation.for_list(call.form)
    version, after = 0, None
    if token := call.query.get("continue"):
        try:
            version, after = paging.decode(token)
        except ValueError as problem:
            raise errors.bad_request(str(problem)) from None
    elif asked := call.number("resourceVersion"):
        if asked > store.version:
            raise errors.future_version(asked, store.version)
        version = asked if call.query.get("resourceVersionMatch") == "Exact" else 0
    page = store.select(
        target.resource,
        target.namespace,
        _selector(call, target.resource),
        limit=call.number("limit"),
        after=after,
        version=version,
    )
    return Answer(200, _page(target.resource, page, form))


def _create(store: Store, target: Target, call: Call) -> Answer:
    form = negotiation.for_object(call.form)
    if target.resource.namespaced and not target.namespace:
        raise errors.method_not_allowed()
    document = call.document()
    return _object(201, store.create(target.resource, target.namespace, document, dry_run=call.dry_run), form)


def _create_event(store: Store, target: Target, call: Call) -> Answer:
    """An Event by its newer name: kept, and read, by the older one."""
    if call.method != "POST" or target.name or not target.namespace:
        raise errors.method_not_allowed()
    document = events.older(call.document(), target.namespace)
    stored = store.create(resources.EVENTS, target.namespace, document, dry_run=call.dry_run)
    return Answer(201, documents.encode(events.newer(stored.document)))


def _replace(store: Store, target: Target, call: Call) -> Answer:
    form = negotiation.for_object(call.form)
    where = (target.resource, target.namespace, target.name)
    return _object(200, store.replace(*where, call.document(), dry_run=call.dry_run), form)


def _patch(store: Store, target: Target, call: Call) -> Answer:
    form = negotiation.for_object(call.form)
    kind = call.headers.get("content-type", "").partition(";")[0].strip()
    if kind not in (JSON_PATCH, MERGE_PATCH):
        raise errors.unsupported_media_type((JSON_PATCH, MERGE_PATCH))
    try:
        change = _json_patch(call.body) if kind == JSON_PATCH else _merge_patch(call.body)
    except ValueError as problem:
        raise errors.bad_request(f"error decoding patch: {problem}") from None
    where = (target.resource, target.namespace, target.name)
    return _object(200, store.change(*where, change, dry_run=call.dry_run), form)


def _delete(store: Store, target: Target, call: Call) -> Answer:
    options = call.document() if call.body.strip() else {}
    wanted = options.get("preconditions")
    conditions = wanted if isinstance(wanted, dict) else {}
    gone = store.delete(
        target.resource,
        target.namespace,
        target.name,
        uid=str(conditions.get("uid") or ""),
        version=str(conditions.get("resourceVersion") or ""),
        dry_run=call.dry_run,
    )
    details = {"name": gone.name, "group": gone.resource.group, "kind": gone.resource.plural, "uid": gone.uid}
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return Answer(200, documents.encode({**status, "details": {key: value for key, value in details.items() if value}}))


_Handler = Callable[[Store, Target, Call], Answer]
_HANDLERS: dict[tuple[str, bool], _Handler] = {
    ("GET", True): _get,
    ("GET", False): _list,
    ("POST", False): _create,
    ("PUT", True): _replace,
    ("PATCH", True): _patch,
    ("DELETE", True): _delete,
}
_REVIEWS: dict[str, Callable[[Document, Mapping[str, reviews.Identity]], Document]] = {
    "/apis/authentication.k8s.io/v1/tokenreviews": reviews.token_review,
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": lambda review, _: reviews.access_review(review),
}


def _json_patch(body: bytes) -> Callable[[Document], Document]:
    operations = jsonpatch.parse(body)
    if len(operations) > jsonpatch.MAX_OPERATIONS:
        limit = f"The allowed maximum operations in a JSON patch is {jsonpatch.MAX_OPERATIONS}, got {len(operations)}"
        raise ApiError(413, "RequestEntityTooLarge", f"Request entity too large: {limit}")

    def change(document: Document) -> Document:
        try:
            patched = jsonpatch.apply(document, operations)
        except jsonpatch.PatchError:
            raise errors.patch_failed() from None
        if not isinstance(patched, dict):
            raise objects.no_object(patched, "it is an array")
        return patched

    return change


def _merge_patch(body: bytes) -> Callable[[Document], Document]:
    patch = documents.parse(body)
    if not isinstance(patch, dict):
        raise ValueError("a merge patch is an object")  # noqa: TRY004 - one kind of error for the caller

    def change(document: Document) -> Document:
        merged = mergepatch.apply(document, patch)
        return merged if isinstance(merged, dict) else document

    return change


def _selector(call: Call, resource: Resource) -> label_selectors.Selector:
    try:
        return label_selectors.parse(
            call.query.get("labelSelector", ""), call.query.get("fieldSelector", ""), resource.selectable
        )
    except ValueError as problem:
        raise errors.bad_request(str(problem)) from None


def _object(code: int, stored: Stored, form: Form) -> Answer:
    return Answer(code, stored.body if form is Form.FULL else stored.partial)


def _page(resource: Resource, page: Page, form: Form) -> bytes:
    metadata: Document = {"resourceVersion": str(page.version)}
    if page.after is not None:
        metadata["continue"] = paging.encode(page.version, page.after)
    if page.remaining is not None:
        metadata["remainingItemCount"] = page.remaining
    partial = form is not Form.FULL
    head = {
        "apiVersion": "meta.k8s.io/v1" if partial else resource.api_version,
        "kind": "PartialObjectMetadataList" if partial else f"{resource.kind}List",
        "metadata": metadata,
    }
    items = b",".join(each.partial if partial else each.body for each in page.items)
    return documents.encode(head)[:-1] + b',"items":[' + items + b"]}"


async def _read(scope: Scope, receive: Receive, query: str) -> Call:
    headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
    parts: list[bytes] = []
    size = 0
    more = scope["method"] != "GET"
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            raise errors.body_too_large(MAX_BODY_BYTES)
        more = message.get("more_body", False)
    return Call(
        scope["method"], scope["path"], dict(parse_qsl(query, keep_blank_values=True)), headers, b"".join(parts)
    )


async def _until_gone(receive: Receive, watch: streaming.Watch) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    watch.end()


def _start(code: int, content_type: str, length: int | None = None) -> Message:
    headers = [(b"content-type", content_type.encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return {"type": "http.response.start", "status": code, "headers": headers}


def _respond(send: Send, answer: Answer) -> Awaitable[None]:
    async def both() -> None:
        await send(_start(answer.code, answer.content_type, len(answer.body)))
        await send({"type": "http.response.body", "body": answer.body})

    return both()
