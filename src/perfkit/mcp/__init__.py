"""The database for agents: a server of the Model Context Protocol on standard input and output, which only reads."""

from __future__ import annotations

from perfkit.mcp.protocol import Tool, answer, serve
from perfkit.mcp.tools import Database

__all__ = ["Database", "Tool", "answer", "serve"]
