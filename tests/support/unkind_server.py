"""A receiver that fails on purpose: it plays a script of answers, one a request, and then takes everything."""

from __future__ import annotations

import contextlib
import gzip
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

OK = (200, {}, b'{"error":null}')
ACKNOWLEDGEMENTS = (OK[2], b"{}", b'{"status":"ok"}', b'{"status":"0 errors","code":200}', b"")  # of pcd, of the portal, of others


class UnkindServer(ThreadingHTTPServer):
    """`script` holds (status, headers, body) or "hang up", "half an answer", "half a body", "nonsense", "never answer".

    One that `refuses_gzip` answers every gzip request with that status, and takes it out of no script.
    """

    daemon_threads = True

    def __init__(self, script: list[Any], tls: tuple[Path, Path] | None = None, refuses_gzip: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = list(script)
        self.refuses_gzip = refuses_gzip
        self.requests: list[dict[str, Any]] = []  # what came: headers, path, body, and the status that was given
        self.taken: list[dict[str, Any]] = []  # measurements that were acknowledged, in order
        self.connections = 0
        self.released = threading.Event()
        self.tls = tls is not None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: Any) -> None:
        """Connections end in every way here; that is the point."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: UnkindServer

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        zipped = self.headers["Content-Encoding"] == "gzip"
        document = json.loads(gzip.decompress(body) if zipped else body)
        if zipped and self.server.refuses_gzip:
            answer: Any = (self.server.refuses_gzip, {}, b'{"error":"invalid character"}')
        else:
            answer = self.server.script.pop(0) if self.server.script else OK
        self.server.requests.append({"path": self.path, "headers": dict(self.headers), "body": document, "answer": answer})
        if isinstance(answer, str):
            self.misbehave(answer)
            return
        status, headers, text = answer
        if status == 200 and text in ACKNOWLEDGEMENTS:
            self.server.taken += document.get("measurements", [])  # a ping has none
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def misbehave(self, how: str) -> None:
        if how == "half an answer":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
        elif how == "half a body":
            self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"err')
        elif how == "nonsense":
            self.wfile.write(b"\x16\x03\x01 garbage\r\n\r\n")
        elif how == "never answer":
            self.server.released.wait(60)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextlib.contextmanager
def serving(*script: Any, tls: tuple[Path, Path] | None = None, refuses_gzip: int = 0) -> Iterator[UnkindServer]:
    server = UnkindServer(list(script), tls, refuses_gzip)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
