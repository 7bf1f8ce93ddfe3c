"""The one way in which a request is turned down: a status, a sentence, and sometimes when to come back."""

from __future__ import annotations


class Refused(Exception):
    """A request that gets `status` and `{"error": sentence}`; `retry_after` (seconds) becomes the Retry-After header."""

    def __init__(self, status: int, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.retry_after = retry_after
