"""Files sent to be imported."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from perfkit.receive.keys import Key
from perfkit.receive.limits import Limits
from perfkit.receive.refusal import Refused


async def receive_upload(request: Request, limits: Limits, key: Key) -> dict[str, Any]:
    raise Refused(503, "uploads are not taken yet.")
