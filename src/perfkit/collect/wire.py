"""One batch over HTTP: the trickle request of the Go collector, over a connection that is kept."""

from __future__ import annotations

import http.client
import json
import ssl
import zlib
from urllib.parse import urlsplit

from perfkit.errors import BadInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_PATH = "/v1/trickle"
_TIMEOUT = 30.0  # seconds for a connection, and for an answer
_LONGEST_ANSWER = 1 << 16

# What an answer means for its batch
TAKEN, REFUSED, REJECTED, TOO_LARGE, LATER = "taken", "refused", "rejected", "too large", "later"


class Answer:
    """What came of a request: its meaning, the sentence behind it, and how many seconds the receiver asked to wait."""

    __slots__ = ("meaning", "sentence", "wait")

    def __init__(self, meaning: str, sentence: str = "", wait: float = 0.0) -> None:
        self.meaning, self.sentence, self.wait = meaning, sentence, wait


class Receiver:
    """The receiver at `url` (http or https), spoken to with `apikey` as `identifier`.

    Raises BadInput for a URL, a key or a CA file that cannot be used.
    """

    def __init__(self, url: str, apikey: str, identifier: str, cacert: str = "", timeout: float = _TIMEOUT) -> None:
        try:
            parts = urlsplit(url if "//" in url else f"http://{url}")
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            parts, self._host = urlsplit(""), ""
        if parts.scheme not in ("http", "https") or not self._host or parts.username or parts.query:
            raise BadInput(f"{url!r} is no receiver's address; write --server http://HOST:PORT or https://HOST.")
        if not apikey.isascii() or not apikey.isprintable() or not apikey.strip():
            raise BadInput("the API key must be printable ASCII characters; see --apikey and PCC_APIKEY.")
        self._tls = _tls(cacert) if parts.scheme == "https" else None
        self._timeout = timeout
        self._path = parts.path.rstrip("/")
        self._path += "" if self._path.endswith(_PATH) else _PATH
        self._headers = {"apikey": apikey.strip(), "Content-Type": "application/json", "Content-Encoding": "gzip"}
        self._begin = b'{"identifier":' + json.dumps(identifier).encode() + b',"measurements":['
        self._connection: http.client.HTTPConnection | None = None

    @property
    def open_to_all(self) -> bool:
        """Whether the key travels unencrypted to another machine."""
        return self._tls is None and self._host not in ("localhost", "::1") and not self._host.startswith("127.")

    def send(self, lines: Iterable[bytes]) -> Answer:
        """Send collection lines (without newlines) as one batch; never raises for what networks and receivers do."""
        deflater = zlib.compressobj(6, zlib.DEFLATED, 31)
        body = deflater.compress(self._begin + b",".join(lines) + b"]}") + deflater.flush()
        fresh = self._connection is None
        try:
            return self._post(body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            if not fresh:  # a kept connection may have ended meanwhile; that says nothing about the receiver
                return self.send_again(body)
            return Answer(LATER, f"{self._host} cannot be reached ({_words(error)})")

    def send_again(self, body: bytes) -> Answer:
        """The same request on a new connection."""
        try:
            return self._post(body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            return Answer(LATER, f"{self._host} cannot be reached ({_words(error)})")

    def _post(self, body: bytes) -> Answer:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.request("POST", self._path, body, self._headers)
        response = self._connection.getresponse()
        text = response.read(_LONGEST_ANSWER)
        answer = _meaning(response.status, text, response.headers.get("Retry-After", ""))
        if response.will_close or len(text) == _LONGEST_ANSWER:
            self.close()
        return answer

    def _connect(self) -> http.client.HTTPConnection:
        if self._tls:
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._tls)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)

    def close(self) -> None:
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


def _meaning(status: int, text: bytes, retry_after: str) -> Answer:
    """What an HTTP status and the body `{"error": ...}` mean for the batch.

    Only the whole acknowledgement counts as one: a connection that breaks within an answer leaves "200" and no body.
    """
    acknowledged, said = _error(text)
    if status == 200 and acknowledged:
        return Answer(TAKEN)
    sentence = f"HTTP {status}" + (f": {said}" if said else "" if status != 200 else " without an acknowledgement")
    meaning = {400: REJECTED, 401: REFUSED, 403: REFUSED, 413: TOO_LARGE, 422: REJECTED}.get(status, LATER)
    return Answer(meaning, sentence, float(retry_after) if retry_after.isdecimal() else 0.0)


def _error(text: bytes) -> tuple[bool, str]:
    """(whether the body says that there is no error, what error it tells)."""
    try:
        found = json.loads(text)
    except ValueError:
        return False, ""
    if not isinstance(found, dict) or "error" not in found:
        return False, ""
    return found["error"] is None, str(found["error"] or "")[:200]
