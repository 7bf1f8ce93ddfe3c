"""JSON-RPC 2.0 as the Model Context Protocol has it on standard input and output: one message a line, nothing else. Standard library.

https://modelcontextprotocol.io/specification/2025-06-18 (basic/lifecycle, basic/transports, server/tools). What an agent asks wrongly of a
tool is the tool's answer, marked as an error, so that it can ask again; what is no message of the protocol is an error of JSON-RPC.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any, NamedTuple

from perfkit import __version__
from perfkit.errors import PerfkitError

VERSIONS = ("2025-06-18", "2025-03-26", "2024-11-05")
"""Of the protocol, the newest first; a client that asks for another is offered the newest."""

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS, INTERNAL = -32700, -32600, -32601, -32602, -32603
_TYPES: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list}

Message = dict[str, Any]


class Tool(NamedTuple):
    """Something to call: {name: JSON schema} of its arguments, which of them have to be there, and what answers with a text.

    `call` raises PerfkitError with a sentence for the agent.
    """

    description: str
    arguments: Mapping[str, Mapping[str, Any]]
    required: Sequence[str]
    call: Callable[[dict[str, Any]], str]


class _Wrong(Exception):
    """A message that is not valid: (code, sentence) of JSON-RPC."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def serve(source: Iterable[bytes], target: IO[bytes], tools: Mapping[str, Tool], instructions: str = "") -> None:
    """Answer every line of `source` on `target`, in their order, until `source` ends."""
    for line in source:
        if not line.strip():
            continue
        said = answer(line, tools, instructions)
        if said is not None:
            target.write(json.dumps(said, separators=(",", ":")).encode() + b"\n")
            target.flush()


def answer(line: bytes, tools: Mapping[str, Tool], instructions: str = "") -> Message | list[Message] | None:
    """What is answered to one line: a response, several to a batch, None to a notification."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return _error(None, PARSE_ERROR, "this line is not JSON; write one message a line.")
    if isinstance(said, list) and said:
        return [found for one in said if (found := _one(one, tools, instructions)) is not None] or None
    return _one(said, tools, instructions)


def _one(said: Any, tools: Mapping[str, Tool], instructions: str) -> Message | None:
    if not isinstance(said, dict) or said.get("jsonrpc") != "2.0" or not isinstance(said.get("method", ""), str):
        return _error(None, INVALID_REQUEST, 'this is no request; write {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}.')
    if "method" not in said or "id" not in said:
        return None  # an answer to what was never asked, or a notification
    try:
        return {"jsonrpc": "2.0", "id": said["id"], "result": _result(said["method"], said.get("params") or {}, tools, instructions)}
    except _Wrong as error:
        return _error(said["id"], error.code, str(error))
    except Exception as error:  # the next question may have an answer
        traceback.print_exc(file=sys.stderr)
        return _error(said["id"], INTERNAL, f"internal error ({type(error).__name__}: {error}).")


def _error(number: Any, code: int, sentence: str) -> Message:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": sentence}}


def _result(method: str, params: Any, tools: Mapping[str, Tool], instructions: str) -> Message:
    if not isinstance(params, dict):
        raise _Wrong(INVALID_PARAMS, "params is not an object.")
    if method == "initialize":
        asked = params.get("protocolVersion")
        return {
            "protocolVersion": asked if asked in VERSIONS else VERSIONS[0],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "perfkit", "version": __version__},
            "instructions": instructions,
        }
    if method == "ping":
        return {}
    if method == "tools/list":
        return {"tools": [_listed(name, tool) for name, tool in tools.items()]}
    if method == "tools/call":
        return _called(params, tools)
    raise _Wrong(NO_METHOD, f"there is no method {method[:60]!r}; there are initialize, ping, tools/list and tools/call.")


def _listed(name: str, tool: Tool) -> Message:
    schema = {"type": "object", "properties": tool.arguments, "required": list(tool.required), "additionalProperties": False}
    hints = {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True, "openWorldHint": False}
    return {"name": name, "description": tool.description, "inputSchema": schema, "annotations": hints}


def _called(params: dict[str, Any], tools: Mapping[str, Tool]) -> Message:
    name, arguments = params.get("name"), params.get("arguments") or {}
    if not isinstance(name, str) or name not in tools:
        raise _Wrong(INVALID_PARAMS, f"there is no tool {str(name)[:60]!r}; there are {', '.join(tools)}.")
    tool = tools[name]
    try:
        text, wrong = _misfit(tool, arguments), True
        if not text:
            text, wrong = tool.call(arguments), False
    except PerfkitError as error:
        text, wrong = str(error), True
    return {"content": [{"type": "text", "text": text}], "isError": wrong}


def _misfit(tool: Tool, arguments: Any) -> str:
    """Why these are no arguments of the tool, in a sentence; "" where they are."""
    if not isinstance(arguments, dict):
        return "arguments is not an object."
    for name in tool.required:
        if name not in arguments:
            return f"{name} is missing: {tool.arguments[name]['description']}"
    for name, value in arguments.items():
        if name not in tool.arguments:
            return f"there is no argument {name[:60]!r}; there are {', '.join(tool.arguments) or 'none'}."
        if not _fits(value, tool.arguments[name]):
            return f"{name} is not of type {tool.arguments[name]['type']}: {tool.arguments[name]['description']}"
    return ""


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    kind = _TYPES[schema["type"]]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        return False
    return not isinstance(value, list) or all(_fits(one, schema["items"]) for one in value)
