"""A client like `collect`: one batch in flight, sent again until it is acknowledged, in order."""

from __future__ import annotations

import http.client
import json
import threading
import time

PER_BATCH = 5


def sample(second: int) -> list[dict[str, object]]:
    """A machine whose user time follows `busy`: user ticks 1 to 7, idle ticks 10 a second."""
    user, idle = sum(each % 7 + 1 for each in range(second + 1)), 10 * second
    cpu = f"{user} 0 0 {idle} 0 0 0 0 0 0"
    stat = f"cpu  {cpu}\ncpu0 {cpu}\nintr 1\nctxt {second}\nbtime 1\nprocesses 1\nprocs_running 1\nprocs_blocked 0\nsoftirq 1\n"
    memory = "MemTotal: 1000000 kB\nMemFree: 500000 kB\nMemAvailable: 600000 kB\nBuffers: 10000 kB\nCached: 20000 kB\n"
    texts = {"/proc/stat": stat, "/proc/meminfo": memory, "/proc/diskstats": f"8 0 sda {second} 0 {second} 0 0 0 0 0 0 0 0\n"}
    return [{"timestamp": 1_700_000_000 + second, "subsystem": name, "measurement": text} for name, text in texts.items()]


def busy(second: int) -> float:
    """cpu_user of the interval that ends with `second`."""
    return 100 * (second % 7 + 1) / (second % 7 + 1 + 10)


class Sender(threading.Thread):
    """Sends samples 0, 1, 2, ... of `identifier` to the receiver on `port`; `acknowledged` says how many were."""

    def __init__(self, port: int, key: str, identifier: str, pause: float = 0.0) -> None:
        """It rests for `pause` seconds after every batch."""
        super().__init__(daemon=True)
        self.pause = pause
        self.port, self.key, self.identifier = port, key, identifier
        self.taken = 0
        """Samples that exist: what was recorded so far."""
        self.acknowledged = 0
        self.refused: list[int] = []
        self.ending = threading.Event()
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        while not (self.ending.is_set() and self.acknowledged >= self.taken):
            if not self.ending.is_set():
                self.taken += PER_BATCH
            seconds = range(self.acknowledged, min(self.acknowledged + PER_BATCH, self.taken))
            lines = [line for second in seconds for line in sample(second)]
            if self.post(lines) == 200:
                self.acknowledged += len(seconds)
                time.sleep(self.pause)
            else:
                time.sleep(0.05)
        end = {"timestamp": 1_700_000_000 + self.taken, "subsystem": "perfkit/end", "measurement": '{"reason":"signal"}'}
        while self.post([end]) != 200:
            time.sleep(0.05)
        self._disconnect()

    def post(self, lines: list[dict[str, object]]) -> int:
        """The status of the answer; 0 where there was none."""
        body = json.dumps({"identifier": self.identifier, "measurements": lines})
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            self._connection.request("POST", "/v1/trickle", body, {"apikey": self.key})
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._disconnect()
            return 0
        if answer.status != 200:
            self.refused.append(answer.status)
        return answer.status

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
