"""Who may send: the receiver's own key file, which holds hashes only, and pcd's list of plain keys.

A key reads `pk_<id>_<secret>`. The id finds the record; the SHA-256 of the whole key, whose secret has 256 random bits,
is compared in constant time.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from perfkit import files
from perfkit.errors import BadInput, Failed, reason
from perfkit.receive.batch import check_name
from perfkit.receive.request import Refused

VERSION = 1
SHORTEST_PLAIN = 8
MAX_NAME = 64


def default_key_file() -> Path:
    """$XDG_DATA_HOME/perfkit/keys.json, in ~/.local/share where that is not set."""
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "perfkit" / "keys.json"


def pcd_key_file() -> Path:
    """Where pcd keeps its keys: $PCD_APIKEYS_FILE, else apikeys in $PCD_HOME, else ~/.pcd/apikeys."""
    named, home = os.environ.get("PCD_APIKEYS_FILE"), os.environ.get("PCD_HOME")
    return Path(named) if named else Path(home or Path.home() / ".pcd") / "apikeys"


@dataclass(frozen=True)
class Key:
    """One key's record. Times are whole Unix seconds."""

    id: str
    name: str
    sha256: str
    created: int
    expires: int | None = None
    site: str | None = None
    identifiers: tuple[str, ...] = ()
    """Whom it may speak for; empty: anyone."""

    def allows(self, identifier: str) -> bool:
        return not self.identifiers or identifier in self.identifiers


class KeyFile:
    """The key file at `path` (0600). The dashboard's tokens are keys in a file of their own; `what` it holds is for sentences alone."""

    def __init__(self, path: Path, what: str = "key") -> None:
        self.path, self.what = path, what

    def read(self) -> list[Key]:
        """All keys, in the order they were added. Raises Failed for a file that is damaged or newer than this perfkit."""
        try:
            content = orjson.loads(self.path.read_bytes())
            if content["version"] != VERSION:
                raise Failed(f"{self.path} was written by a newer perfkit (version {content['version']}); update perfkit.")
            return [Key(**(record | {"identifiers": tuple(record["identifiers"])})) for record in content["keys"]]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Failed(f"cannot read {self.path}: {reason(error)}.") from error
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise Failed(f"{self.path} is damaged ({error}); restore it, or remove it and add the {self.what}s again.") from error

    def add(self, name: str, *, site: str | None = None, expires: int | None = None, identifiers: tuple[str, ...] = ()) -> str:
        """A new key, which nobody can read again later. Raises BadInput if the name is taken or no name."""
        if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
            raise BadInput(f"{name!r} cannot be a {self.what}'s name; use 1 to {MAX_NAME} printable characters.")
        try:
            for what, said in (("the site", site), *(("the identifier", each) for each in identifiers)):
                if said is not None:
                    check_name(said, what)
        except Refused as refused:
            raise BadInput(refused.sentence) from None
        identity = secrets.token_hex(4)
        key = f"pk_{identity}_{secrets.token_urlsafe(32)}"
        with self._locked() as keys:
            if any(known.name == name for known in keys):
                raise BadInput(f"there is a {self.what} named {name!r} already; revoke it first, or take another name.")
            keys.append(Key(identity, name, _digest(key), int(time.time()), expires, site, identifiers))
        return key

    def revoke(self, name: str) -> None:
        """Take the key `name` away; a running server refuses it from its next request on. Raises BadInput if there is none."""
        with self._locked() as keys:
            rest = [key for key in keys if key.name != name]
            if len(rest) == len(keys):
                raise BadInput(f"there is no {self.what} named {name!r}; `perfkit {self.what}s list` shows all.")
            keys[:] = rest

    @contextlib.contextmanager
    def _locked(self) -> Iterator[list[Key]]:
        """The keys, to change: written back when the block ends well. Two that change them at once wait for each other."""
        try:
            files.make_folder(self.path.parent)
            lock = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Failed(f"cannot write {self.path}: {reason(error)}.") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = self.read()
            yield keys
            records = [asdict(key) for key in keys]
            files.replace_file(self.path, orjson.dumps({"version": VERSION, "keys": records}, option=orjson.OPT_INDENT_2) + b"\n")
        except OSError as error:
            raise Failed(f"cannot write {self.path}: {reason(error)}.") from error
        finally:
            os.close(lock)


class KeyRing:
    """The keys as a running server sees them: both files are read again when they have changed.

    A key file that becomes unreadable is left aside, and the keys read before stay valid, until it changes again.
    """

    def __init__(self, file: KeyFile, plain: Path | None = None) -> None:
        """Raises Failed for a key file that cannot be read now."""
        self._file, self._plain = file, plain
        self._seen: tuple[object, ...] = ()
        self._by_id: dict[str, Key] = {}
        self._plain_digests: list[bytes] = []
        self._read()

    def check(self, presented: str, now: float) -> Key | None:
        """The key that `presented` is, unless it has expired; None for anything else."""
        self._refresh()
        digest = _digest(presented)
        parts = presented.split("_", 2)
        known = self._by_id.get(parts[1]) if len(parts) == 3 and parts[0] == "pk" else None
        if known and hmac.compare_digest(known.sha256, digest) and (known.expires is None or now < known.expires):
            return known
        matches = [hmac.compare_digest(plain, digest.encode()) for plain in self._plain_digests]
        return Key(digest[:8], "apikeys", digest, 0) if any(matches) else None

    def count(self) -> int:
        """How many keys there are."""
        self._refresh()
        return len(self._by_id) + len(self._plain_digests)

    def _refresh(self) -> None:
        if self._seen != (_stamp(self._file.path), _stamp(self._plain)):
            with contextlib.suppress(Failed):
                self._read()

    def _read(self) -> None:
        self._seen = (_stamp(self._file.path), _stamp(self._plain))
        self._by_id = {key.id: key for key in self._file.read()}
        self._plain_digests = _read_plain(self._plain)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found else None


def _read_plain(path: Path | None) -> list[bytes]:
    """Digests of pcd's keys: one a line, 8 characters or more, blank lines and # comments aside."""
    try:
        lines = path.read_text("utf-8", "surrogateescape").splitlines() if path else []
    except OSError:
        return []
    keys = [line.strip() for line in lines if not line.lstrip().startswith("#")]
    return [_digest(key).encode() for key in keys if len(key) >= SHORTEST_PLAIN]
