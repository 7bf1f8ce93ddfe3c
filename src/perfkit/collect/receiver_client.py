"""The receiver as seen from a target: `ping` and `send` over HTTP, over one connection that is kept.

The requests are those of the Go collector, so any of its receivers takes them: perfkit's own, the Go one, the portal. `collect` streams
with it and `preflight --server` proves with it, so that what is proven is what is used.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
import zlib
from urllib.parse import urlsplit

from perfkit.errors import BadInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_TRICKLE, _PING, _MARK = "/v1/trickle", "/v1/ping", "/v1/mark"
_TIMEOUT = 30.0  # seconds for a connection, and for an answer
_LONGEST_ANSWER = 1 << 16
CLOCK_HEADER = "Perfkit-Clock"
"""Of an acknowledgement of perfkit's receiver: when it was made, by the receiver's clock, in seconds since the epoch."""

_FARTHEST = 10**15  # microseconds, some 30 years: what is more is no clock

# What an answer means for what was sent
TAKEN = "taken"  # acknowledged: the receiver has it
REFUSED = "refused"  # the key is not accepted; no batch will be
REJECTED = "rejected"  # the receiver will never take this batch
TOO_LARGE = "too large"  # it takes smaller ones
UNCLEAR = "unclear"  # a success whose body is neither an acknowledgement nor a rejection
LATER = "later"  # no answer, or none of a receiver: try again

_BY_STATUS = {400: REJECTED, 401: REFUSED, 403: REFUSED, 413: TOO_LARGE, 415: REJECTED, 422: REJECTED}
_MAY_BE_THE_GZIP = frozenset({400, 415, 500, 501})  # how a receiver that knows no gzip answers it
_BAD_WORDS = frozenset({"error", "fail", "failed", "failure", "rejected", "refused", "denied", "invalid", "exception", "false"})
_GOOD_WORDS = frozenset({"ok", "okay", "success", "accepted", "stored", "created", "received"})


class Answer:
    """What came of a request.

    meaning   one of the words above; of a ping, TAKEN or LATER
    sentence  the receiver's answer in a few words, or why it did not answer
    wait      seconds that the receiver asked to wait, else 0
    status    the HTTP status; 0 where there was no answer, and then `reason` has the system's words
    location  where a redirection points to, else ""
    body      the answer's JSON object; empty where it is not an object
    """

    __slots__ = ("body", "location", "meaning", "reason", "sentence", "status", "wait")

    def __init__(self, meaning: str, sentence: str = "", wait: float = 0.0) -> None:
        self.meaning, self.sentence, self.wait = meaning, sentence, wait
        self.status, self.location, self.reason = 0, "", ""
        self.body: dict[str, Any] = {}


class ReceiverClient:
    """The receiver at `url` (http or https), spoken to with `apikey` as `identifier`; `url` is its address without the request's path.

    Without a key (None) only `ping` is of use. Raises BadInput for a URL, a key or a CA file that cannot be used; no other method
    raises for what networks and receivers do.
    """

    def __init__(self, url: str, apikey: str | None = None, identifier: str = "", cacert: str = "", timeout: float = _TIMEOUT) -> None:
        try:
            parts = urlsplit(url if "//" in url else f"http://{url}")
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            parts, self._host = urlsplit(""), ""
        if parts.scheme not in ("http", "https") or not self._host or parts.username or parts.query:
            raise BadInput(f"{url!r} is not a receiver's address; write --server http://HOST:PORT or https://HOST.")
        self._headers = {"Content-Type": "application/json"}
        if apikey is not None:
            if not apikey.isascii() or not apikey.isprintable() or not apikey.strip():
                raise BadInput("the API key must be printable ASCII characters; see --apikey-file and PCC_APIKEY.")
            self._headers["apikey"] = apikey.strip()
        self._tls = _tls(cacert) if parts.scheme == "https" else None
        self._timeout = timeout
        path = parts.path.rstrip("/")
        self._path = path[: -len(_TRICKLE)] if path.endswith(_TRICKLE) else path
        self.url = f"{parts.scheme}://{parts.netloc}{self._path}"
        self._begin = b'{"identifier":' + json.dumps(identifier).encode() + b',"measurements":['
        self._connection: http.client.HTTPConnection | None = None
        self._zip, self._zip_is_proven = True, False
        self._clock: tuple[int, int] | None = None

    def take_clock(self) -> tuple[int, int] | None:
        """(how far the receiver's clock is ahead of this machine's, by how much that may be wrong at most), in microseconds.

        Of the answer that tells it most exactly since the last call; None where no answer told it.
        """
        told, self._clock = self._clock, None
        return told

    @property
    def sends_key_in_clear(self) -> bool:
        """Whether the key travels unencrypted to another machine."""
        local = self._host in ("localhost", "::1") or self._host.startswith("127.")
        return "apikey" in self._headers and self._tls is None and not local

    def ping(self) -> Answer:
        """Ask for the receiver's clock: TAKEN if `body["timestamp"]` is a number. Needs no key."""
        headers = {name: value for name, value in self._headers.items() if name != "apikey"}
        answer = self._request(_PING, json.dumps({"timestamp": int(time.time())}).encode(), headers)
        theirs = answer.body.get("timestamp")
        is_pong = answer.status == 200 and isinstance(theirs, (int, float)) and not isinstance(theirs, bool)
        answer.meaning = TAKEN if is_pong else LATER
        return answer

    def mark(self, label: str, kind: str, site: str = "") -> Answer:
        """Ask for a mark in every collector of the key's site, or of `site`: TAKEN if `body["marked"]` lists them.

        perfkit's own receiver alone knows this.
        """
        asked = {"label": label, "kind": kind, **({"site": site} if site else {})}
        answer = self._request(_MARK, json.dumps(asked).encode(), self._headers, again=False)
        if answer.meaning == TAKEN and not isinstance(answer.body.get("marked"), list):
            answer.meaning = UNCLEAR
        return answer

    def send(self, lines: Iterable[bytes]) -> Answer:
        """Send collection lines (without newlines) as one batch.

        It is sent as gzip. Where the receiver does not take that, it is sent again as plain JSON, and so is all that follows.
        """
        body = self._begin + b",".join(lines) + b"]}"
        if self._zip:
            answer = self._send_zipped(body)
            if answer is not None:
                return answer
        answer = self._request(_TRICKLE, body, self._headers)
        if answer.meaning == TAKEN:
            self._zip = False
        return answer

    def _send_zipped(self, body: bytes) -> Answer | None:
        """The answer to the batch as gzip; None if it may have been refused for being gzip."""
        deflater = zlib.compressobj(6, zlib.DEFLATED, 31)
        zipped = deflater.compress(body) + deflater.flush()
        answer = self._request(_TRICKLE, zipped, {**self._headers, "Content-Encoding": "gzip"})
        if answer.meaning == TAKEN:
            self._zip_is_proven = True
            return answer
        doubtful = not self._zip_is_proven and (answer.status in _MAY_BE_THE_GZIP or answer.meaning == REJECTED)
        return None if doubtful or answer.status == 415 else answer

    def _request(self, path: str, body: bytes, headers: dict[str, str], *, again: bool = True) -> Answer:
        """POST on the kept connection; `again` on a new one if that has ended meanwhile, which says nothing about the receiver."""
        kept = self._connection is not None
        try:
            return self._post(self._path + path, body, headers)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            if kept and again:
                return self._request(path, body, headers)
            answer = Answer(LATER, f"{self._host} cannot be reached ({_words(error)})")
            answer.reason = _words(error)
            return answer

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        if self._connection is None:
            self._connection = self._connect()
        wall, began = time.time(), time.monotonic()
        self._connection.request("POST", path, body, headers)
        response = self._connection.getresponse()
        self._compare_clocks(response.headers.get(CLOCK_HEADER, ""), wall, time.monotonic() - began)
        text = response.read(_LONGEST_ANSWER)
        answer = _judge(response, text)
        if response.will_close or len(text) == _LONGEST_ANSWER:
            self.close()
        return answer

    def _compare_clocks(self, theirs: str, sent: float, seconds: float) -> None:
        """The receiver looked at its clock at some time of the `seconds` that its answer took: half of them is the bound."""
        try:
            ahead = float(theirs) - (sent + seconds / 2)
            told = round(ahead * 1e6), round(seconds / 2 * 1e6)
        except (ValueError, OverflowError):
            return
        if abs(told[0]) < _FARTHEST and (self._clock is None or told[1] < self._clock[1]):
            self._clock = told

    def _connect(self) -> http.client.HTTPConnection:
        if self._tls:
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._tls)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)

    def close(self) -> None:
        """End the kept connection; the next request makes a new one."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _tls(cacert: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=cacert or None)
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot read CA certificates from {cacert} ({_words(error)}); give a PEM file with --cacert.") from None


def _words(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


def _judge(response: http.client.HTTPResponse, text: bytes) -> Answer:
    """What a response and its body mean for the batch.

    Only a whole answer acknowledges: a connection that breaks within one can leave "200" and no body.
    """
    status = response.status
    found, meaning, said = _read(text)
    if 200 <= status < 300:
        is_whole = response.chunked or response.length == 0 or status == 204
        may_be_whole = is_whole or response.version == 10 or "close" in response.headers.get("Connection", "").lower()
        if not text.strip():
            meaning = TAKEN if is_whole else UNCLEAR
        if meaning == UNCLEAR and (text.lstrip().startswith(b"<") or not may_be_whole):
            meaning = LATER  # a login page in the way, or half an answer
    else:
        meaning = _BY_STATUS.get(status, LATER)
    answer = Answer(meaning)
    if meaning != TAKEN:
        lack = " without an acknowledgement" if 200 <= status < 300 and (meaning != REJECTED or not said) else ""
        answer.sentence = f"HTTP {status}{lack}" + (f": {said}" if said else "")
    retry_after = response.headers.get("Retry-After", "")
    answer.wait = float(retry_after) if retry_after.isdecimal() else 0.0
    answer.status, answer.location = status, response.headers.get("Location", "")
    answer.body = found if isinstance(found, dict) else {}
    return answer


def _says_no(status: str) -> bool:
    """Whether a status, in words or as HTTP has it, tells of an error: "error: disk full", "500 Internal Server Error"."""
    words = re.findall("[a-z]+|[0-9]+", status)
    if words[:1] in (["no"], ["0"], ["without"]):  # "no error"
        return False
    return not _BAD_WORDS.isdisjoint(words) or (bool(words) and len(words[0]) == 3 and "400" <= words[0] <= "599")


def _read(text: bytes) -> tuple[Any, str, str]:
    """(the body as JSON, what it means as the body of a success, what error it tells)."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        is_word = text.strip().lower().decode("ascii", "replace") in _GOOD_WORDS
        return None, TAKEN if is_word else UNCLEAR, ""
    if not isinstance(found, dict):
        is_word = found is True or found is None or str(found).lower() in _GOOD_WORDS
        return found, TAKEN if is_word else UNCLEAR, ""
    found = {key.lower(): value for key, value in found.items()}
    error, status = found.get("error"), str(found.get("status", "")).lower()
    said = str(error or found.get("message") or found.get("detail") or status)[:200]
    if error or _says_no(status) or _says_no(str(found.get("code", ""))) or False in (found.get("ok"), found.get("success")):
        return found, REJECTED, said
    acknowledges = not found or "error" in found or "status" in found or True in (found.get("ok"), found.get("success"))
    return found, TAKEN if acknowledges else UNCLEAR, said if not acknowledges else ""
