"""The manifests of docs/kubernetes.md are whole, and their collectors record when their command lines run as they stand there."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from support.running import wait_for
from support.server import running

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "kubernetes.md").read_text()
MANIFESTS = {one["kind"]: one for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) for one in yaml.safe_load_all(text)}
PODS = {kind: one["spec"].get("template", one)["spec"] for kind, one in MANIFESTS.items()}


def collector(kind: str) -> dict[str, Any]:
    """The container of the manifest that runs perfkit."""
    pod = PODS[kind]
    [one] = [one for one in [*pod.get("initContainers", []), *pod["containers"]] if "/perfkit.pyz" in one.get("command", [])]
    return one


def as_here(kind: str, words: list[str], pyz: Path, folder: Path, **instead: str) -> list[str]:
    """A command line of the collector's container with this machine's paths: each mount is a folder in `folder`."""
    mounts = [mount["mountPath"] for mount in collector(kind)["volumeMounts"] if not mount["mountPath"].startswith(("/sys", "/var/log"))]
    found = []
    for word in words:
        here = {"python3": sys.executable, "/perfkit.pyz": str(pyz)}.get(word, word).replace("$(NODE_NAME)", "node-1")
        for old, new in {**instead, **{mount: f"{folder}{mount}" for mount in mounts}}.items():
            here = re.sub(rf"(^|=){re.escape(old)}(?=/|$)", rf"\g<1>{new}", here)
        found.append(here)
    for mount in mounts:
        (folder / mount[1:]).mkdir(parents=True, exist_ok=True)
    said = [re.sub(r"^--[\w-]+=", "", word) for word in found[2:]]
    assert [one for one in said if one.startswith("/") and not one.startswith(str(folder))] == [], "a path that is not mounted"
    return found


@contextmanager
def started(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The collector while it records; at the end it gets the SIGTERM that a pod's end sends, and ends well."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PCC_", "PYTHONPATH"))}
    log = folder / "log"
    with log.open("wb") as said, subprocess.Popen(command, cwd="/", env=environment, stdout=said, stderr=said) as process:
        try:
            wait_for(lambda: b"Recording" in log.read_bytes() or process.poll() is not None)
            yield process
        finally:
            process.terminate()
    assert process.returncode == 0, log.read_text()


def test_the_manifests_are_whole() -> None:
    assert set(MANIFESTS) == {"DaemonSet", "Pod"}
    daemons = MANIFESTS["DaemonSet"]["spec"]
    assert daemons["selector"]["matchLabels"] == daemons["template"]["metadata"]["labels"]
    for pod in PODS.values():
        containers = [*pod.get("initContainers", []), *pod["containers"]]
        mounted = {mount["name"] for one in containers for mount in one.get("volumeMounts", [])}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_the_sidecar_records_and_its_probe_proves_it(pyz: Path, tmp_path: Path) -> None:
    one = collector("Pod")
    command = as_here("Pod", [*one["command"], *one["args"]], pyz, tmp_path)
    probe = as_here("Pod", one["startupProbe"]["exec"]["command"], pyz, tmp_path)
    assert subprocess.run(probe, capture_output=True, check=False, timeout=250).returncode != 0  # nothing records yet
    with started(command, tmp_path):
        done = subprocess.run([*probe, "--wait", "60s"], capture_output=True, text=True, check=False, timeout=250)
        assert done.returncode == 0, done.stdout + done.stderr
    lines = gzip.decompress((tmp_path / "recording" / "shop.json.gz").read_bytes()).splitlines()
    assert json.loads(lines[-1])["subsystem"] == "perfkit/end"


def test_the_daemon_streams_what_it_records(pyz: Path, tmp_path: Path) -> None:
    with running(tmp_path / "data") as receiver:
        one = collector("DaemonSet")
        server = next(re.findall(r"https://[^/]+", word)[0] for word in one["args"] if word.startswith("--server="))
        command = as_here("DaemonSet", [*one["command"], *one["args"]], pyz, tmp_path, **{server: receiver.url})
        (tmp_path / "etc" / "perfkit" / "apikey").write_text(f"{receiver.key}\n")
        with started(command, tmp_path):
            wait_for(lambda: any(b'"/proc/stat"' in path.read_bytes() for path in receiver.collections("node-1")))
