"""Who may log in to the dashboard: names, roles and password hashes in one file next to the database."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasette_auth_passwords.utils import hash_password, verify_password

from perfkit import files
from perfkit.errors import BadInput, Failed, reason

VIEWER, ADMIN = "viewer", "admin"
OWNER = "owner"  # who holds the one-time link; no user has this name
ROLES = (VIEWER, ADMIN)
PASSWORD_CHARACTERS = 10
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_VERSION = 1


@dataclass(frozen=True)
class User:
    """One login; `hash` is Django's pbkdf2_sha256 form."""

    name: str
    role: str
    hash: str

    @property
    def stamp(self) -> str:
        """Changes with the password, and ends the sessions that were opened with the old one."""
        return self.hash[-12:]


class Users:
    """The users file at `path`, read again when it changes; a missing one has no users."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: tuple[int, int] | None = None
        self._users: dict[str, User] = {}
        self._secret = ""

    @classmethod
    def beside(cls, database: Path) -> Users:
        """The users of the dashboard over `database`."""
        return cls(database.with_name("users.json"))

    def all(self) -> list[User]:
        """Every user, by name. Raises BadInput for a damaged file."""
        self._refresh()
        return sorted(self._users.values(), key=lambda user: user.name)

    def get(self, name: str) -> User | None:
        """The user `name`, or None."""
        self._refresh()
        return self._users.get(name)

    @property
    def secret(self) -> str:
        """What session cookies are signed with; "" while there are no users."""
        self._refresh()
        return self._secret

    def check_new(self, name: str, role: str) -> None:
        """Raises BadInput for a name or role that no user can have."""
        if not _NAME.fullmatch(name) or name == OWNER:
            raise BadInput(f"{name[:64]!r} cannot be a user's name; use up to 64 letters, digits and . _ @ - (and not {OWNER!r}).")
        if role not in ROLES:
            raise BadInput(f"{role!r} is not a role; use {' or '.join(ROLES)}.")

    def put(self, name: str, role: str, password: str) -> None:
        """Add the user, or change the role and password of the one of that name. Raises BadInput for what cannot be one."""
        self.check_new(name, role)
        if len(password) < PASSWORD_CHARACTERS:
            raise BadInput(f"the password has {len(password)} characters; take at least {PASSWORD_CHARACTERS}.")
        self._refresh()
        self._write({**self._users, name: User(name, role, hash_password(password))})

    def remove(self, name: str) -> None:
        """End the user's logins and sessions. Raises BadInput if there is no such user."""
        self._refresh()
        if name not in self._users:
            raise BadInput(f"there is no user {name[:64]!r}; `users list` shows them.")
        self._write({known: user for known, user in self._users.items() if known != name})

    def check(self, name: str, password: str) -> User | None:
        """The user if the password is right, else None; takes as long for a name that does not exist."""
        user = self.get(name)
        right = verify_password(password, user.hash if user else _nobody())
        return user if right and user else None

    def _refresh(self) -> None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._read, self._users, self._secret = None, {}, ""
            return
        except OSError as error:
            raise Failed(f"{self.path} cannot be read: {reason(error)}.") from error
        if self._read != (status.st_mtime_ns, status.st_ino):
            self._load()
            self._read = (status.st_mtime_ns, status.st_ino)

    def _load(self) -> None:
        try:
            content: dict[str, Any] = json.loads(self.path.read_text("utf-8"))
            if content["version"] > _VERSION:
                raise BadInput(f"{self.path} was written by a newer perfkit; use that one.")
            self._users = {name: User(name, str(user["role"]), str(user["hash"])) for name, user in content["users"].items()}
            self._secret = str(content["secret"])
        except OSError as error:
            raise Failed(f"{self.path} cannot be read: {reason(error)}.") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(f"{self.path} is not a users file of perfkit; move it away and add the users again.") from error

    def _write(self, users: dict[str, User]) -> None:
        content = {
            "version": _VERSION,
            "secret": self._secret or secrets.token_hex(32),
            "users": {user.name: {"role": user.role, "hash": user.hash} for user in users.values()},
        }
        try:
            files.make_folder(self.path.parent)
            files.replace_file(self.path, json.dumps(content, indent=1).encode())
        except OSError as error:
            raise Failed(f"{self.path} cannot be written: {reason(error)}.") from error
        self._read = None


def _nobody() -> str:
    """A hash that no password has, and that costs as much to check as a real one."""
    return "pbkdf2_sha256$480000$00000000000000000000000000000000$" + "A" * 43 + "="
