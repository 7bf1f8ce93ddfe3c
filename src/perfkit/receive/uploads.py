"""Files sent to be imported: taken in here, imported by a process of their own, so that a large one delays nobody.

An upload is a folder under `uploads`: the file, then request.json (from when on it counts), then result.json.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import signal
import threading
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from perfkit import files
from perfkit.collection.gzip import MAGIC, Inflater
from perfkit.errors import PerfkitError, reason
from perfkit.receive.batch import check_name, slug
from perfkit.receive.keys import Key
from perfkit.receive.request import ReceiverLimits, Refused

ENDINGS = (".csv", ".json", ".json.gz")
AT_ONCE = 2
ANSWER_SECONDS = 600.0
_FORGET_SECONDS = 3600.0
_POLL_SECONDS = 0.05
_BYTES_A_DEADLINE = 8 << 20
_LONGEST_FIELD = 1024

ImportFile = Callable[[Path, str, "str | None"], dict[str, Any]]


@dataclass
class Uploads:
    """The receiver's side, over the folder `path`."""

    path: Path
    limits: ReceiverLimits
    site: str | None = None
    """Of a file for which neither the form nor the key names one."""
    running: int = 0

    async def receive(self, request: Request, key: Key) -> dict[str, Any]:
        """Take the multipart form in, wait for its import, and tell what came of it. Raises Refused."""
        if self.running >= AT_ONCE:
            raise Refused(429, f"{AT_ONCE} uploads are being imported; send this one later.", 10)
        self.running += 1
        folder = self.path / secrets.token_hex(8)
        try:
            form = await self._form(request)
            try:
                await asyncio.to_thread(self._hand_over, form, key, folder)
            finally:
                await form.close()
            return await _result(folder)
        finally:
            self.running -= 1
            await asyncio.to_thread(_forget, folder)

    async def _form(self, request: Request) -> FormData:
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise Refused(400, "an upload is multipart/form-data with the parts file, machine_id and optionally site.")
        try:
            async with asyncio.timeout(self.limits.body_seconds) as deadline:
                stream = self._limited(request, deadline)
                parser = MultiPartParser(request.headers, stream, max_files=1, max_fields=4, max_part_size=_LONGEST_FIELD)
                return await parser.parse()
        except TimeoutError:
            raise Refused(408, "the upload is too slow.") from None
        except OSError as error:
            raise Refused(503, f"the upload could not be written: {reason(error)}.", 10) from error
        except MultiPartException as error:
            raise Refused(400, f"the form cannot be read: {error.message.rstrip('.')}.") from None

    async def _limited(self, request: Request, deadline: asyncio.Timeout) -> AsyncGenerator[bytes, None]:
        """The body's chunks, as far as an upload may be long; each moves the deadline by what it may take."""
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self.limits.upload:
                raise Refused(413, f"the upload is larger than {self.limits.upload} bytes.")
            deadline.reschedule((deadline.when() or 0) + self.limits.body_seconds * len(chunk) / _BYTES_A_DEADLINE)
            yield chunk

    def _hand_over(self, form: FormData, key: Key, folder: Path) -> None:
        file, site = form.get("file"), form.get("site") or key.site or self.site
        machine = check_name(form.get("machine_id"), "machine_id")
        if not isinstance(file, UploadFile):
            raise Refused(400, "the part file is missing: send host.csv or a collection.")
        ending = next((ending for ending in reversed(ENDINGS) if (file.filename or "").lower().endswith(ending)), None)
        if ending is None:
            raise Refused(400, f"the file's name must end in {', '.join(ENDINGS)}.")
        if not key.allows(machine) or (key.site and site != key.site):
            raise Refused(403, "this key may not send for that machine_id and site.")
        name = slug((file.filename or "")[: -len(ending)]) + ending
        try:
            _write(folder, name, file, {"file": name, "machine_id": machine, "site": None if site is None else check_name(site, "site")})
        except OSError as error:
            raise Refused(503, f"the upload could not be written: {reason(error)}.", 10) from error


def _write(folder: Path, name: str, file: UploadFile, asked: dict[str, Any]) -> None:
    files.make_folder(folder)
    with (folder / name).open("xb") as copy:
        shutil.copyfileobj(file.file, copy, 1 << 20)
    files.replace_file(folder / "request.json", json.dumps(asked).encode())


async def _result(folder: Path) -> dict[str, Any]:
    end = time.monotonic() + ANSWER_SECONDS
    while not (folder / "result.json").exists():
        if time.monotonic() > end:
            raise Refused(503, "the import takes too long; look at the dashboard whether it arrived before you send it again.", 60)
        await asyncio.sleep(_POLL_SECONDS)
    result: dict[str, Any] = json.loads((folder / "result.json").read_bytes())
    if result["status"] != 201:
        raise Refused(result["status"], result["error"], 10 if result["status"] == 503 else None)
    return {"error": None, **result["imported"]}


def _forget(folder: Path) -> None:
    if not (folder / "request.json").exists() or (folder / "result.json").exists():
        shutil.rmtree(folder, ignore_errors=True)


def run_uploads(path: Path, limits: ReceiverLimits, import_file: ImportFile, on_ready: Callable[[str], None]) -> None:
    """Import what is handed over, one after the other, until SIGTERM; the one at hand is finished.

    `import_file` gets the file, the machine's name and the site, and returns what was imported, ready for JSON.
    """
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    files.make_folder(path)
    on_ready("")
    while not stop.wait(_POLL_SECONDS):
        for request in sorted(path.glob("*/request.json"), key=_age):
            result = request.with_name("result.json")
            with contextlib.suppress(OSError):  # a full disk, or an upload that its sender gave up: it is tried again
                if not result.exists():
                    files.replace_file(result, json.dumps(_import(request, limits, import_file)).encode())
                elif time.time() - result.stat().st_mtime > _FORGET_SECONDS:
                    shutil.rmtree(request.parent, ignore_errors=True)


def _age(request: Path) -> float:
    with contextlib.suppress(OSError):  # its sender has just given up
        return request.stat().st_mtime
    return 0.0


def _import(request: Path, limits: ReceiverLimits, import_file: ImportFile) -> dict[str, Any]:
    try:
        asked = json.loads(request.read_bytes())
        file, machine, site = request.with_name(asked["file"]), asked["machine_id"], asked["site"]
    except (OSError, ValueError, KeyError, TypeError):
        return {"status": 503, "error": "the upload was damaged on the receiver's disk; send it again."}
    try:
        if not _unpacks_to(file, limits.upload):
            return {
                "status": 413,
                "error": f"the file becomes larger than {limits.upload} bytes when it is unpacked, which is this receiver's limit; "
                "raise it with serve --max-upload, or run perfkit import there.",
            }
        return {"status": 201, "imported": import_file(file, machine, site)}
    except PerfkitError as error:
        return {"status": 400 if error.exit_code == 2 else 503, "error": str(error).replace(str(file), file.name)}
    except Exception as error:
        # Whatever a file does to the import, its sender is told, and the next one is imported.
        return {"status": 400, "error": f"the file cannot be imported ({type(error).__name__}: {error})."}


def _unpacks_to(file: Path, limit: int) -> bool:
    """Whether `file`, if it is gzip whatever it is called, becomes at most `limit` bytes; damage is for the import to find."""
    inflater, size = Inflater(salvage=True), 0
    with file.open("rb") as packed:
        if packed.read(len(MAGIC)) != MAGIC:
            return True
        packed.seek(0)
        while data := packed.read(1 << 16):
            for piece in inflater.feed(data):
                size += len(piece)
                if size > limit:
                    return False
    return True
