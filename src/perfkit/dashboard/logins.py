"""Checking passwords: off the event loop, few at a time, and fewer the more often they are wrong."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from perfkit.dashboard.users import User, Users
from perfkit.web import Throttle, source_of

ADDRESS_TRIES = 10
NAME_TRIES = 60
"""More than one address gets within any time: only many addresses together can exhaust a name."""
SECONDS_A_TRY = 6.0
AT_ONCE = 2
MOST_WAITING = 64
MOST_OF_ONE = 16
_PAUSE_SECONDS = 1.0
_PASSWORD_CHARACTERS = 1024


class TryLater(Exception):
    """The password was not looked at; it may be tried again in `seconds`."""

    def __init__(self, sentence: str, seconds: float) -> None:
        super().__init__(sentence)
        self.seconds = seconds


class Logins:
    """The logins of one dashboard.

    Every try is counted, for its address and for its name apart, before the costly hash is computed; a right one is given back. Who has
    logged in from an address before is not counted there, and so cannot be locked out by others' guesses: from there the name's
    passwords are checked one after the other, and after too many wrong ones with a pause between them.
    """

    def __init__(self, users: Users, clock: Callable[[], float] = time.monotonic) -> None:
        self._users, self._clock = users, clock
        self._addresses = Throttle(ADDRESS_TRIES, SECONDS_A_TRY)
        self._names = Throttle(NAME_TRIES, SECONDS_A_TRY)
        self._known = Throttle(ADDRESS_TRIES, SECONDS_A_TRY)
        self._threads = ThreadPoolExecutor(AT_ONCE, "password")
        self._waiting: Counter[str] = Counter()
        self._turns: dict[str, asyncio.Lock] = {}

    async def check(self, address: str, name: str, password: str) -> User | None:
        """The user if the password is right, else None. Raises TryLater where too many were wrong, or too many wait."""
        source = source_of(address)
        if self._addresses.is_proven(source, name):
            return await self._check_known(source, name, password)
        now = self._clock()
        wait = self._addresses.take(source, now) or self._names.take(name, now)
        if wait:
            raise TryLater(f"Too many wrong passwords; try again in {wait} s.", wait)
        user = await self._hash(name, password)
        if user is not None:
            self._addresses.give_back(source, now)
            self._names.give_back(name, now)
            self._addresses.prove(source, name)
        return user

    async def _check_known(self, source: str, name: str, password: str) -> User | None:
        pair = f"{source} {name}"
        turn = self._turns.setdefault(pair, asyncio.Lock())
        if self._waiting[pair] >= MOST_OF_ONE:
            raise TryLater("Too many logins at once; try again in a second.", 1)
        self._waiting[pair] += 1
        try:
            async with turn:
                if self._known.take(pair, self._clock()):
                    await asyncio.sleep(_PAUSE_SECONDS)
                user = await self._hash(name, password)
                if user is not None:
                    self._known.give_back(pair, self._clock())
                return user
        finally:
            self._waiting[pair] -= 1
            if not self._waiting[pair]:
                del self._waiting[pair], self._turns[pair]

    async def _hash(self, name: str, password: str) -> User | None:
        if len(password) > _PASSWORD_CHARACTERS:
            return None
        if self._waiting[""] >= MOST_WAITING:
            raise TryLater("Too many logins at once; try again in some seconds.", 5)
        self._waiting[""] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._users.check, name, password)
        finally:
            self._waiting[""] -= 1
