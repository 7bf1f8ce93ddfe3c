"""The receiver's addresses, as an ASGI app. Each answers JSON; an error is `{"error": "a sentence"}`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from perfkit import files
from perfkit.collect.marks import check_mark
from perfkit.collect.receiver_client import CLOCK_HEADER
from perfkit.collection import MARK
from perfkit.errors import BadInput, reason
from perfkit.receive.access_log import AccessLog, Metrics
from perfkit.receive.batch import ReceivedBatch, ReceivedLine, SiteMachine, check_name, parse_batch
from perfkit.receive.keys import Key, KeyRing
from perfkit.receive.ledger import Ledger, not_imported
from perfkit.receive.request import Memory, ReceiverLimits, Refused, read_body
from perfkit.receive.uploads import Uploads
from perfkit.receive.writer import Writer
from perfkit.units import is_loopback
from perfkit.web import Throttle, host_name, is_foreign, names_us, source_of

PING_BODY = MARK_BODY = 4096
PREFLIGHT = "perfkit/preflight"
_OWN_NAMES = frozenset({socket.gethostname().lower()})
_CLIENT_GONE = 499
_DRAIN_SECONDS = 3.0

App = Callable[..., Awaitable[None]]


@dataclass
class Receiver:
    """What the addresses share."""

    writer: Writer
    keys: KeyRing
    uploads: Uploads
    limits: ReceiverLimits
    access: AccessLog
    metrics: Metrics = field(default_factory=Metrics)
    throttle: Throttle = field(default_factory=Throttle)
    local: bool = False
    """Whether only this machine can reach it: then only requests that name this machine are meant for it."""
    site: str | None = None
    """The site of what comes with a key that names none."""

    def __post_init__(self) -> None:
        self.memory = Memory(self.limits.in_flight)
        self.ledger = Ledger(self.writer.root)


def make_app(receiver: Receiver) -> App:
    """The ASGI app over `receiver`."""
    app = Starlette(routes=ROUTES, exception_handlers={Refused: _refuse, HTTPException: _no_such, ClientDisconnect: _gone})
    app.state.receiver = receiver
    return receiver.access.around(_without_other_sites(app, receiver), receiver.metrics)


def _without_other_sites(app: App, receiver: Receiver) -> App:
    """`app`, without what pages of other sites send from a browser on this machine; senders are no browsers."""

    async def guarded(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope.get("headers", ())}
        if scope["type"] == "http" and is_foreign(headers):
            answer = _json({"error": "this came from a page of another site."}, 403)
        elif scope["type"] == "http" and receiver.local and not names_us(headers.get("host", "localhost"), _OWN_NAMES):
            answer = _json({"error": "this receiver answers to localhost only; send to that name, or listen on another address."}, 421)
        else:
            return await app(scope, receive, send)
        return await answer(scope, receive, send)

    return guarded


async def _ping(request: Request) -> Response:
    receiver = _receiver(request)
    origin = 0
    if request.method == "POST":
        with receiver.memory.share() as share:
            body = await read_body(
                request, ReceiverLimits(body=PING_BODY, unpacked=PING_BODY, body_seconds=receiver.limits.body_seconds), share
            )
        origin = _origin(body)
    return _json({"origintimestamp": origin, "timestamp": int(time.time())})


def _origin(body: bytes) -> int:
    try:
        message = orjson.loads(body)
        timestamp = message.get("timestamp", 0)
    except (orjson.JSONDecodeError, AttributeError):
        raise Refused(400, 'the body is not {"timestamp": n}.') from None
    if type(timestamp) is not int:
        raise Refused(400, "timestamp is not a whole number.")
    return timestamp


async def _trickle(request: Request) -> Response:
    receiver = _receiver(request)
    key = _key(request, request.headers.get("apikey", ""))
    with receiver.memory.share() as share:
        body = await read_body(request, receiver.limits, share)
        batch = parse_batch(body, receiver.limits.lines)
        if not key.allows(batch.identifier):
            raise Refused(403, "this key may not send for that identifier.")
        if batch.lines and all(line.subsystem == PREFLIGHT for line in batch.lines):
            return await _echo(receiver, batch)
        stored = await asyncio.wrap_future(receiver.writer.submit(SiteMachine.of(batch.identifier, key.site or receiver.site), batch.lines))
    receiver.metrics.stored(stored, len(body))
    request.state.log = {"identifier": batch.identifier, "lines": stored.new, "repeated": stored.repeated}
    if key.site:
        request.state.log["site"] = key.site
    return _json({"error": None}, headers={CLOCK_HEADER: f"{time.time():.6f}"})


async def _mark(request: Request) -> Response:
    """A mark, by this machine's clock, in every collection of a site that is being streamed; a key of a site marks that site alone."""
    receiver = _receiver(request)
    key = _key(request, request.headers.get("apikey", ""))
    if key.identifiers:
        raise Refused(403, "this key may speak for single machines only; mark a site with a key that is not bound to any.")
    with receiver.memory.share() as share:
        body = await read_body(
            request, ReceiverLimits(body=MARK_BODY, unpacked=MARK_BODY, body_seconds=receiver.limits.body_seconds), share
        )
    label, kind, asked = _asked_mark(body)
    if key.site and asked not in (None, key.site):
        raise Refused(403, "this key is for another site.")
    site = SiteMachine.of("", asked or key.site or receiver.site).site
    machines = receiver.writer.recording(site)
    if not machines:
        raise Refused(404, f"no collector of site {site} streams to this receiver now.")
    seconds, nanosecond = divmod(time.time_ns(), 1_000_000_000)
    told = orjson.dumps({"label": label, "kind": kind}).decode()
    text = orjson.dumps({"timestamp": seconds, "nanosecond": nanosecond, "subsystem": MARK, "measurement": told})
    line = ReceivedLine((seconds, nanosecond), MARK, text)
    await asyncio.gather(*(asyncio.wrap_future(receiver.writer.submit(machine, [line])) for machine in machines))
    request.state.log = {"site": site, "marked": len(machines)}
    return _json({"error": None, "site": site, "marked": [machine.identifier for machine in machines]})


