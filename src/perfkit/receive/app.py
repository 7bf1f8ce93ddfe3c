"""The receiver's addresses, as an ASGI app. Each answers JSON; an error is `{"error": "a sentence"}`."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from perfkit.receive.access import AccessLog
from perfkit.receive.batch import Batch, parse_batch
from perfkit.receive.body import Memory, read_body
from perfkit.receive.keys import Key, KeyRing
from perfkit.receive.limits import Limits
from perfkit.receive.metrics import Metrics
from perfkit.receive.probe import is_probe, read_back
from perfkit.receive.refusal import Refused
from perfkit.receive.throttle import Throttle
from perfkit.receive.uploads import Uploads
from perfkit.receive.writer import Writer

PING_BODY = 4096
_CLIENT_GONE = 499
_DRAIN_SECONDS = 3.0


@dataclass
class Receiver:
    """What the addresses share."""

    writer: Writer
    keys: KeyRing
    uploads: Uploads
    limits: Limits
    access: AccessLog
    metrics: Metrics = field(default_factory=Metrics)
    throttle: Throttle = field(default_factory=Throttle)

    def __post_init__(self) -> None:
        self.memory = Memory(self.limits.in_flight)


def make_app(receiver: Receiver) -> Callable[..., Awaitable[None]]:
    """The ASGI app over `receiver`."""
    app = Starlette(routes=ROUTES, exception_handlers={Refused: _refuse, HTTPException: _no_such, ClientDisconnect: _gone})
    app.state.receiver = receiver
    return receiver.access.around(app, receiver.metrics)


async def _ping(request: Request) -> Response:
    receiver = _receiver(request)
    origin = 0
    if request.method == "POST":
        with receiver.memory.share() as share:
            body = await read_body(request, Limits(body=PING_BODY, unpacked=PING_BODY, body_seconds=receiver.limits.body_seconds), share)
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
        if is_probe(batch):
            return await _echo(receiver, batch)
        stored = await asyncio.wrap_future(receiver.writer.submit(batch, key.site))
    receiver.metrics.stored(stored, len(body))
    request.state.log = {"identifier": batch.identifier, "lines": stored.new, "repeated": stored.repeated}
    return _json({"error": None})


async def _echo(receiver: Receiver, batch: Batch) -> Response:
    receiver.writer.check_space()
    stored = await asyncio.to_thread(read_back, receiver.writer.root, batch.lines[0].text)
    return _json({"error": None, "echo": orjson.loads(stored)["measurement"]})


async def _upload(request: Request) -> Response:
    receiver = _receiver(request)
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    key = _key(request, presented.strip() if scheme.lower() == "bearer" else "")
    return _json(await receiver.uploads.receive(request, key), 201)


async def _metrics(request: Request) -> Response:
    """For a Prometheus on this machine without a key; from anywhere else with any valid one."""
    receiver = _receiver(request)
    if not _is_loopback(_address(request)) or "x-forwarded-for" in request.headers:
        scheme, _, presented = request.headers.get("authorization", "").partition(" ")
        _key(request, presented.strip() if scheme.lower() == "bearer" else "")
    return Response(receiver.metrics.text(receiver.writer), media_type=Metrics.CONTENT_TYPE)


async def _healthz(request: Request) -> Response:
    return _json({"status": "ok"})


def _key(request: Request, presented: str) -> Key:
    """The valid key that was presented. Raises Refused: 401, or 429 for an address with too many wrong ones."""
    receiver, address, now = _receiver(request), _address(request), time.monotonic()
    key = receiver.keys.check(presented, time.time()) if presented else None
    wait = receiver.throttle.held_back(address, key.id if key else None, now) if presented else None
    if wait is not None:
        raise Refused(429, "too many wrong keys from this address.", wait)
    if key is None:
        if presented:
            receiver.throttle.failed(address, now)
        raise Refused(401, "the key is missing, wrong, expired or revoked.")
    receiver.throttle.succeeded(address, key.id)
    request.state.key = key.name
    return key


def _receiver(request: Request) -> Receiver:
    receiver: Receiver = request.app.state.receiver
    return receiver


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


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
    Route("/api/v1/performance/upload", _upload, methods=["POST"]),
    Route("/metrics", _metrics, methods=["GET"]),
    Route("/-/healthz", _healthz, methods=["GET"]),
]
