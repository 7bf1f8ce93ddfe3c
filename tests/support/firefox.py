"""Firefox without a screen and without a network, driven by the protocol that it speaks itself (Marionette)."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.running import wait_for

PROGRAM = shutil.which("firefox-esr") or shutil.which("firefox")
_SETTINGS = {
    "marionette.port": 0,
    "network.proxy.type": 1,  # whatever is asked for goes to a port at which nobody listens
    **{f"network.proxy.{kind}": "127.0.0.1" for kind in ("http", "ssl", "socks")},
    **{f"network.proxy.{kind}_port": 9 for kind in ("http", "ssl", "socks")},
    "network.proxy.allow_hijacking_localhost": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
}


class Firefox:
    """One window of it."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=300)
        self._input = self._connection.makefile("rb")
        self._read()  # says who it is
        self._calls = 0
        self.call("NewSession", capabilities={"alwaysMatch": {"timeouts": {"script": 120_000, "pageLoad": 120_000}}})

    def call(self, command: str, **parameters: Any) -> Any:
        """The answer to a WebDriver command. Raises AssertionError with Firefox's words where it fails."""
        self._calls += 1
        message = json.dumps([0, self._calls, f"WebDriver:{command}", parameters]).encode()
        self._connection.sendall(b"%d:%b" % (len(message), message))
        _, _, error, result = self._read()
        assert error is None, error
        return result

    def _read(self) -> Any:
        size = b""
        while not size.endswith(b":"):
            one = self._input.read(1)
            assert one, "Firefox has gone"
            size += one
        return json.loads(self._input.read(int(size[:-1])))

    def close(self) -> None:
        self._input.close()
        self._connection.close()

    def open(self, url: str) -> None:
        self.call("Navigate", url=url)

    def ask(self, expression: str) -> Any:
        """What the JavaScript expression gives in the page."""
        return self.call("ExecuteScript", script=f"return {expression};", args=[])["value"]

    def wait(self, expression: str) -> None:
        """Return when the expression is true in the page."""
        wait_for(lambda: self.ask(f"Boolean({expression})"))

    def paper(self) -> bytes:
        """The page on A4, a PDF."""
        return base64.b64decode(self.call("Print", page={"width": 21.0, "height": 29.7})["value"])


@contextmanager
def running(folder: Path) -> Iterator[Firefox]:
    """A Firefox with a profile of its own in `folder`, until the block ends."""
    assert PROGRAM
    (folder / "user.js").write_text("".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _SETTINGS.items()))
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}
    command = [PROGRAM, "--headless", "--marionette", "--profile", str(folder), "--width", "1440", "--height", "900"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            port = folder / "MarionetteActivePort"
            wait_for(lambda: (port.exists() and port.read_text().strip()) or process.poll() is not None)
            browser = Firefox(int(port.read_text()))
            try:
                yield browser
            finally:
                browser.close()
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
