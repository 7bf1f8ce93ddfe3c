"""Containers' names, from what their runtimes keep in files or tell on a socket, where that can be read."""

from __future__ import annotations

import json
import os
import socket
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DOCKER = "/var/lib/docker/containers"
_TASKS = "/run/containerd/io.containerd.runtime.v2.task"
_KUBERNETES_LOGS = "/var/log/containers"
_STORAGES = ("/var/lib/containers/storage", "/run/containers/storage")
_SOCKETS = {"docker": ("/run/docker.sock", "/var/run/docker.sock"), "podman": ("/run/podman/podman.sock",)}
_TIMEOUT = 2.0  # seconds for an answer on a socket
_LARGEST = 16 << 20  # bytes of a file or an answer
_TRIES = 3  # how often a container's name is looked for


class Names:
    """Finds names below the file system's `root` ("" is the real one); remembers what it finds.

    A socket is asked by a thread of its own, so that a runtime that hangs does not stop the sampling: the name is there later.
    """

    def __init__(self, root: str = "") -> None:
        self._root = root
        self._known: dict[str, str] = {}
        self._tries: dict[str, int] = {}
        self._asking: threading.Thread | None = None

    def of(self, runtime: str, container_id: str) -> str:
        """The container's name; "" while it is not known."""
        if container_id not in self._known and self._tries.get(container_id, 0) < _TRIES:
            self._tries[container_id] = self._tries.get(container_id, 0) + 1
            name = self._from_files(runtime, container_id)
            if name:
                self._known[container_id] = name
            else:
                self._ask(runtime)
        return self._known.get(container_id, "")

    def _from_files(self, runtime: str, container_id: str) -> str:
        if runtime == "docker":
            found = self._json(f"{_DOCKER}/{container_id}/config.v2.json")
            return _text(found, "Name").lstrip("/")
        if runtime == "podman":
            return self._storage(container_id)
        return self._task(container_id) or self._kubernetes_log(container_id) or self._storage(container_id)

    def _storage(self, container_id: str) -> str:
        """podman and CRI-O: the list that containers/storage keeps."""
        users = [f"/home/{user}/.local/share/containers/storage" for user in _entries(self._root + "/home")]
        for storage in (*_STORAGES, "/root/.local/share/containers/storage", *users):
            for driver in ("overlay", "vfs", "btrfs", "zfs"):
                known = self._json(f"{storage}/{driver}-containers/containers.json")
                for entry in known if isinstance(known, list) else ():
                    if _text(entry, "id") == container_id and isinstance(entry.get("names"), list):
                        return str((entry["names"] or [""])[0])
        return ""

    def _task(self, container_id: str) -> str:
        """containerd: the annotations of the container's OCI configuration."""
        for namespace in _entries(self._root + _TASKS):
            found = self._json(f"{_TASKS}/{namespace}/{container_id}/config.json")
            notes = found.get("annotations") if isinstance(found, dict) else None
            if isinstance(notes, dict):
                pod, name = _text(notes, "io.kubernetes.cri.sandbox-name"), _text(notes, "io.kubernetes.cri.container-name")
                return "/".join(part for part in (pod, name) if part) or _text(notes, "nerdctl/name")
        return ""

    def _kubernetes_log(self, container_id: str) -> str:
        """Kubernetes: the kubelet's links POD_NAMESPACE_CONTAINER-ID.log, which everybody may list."""
        for name in _entries(self._root + _KUBERNETES_LOGS):
            if name.endswith(f"-{container_id}.log"):
                pod, _, rest = name.partition("_")
                return f"{pod}/{rest.partition('_')[2][: -len(container_id) - 5]}"
        return ""

    def _json(self, path: str) -> Any:
        try:
            with open(self._root + path, "rb") as file:
                return json.loads(file.read(_LARGEST))
        except (OSError, ValueError, RecursionError):
            return None

    # The runtime's socket

    def _ask(self, runtime: str) -> None:
        path = next((self._root + path for path in _SOCKETS.get(runtime, ()) if os.access(self._root + path, os.W_OK)), None)
        if path is not None and (self._asking is None or not self._asking.is_alive()):
            self._asking = threading.Thread(target=self._ask_socket, args=(path,), daemon=True)
            self._asking.start()

    def _ask_socket(self, path: str) -> None:
        try:
            found = json.loads(_get(path, "/containers/json"))
        except (OSError, ValueError, RecursionError):
            return
        for entry in found if isinstance(found, list) else ():
            names = entry.get("Names") if isinstance(entry, dict) else None
            if isinstance(names, list) and names:
                self._known[_text(entry, "Id")] = str(names[0]).lstrip("/")


def _entries(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def _text(value: Any, key: str) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def _get(path: str, target: str) -> bytes:
    """The body of an HTTP/1.0 answer on a Unix socket (which is never chunked). Raises OSError."""
    answer = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_TIMEOUT)
        connection.connect(path)
        connection.sendall(f"GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        while len(answer) < _LARGEST and (data := connection.recv(1 << 16)):
            answer += data
    return answer.partition(b"\r\n\r\n")[2]
