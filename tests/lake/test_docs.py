"""docs/lake.md: what it shows works as it stands there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "lake.md").read_text()
NAME = "vm a/../*=é"


def shown(language: str, word: str) -> str:
    """The only block of `language` on the page that has `word` in it."""
    [block] = [text for text in re.findall(rf"```{language}\n(.*?)```", PAGE, re.S) if word in text]
    return str(block)


@pytest.fixture
def here(lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a lake at site lab in it."""
    shutil.copytree(lake / "host" / "site=%6Eull", tmp_path / "lake" / "host" / "site=lab")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_duckdb_reads_the_lake_without_perfkit(here: Path) -> None:
    [(machine, p99)] = duckdb.sql(shown("sql", "quantile_cont")).fetchall()
    assert machine == NAME
    assert 0 < p99 < 100


def test_pandas_reads_the_lake_without_perfkit(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed: its lines in docs/lake.md were not run")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pandas' lines in docs/lake.md were not run")
    exec(shown("python", "pandas"), {})
    assert NAME in capsys.readouterr().out


def test_spark_reads_the_lake_without_perfkit(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed: its lines in docs/lake.md were not run")
    if shutil.which("java") is None:
        pytest.skip("there is no java: Spark's lines in docs/lake.md were not run")
    exec(shown("python", "pyspark"), {})
    assert NAME in capsys.readouterr().out
