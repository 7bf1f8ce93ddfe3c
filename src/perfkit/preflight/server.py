"""Does the way to a receiver work? Ping, key and one test batch, end to end; and does a spool drain."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import ssl
import time
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from perfkit.errors import BadInput, reason
from perfkit.preflight.verdict import FAIL, OK, WARN, Check, Report, Words

_PATIENCE = 10.0
_MOST_ANSWER = 1 << 20
_CLOCKS_APART = 2.0
TEST_SUBSYSTEM = "perfkit/preflight"

WORDS = Words(
    "reachable",
    "NOT usable",
    {
        "ping": "NOT reachable",
        "key": "reachable, but the key is not accepted",
        "batch": "reachable, but it does not take samples",
        "spool": "reachable, but the spool does not drain",
    },
)


class Answer(NamedTuple):
    """Status 0 where there was no answer; then `location` holds the reason."""

    status: int
    location: str
    body: dict[str, Any]


class Receiver:
    """A receiver at a base URL; its answers, never an exception."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(f"{url!r} is no receiver's address; write http://HOST:PORT.")
        self.url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        self._parts = parts

    def post(self, path: str, content: dict[str, Any], headers: dict[str, str]) -> Answer:
        """POST JSON; redirects are not followed."""
        try:
            connection = self._connect()
            try:
                headers = {"Content-Type": "application/json", **headers}
                connection.request("POST", self._parts.path.rstrip("/") + path, json.dumps(content).encode(), headers)
                response = connection.getresponse()
                return Answer(response.status, response.headers.get("Location", ""), _object(response.read(_MOST_ANSWER)))
            finally:
                connection.close()
        except OSError as error:
            return Answer(0, reason(error), {})
        except (http.client.HTTPException, ValueError) as error:
            return Answer(0, f"no HTTP ({type(error).__name__})", {})

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=_PATIENCE, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=_PATIENCE)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def check_server(url: str, apikey: str | None, spool: Path | None = None, wait: float = 5.0) -> Report:
    """Whether the receiver at `url` answers, takes the key and keeps a batch; and whether `spool` drains, if one is named.

    One line of the subsystem perfkit/preflight is left at the receiver. Raises BadInput where `url` is none.
    """
    receiver = Receiver(url)
    checks = [ping(receiver)]
    if checks[0].state != FAIL:
        checks += [batch(receiver, apikey)]
    if spool is not None:
        checks.append(drains(spool, wait))
    return Report(receiver.url, tuple(checks), WORDS)


def ping(receiver: Receiver) -> Check:
    """The receiver answers, and its clock is near ours."""
    sent = time.time()
    answer = receiver.post("/v1/ping", {"timestamp": int(sent)}, {})
    took = time.time() - sent
    if answer.status != 200:
        return _refused("ping", receiver, answer)
    theirs = answer.body.get("timestamp")
    if not isinstance(theirs, (int, float)) or isinstance(theirs, bool):
        return Check("ping", FAIL, "the answer is no ping's", f"{receiver.url} is some other service; use the receiver's address and port.")
    off = theirs - (sent + took / 2)
    if abs(off) > _CLOCKS_APART:
        return Check(
            "ping",
            WARN,
            f"{took * 1000:.0f} ms, its clock is {off:+.0f} s from ours",
            "synchronise both clocks, or their charts will not align.",
        )
    return Check("ping", OK, f"{took * 1000:.0f} ms, clocks agree within {_CLOCKS_APART:g} s")


def _refused(name: str, receiver: Receiver, answer: Answer) -> Check:
    if answer.status == 0:
        cause = (
            f"nothing answers at {receiver.url} ({answer.location}); start perfkit serve there, and open the way (address, port, firewall)."
        )
        return Check(name, FAIL, f"no answer: {answer.location}", cause)
    if 300 <= answer.status < 400:
        cause = f"{receiver.url} sends on to a login page or to https; use the receiver's own address, not the portal's."
        return Check(name, FAIL, f"answered {answer.status} to {answer.location or 'nowhere'}", cause)
    return Check(
        name,
        FAIL,
        f"answered {answer.status}",
        f"{receiver.url} is no receiver, or it is out of order; use the receiver's address and port.",
    )


def batch(receiver: Receiver, apikey: str | None) -> Check:
    """The key is accepted, and one test line is safe on the receiver's disk."""
    if not apikey:
        return Check("key", FAIL, "none was given", "trickle needs a key; make one with perfkit keys add NAME, and set PCC_APIKEY.")
    nonce = secrets.token_hex(16)
    line = {"timestamp": int(time.time()), "subsystem": TEST_SUBSYSTEM, "measurement": nonce}
    answer = receiver.post("/v1/trickle", {"identifier": os.uname().nodename, "measurements": [line]}, {"apikey": apikey})
    if answer.status in _ANSWERS:
        return _ANSWERS[answer.status]
    if answer.status != 200:
        return _refused("batch", receiver, answer)
    if answer.body.get("error") is not None:
        return Check("batch", FAIL, f"refused: {str(answer.body['error'])[:100]}", "the receiver did not keep the test line; see its log.")
    if answer.body.get("echo") == nonce:
        return Check("batch", OK, "key accepted, the test line was read back from its disk")
    return Check("batch", OK, "key accepted, the test line is on its disk (it says)")


_ANSWERS = {
    401: Check(
        "key",
        FAIL,
        "answered 401",
        "the receiver does not know this key; look with perfkit keys list there, or make one with keys add, and set PCC_APIKEY.",
    ),
    429: Check("batch", WARN, "answered 429: too many requests", "the key is throttled for now; try again in a minute."),
    503: Check("batch", FAIL, "answered 503", "the receiver's disk is full, or it is not ready; free space there."),
}


def drains(spool: Path, wait: float) -> Check:
    """What waits in the spool is sent: nothing is left, or the oldest goes within `wait` seconds."""
    first = _waiting(spool)
    if first is None:
        return Check("spool", FAIL, f"{spool} cannot be read", f"{spool} is no spool; name the folder given to collect --spool.")
    deadline = time.monotonic() + wait
    while first and time.monotonic() < deadline:
        now = _waiting(spool) or set()
        if not first & now:
            return Check("spool", OK, f"drains ({len(first)} files went within {wait:g} s)")
        time.sleep(0.1)
    if not first:
        return Check("spool", OK, "empty")
    cause = "the spool does not drain; look at the collector's messages for what the server answers, and check the key and the address."
    return Check("spool", FAIL, f"{len(first)} files wait, none went in {wait:g} s", cause)


def _waiting(spool: Path) -> set[str] | None:
    try:
        return {entry.name for entry in spool.iterdir() if entry.name != "lock" and entry.is_file() and entry.stat().st_size}
    except OSError:
        return None
