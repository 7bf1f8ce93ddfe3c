"""Lakes that are no folder: what fsspec has, and S3 as a server speaks it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfkit.errors import BadInput
from perfkit.lake.compaction import compact
from perfkit.lake.place import RemoteLake, open_lake
from perfkit.lake.query import ask
from support.running import ENVIRONMENT, perfkit, wait_for

from .conftest import files, put, rows

S3 = all(importlib.util.find_spec(name) for name in ("moto", "flask", "s3fs"))


def upload(lake: Path, url: str) -> None:
    """The files of a lake of this machine, in another one."""
    there = open_lake(url)
    with there.writing() as folder:
        for path in files(lake):
            there.publish(Path(shutil.copy(lake / path, folder / "file")), path)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which s3://bucket is a bucket of moto's server."""
    if not S3:
        pytest.skip("moto[server] and s3fs are not installed: no S3 server was tried")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1"}
    log = (tmp_path_factory.mktemp("s3") / "log").open("wb")
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", str(port)], stdout=log, stderr=log, env=os.environ | environment)
    try:
        wait_for(lambda: _answers(port), 120)
        make = "import s3fs; s3fs.S3FileSystem().mkdir('bucket')"
        subprocess.run([sys.executable, "-c", make], env=os.environ | environment, check=True)
        yield environment
    finally:
        server.kill()
        server.wait()
        log.close()


def _answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def test_a_lake_of_fsspec_is_read_compacted_and_shut_in(lake: Path, collection: Path) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed: no URL was tried")
    url = "memory://bucket/lake"
    with pytest.raises(BadInput, match="there is no lake at memory"):
        open_lake(url, must_exist=True)
    put(url, collection, site="null")
    assert rows(url) == rows(lake)
    assert {file.path for file in open_lake(url).files()} == files(lake).keys()
    upload(lake, "memory://bucket/other")
    with pytest.raises(BadInput, match="outside of the lake"), ask(open_lake(url), "FROM glob('memory://bucket/other/**')") as answer:
        list(answer.rows)
    one = next(file for file in open_lake(url).files("host"))
    there = open_lake(url)
    assert isinstance(there, RemoteLake)
    there._fs.copy(f"/bucket/lake/{one.path}", f"/bucket/lake/{one.path.replace(one.writer, 'ab')}")
    assert rows(url) == rows(lake)
    assert compact(open_lake(url)).partitions == 1
    assert rows(url) == rows(lake)


def test_s3_as_a_server_speaks_it(s3: dict[str, str], lake: Path, collection: Path, tmp_path: Path) -> None:
    environment = ENVIRONMENT | s3
    for _ in range(2):  # the second takes the place of the first
        done = perfkit("process", collection, "--lake", "s3://bucket/lake", "--site", "null", cwd=tmp_path, env=environment)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"In the lake s3://bucket/lake: {len(files(lake))} files." in done.stdout
    sql = "SELECT count(*) AS n, sum(cpu_busy) AS busy FROM host"
    asked = perfkit("query", sql, "--lake", "s3://bucket/lake", "--format", "csv", cwd=tmp_path, env=environment)
    own = perfkit("query", sql, "--lake", lake, "--format", "csv", cwd=tmp_path)
    assert (asked.returncode, asked.stderr, asked.stdout) == (0, "", own.stdout)
    compacted = perfkit("lake", "compact", "s3://bucket/lake", cwd=tmp_path, env=environment)
    assert compacted.stdout.startswith("Nothing to do"), compacted.stderr
    nobody = perfkit("query", sql, "--lake", "s3://none/lake", cwd=tmp_path, env=environment)
    assert (nobody.returncode, "Traceback" in nobody.stderr) == (2, False)


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    for name in ("s3fs", "fsspec"):
        (tmp_path / f"{name}.py").write_text("raise ImportError\n")
    environment = ENVIRONMENT | {"PYTHONPATH": f"{tmp_path}:{ENVIRONMENT['PYTHONPATH']}"}
    done = perfkit("query", "SELECT 1", "--lake", "s3://bucket/lake", cwd=tmp_path, env=environment)
    assert done.returncode == 2
    assert "needs the package s3fs, which perfkit does not carry; run pip install --target FOLDER 's3fs'" in done.stderr