def _asked_mark(body: bytes) -> tuple[str, str, str | None]:
    """Label, kind and site of {"label": ..., "kind": ..., "site": ...}; the site may be missing. Raises Refused (400)."""
    try:
        asked = orjson.loads(body)
        label, kind, site = asked["label"], asked.get("kind", "point"), asked.get("site")
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        raise Refused(400, 'the body is not {"label": "...", "kind": "start|end|point"}.') from None
    if not isinstance(label, str) or not isinstance(kind, str):
        raise Refused(400, "label and kind are not texts.")
    try:
        check_mark(label, kind)
    except BadInput as error:
        raise Refused(400, str(error)) from None
    return label.strip(), kind, None if site is None else check_name(site, "the site")


async def _echo(receiver: Receiver, batch: ReceivedBatch) -> Response:
    """A preflight's test batch: what this receiver acknowledges can be read back; no collection of it is kept."""
    receiver.writer.check_space()
    stored = await asyncio.to_thread(read_back, receiver.writer.root, batch.lines[0].text)
    return _json({"error": None, "echo": orjson.loads(stored)["measurement"]})


def read_back(data: Path, text: bytes) -> bytes:
    """`text`, after it was synced to a file under `data` and read from there. Raises Refused (503) where that fails."""
    path = data / f"probe-{secrets.token_hex(8)}"
    try:
        try:
            files.replace_file(path, text)
            descriptor = os.open(path, os.O_RDONLY)
            try:
                return os.pread(descriptor, len(text), 0)
            finally:
                os.close(descriptor)
        finally:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise Refused(503, f"the data folder cannot be written: {reason(error)}.", 10) from error


async def _upload(request: Request) -> Response:
    receiver = _receiver(request)
    key = _key(request, _bearer(request))
    receiver.writer.check_space()
    return _json(await receiver.uploads.receive(request, key), 201)


async def _metrics(request: Request) -> Response:
    """For a Prometheus on this machine without a key; from anywhere else with any valid one."""
    receiver = _receiver(request)
    if not _asks_from_here(request):
        _key(request, _bearer(request))
    return Response(receiver.metrics.text(receiver.writer, receiver.ledger), media_type=Metrics.CONTENT_TYPE)


async def _healthz(request: Request) -> Response:
    """200 while all that was received gets into the database, else 503; what does not, and why, for this machine or a valid key."""
    receiver = _receiver(request)
    found = list(await asyncio.to_thread(lambda: list(not_imported(receiver.writer.root, time.time()))))
    said: dict[str, Any] = {"status": "not healthy" if found else "ok"}
    presented = _bearer(request)
    if found and (_asks_from_here(request) or (presented and _key(request, presented))):
        said["not_imported"] = found
    return _json(said, 503 if found else 200)


def _bearer(request: Request) -> str:
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    return presented.strip() if scheme.lower() == "bearer" else ""


def _asks_from_here(request: Request) -> bool:
    """Whether a program on this machine asks, by one of this machine's own names."""
    host = host_name(request.headers.get("host", ""))
    return is_loopback(_address(request)) and "x-forwarded-for" not in request.headers and names_us(host, _OWN_NAMES)


def _key(request: Request, presented: str) -> Key:
    """The valid key that was presented. Raises Refused: 401, or 429 for an address with too many wrong ones."""
    receiver, source, now = _receiver(request), source_of(_address(request)), time.monotonic()
    if not presented:
        raise Refused(401, "the key is missing.")
    wait = receiver.throttle.take(source, now)
    key = receiver.keys.check(presented, time.time())
    if wait is not None and not (key and receiver.throttle.is_proven(source, key.id)):
        raise Refused(429, "too many wrong keys from this address.", wait)
    if key is None:
        raise Refused(401, "the key is wrong, expired or revoked.")
    if wait is None:
        receiver.throttle.give_back(source, now)
    receiver.throttle.prove(source, key.id)
    request.state.key = key.name
    return key


def _receiver(request: Request) -> Receiver:
    receiver: Receiver = request.app.state.receiver
    return receiver


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, "application/json")


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 - what the handler is registered for
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
    if not await _drained(request):
        headers["Connection"] = "close"
    return _json({"error": error.sentence}, error.status, headers)


async def _drained(request: Request) -> bool:
    """Read away a body that is not wanted, so that the client hears the answer; False if it is too long to be worth it."""
    rest = _receiver(request).limits.body
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while not getattr(request.state, "body_read", False) and rest > 0:
                rest -= len((await request.receive()).get("body", b""))
    return getattr(request.state, "body_read", False)


async def _no_such(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what the handler is registered for
    return _json({"error": f"{error.detail}."}, error.status_code, dict(error.headers or {}))


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=_CLIENT_GONE)


ROUTES = [
    Route("/v1/ping", _ping, methods=["GET", "POST"]),
    Route("/v1/trickle", _trickle, methods=["POST"]),
    Route("/v1/mark", _mark, methods=["POST"]),
    Route("/api/v1/performance/upload", _upload, methods=["POST"]),
    Route("/metrics", _metrics, methods=["GET"]),
    Route("/-/healthz", _healthz, methods=["GET"]),
]
