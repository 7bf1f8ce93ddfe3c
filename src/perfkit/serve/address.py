"""Where a server listens."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

from perfkit.errors import BadInput, Failed, reason
from perfkit.units import is_loopback

_BACKLOG = 4096
_LARGEST_PORT = 65535
_PORT_DIGITS = 5
EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - only where the user asks for it


@dataclass(frozen=True)
class Address:
    """A host and a port to listen on; port 0 takes a free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, option: str) -> Address:
        """Of "127.0.0.1:8080", "[::1]:8080" or ":8080" (every address). Raises BadInput, which names `option`."""
        host, colon, port = text.rpartition(":")
        if not (colon and port.isascii() and port.isdigit() and len(port) <= _PORT_DIGITS and int(port) <= _LARGEST_PORT):
            raise BadInput(f"{option} {text!r} is not an address to listen on; write 127.0.0.1:8080.")
        return cls(host.strip("[]") or EVERY_ADDRESS[0], int(port))

    @property
    def loopback(self) -> bool:
        """Whether this machine alone can reach it."""
        return is_loopback(self.host)

    def bind(self, option: str) -> socket.socket:
        """The listening socket. Raises Failed where the address is taken or not ours."""
        where = f"{self.host}:{self.port}"
        try:
            family = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0][0]
            listener = socket.create_server((self.host, self.port), family=family, backlog=_BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Failed(f"{where} is in use; stop what listens there, or take another port with {option}.") from error
            raise Failed(f"cannot listen on {where}: {reason(error)}; name another address with {option}.") from error
        except UnicodeError as error:
            raise Failed(f"cannot listen on {where}: it is not a host's name; name another address with {option}.") from error
        # An answer goes out as head and body: the kernel would hold the body back until the head is acknowledged, 40 ms later.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener

    def url(self, listener: socket.socket, tls: bool) -> str:
        """How another program reaches it."""
        host = socket.gethostname() if self.host in EVERY_ADDRESS else self.host
        return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
