"""What the collector says while it runs."""

from __future__ import annotations

from perfkit.collect.progress import Progress


def test_a_terminal_sees_elapsed_samples_size_and_lateness() -> None:
    said: list[str] = []
    progress = Progress(said.append, 600.0, terminal=True)
    progress.update(75.2, 76, 123_456, 0.0042)
    assert said == ["\r\x1b[K\x1b[36m●\x1b[0m 1 m 15 s of 10 m · 76 samples · 121 KiB · 4.2 ms late"]
    assert progress.due > 75.2


def test_a_log_gets_plain_lines_now_and_then() -> None:
    said: list[str] = []
    progress = Progress(said.append, None)
    progress.update(0.0, 1, 100, 0.0)
    progress.update(600.0, 601, 5_000_000, 0.1)
    assert len(said) == 1
    assert said[0].endswith("Z 10 m · 601 samples · 4.77 MiB · 100.0 ms late\n")
    assert progress.due == 1200.0
