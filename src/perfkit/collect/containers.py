"""Containers and services: found in the tree of control groups, without asking a runtime and without root where the kernel allows.

Path shapes of containers (the id is 64 hexadecimal digits, or the name where there is no other):

    /docker/ID                     /system.slice/docker-ID.scope                docker, cgroupfs and systemd driver
    /libpod_parent/libpod-ID       /machine.slice/libpod-ID.scope               podman
    .../x.service/libpod-payload-ID                                             podman in a unit's own cgroup (Quadlet, --cgroups=split)
    /kubepods/burstable/podUID/ID  /kubepods.slice/.../cri-containerd-ID.scope  Kubernetes on containerd
    .../crio-ID.scope              .../docker-ID.scope                          Kubernetes on CRI-O, on docker
    /default/ID, /k8s.io/ID        .../nerdctl-ID.scope                         containerd itself
    /ecs/TASK/ID, /any/parent/ID                                                whose state knows the id; else containerd
    .../x.slice:cri-containerd:ID                                               a systemd path under the cgroupfs driver
    /lxc/NAME, /lxc.payload/NAME   /lxc.payload.NAME                            LXC, LXD, Incus
    /machine.slice/machine-NAME.scope, systemd-nspawn@NAME.service              systemd-nspawn

Services are systemd's units (`.service`, `.scope`) that are not within another one, each user's slice as a whole, and Kubernetes' pods.
"""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time

from perfkit.collect.cgroups import Cgroup, Gone, Hierarchy
from perfkit.collect.sources import SHORTEST, allow_many_files
from perfkit.collection import escape, line_template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_SHAPE = re.compile(r"(?:(.*)[-:])?([0-9a-f]{64})(?:\.scope)?")
_RUNTIMES = {
    **{"docker": "docker", "libpod": "podman", "libpod-payload": "podman", "crio": "crio"},
    **{"cri-containerd": "containerd", "nerdctl": "containerd"},
}
_GUESSED = "containerd"  # whose cgroups have no prefix; so have those of others below a parent that was chosen for them
_PARENTS = (("/docker", "docker"), ("/libpod", "podman"), ("/buildkit", ""), ("/crio", "crio"))

_LXC = re.compile(r"lxc\.payload\.(.+)")
_NSPAWN = re.compile(r"machine-(?!qemu\\x2d|lxc\\x2d)(.+)\.scope|systemd-nspawn@(.+)\.service")
_USER = re.compile(r"user-\d+\.slice")
_POD = re.compile(r"(?:kubepods.*-)?pod([0-9a-f]{8}[-_0-9a-f]+)(?:\.slice)?")
_ESCAPED = re.compile(r"\\x(?!2f)([0-9a-f]{2})")  # an escaped / stays one: the name is part of a path

_LOOK_EVERY = 1.0  # seconds between two looks whether folders have gained or lost children
_WALK_EVERY = 30.0  # seconds between two walks of the whole tree
_LIMITS_EVERY = 10  # samples
_DEEPEST = 12
# systemd units that are processes, not places for containers
_LEAVES = (".service", ".scope", ".socket", ".mount", ".swap")


def identify(parent: str, name: str) -> tuple[str, str] | None:
    """(runtime, id) of the container whose cgroup is `name` in the folder `parent`; None if it is not one."""
    found = _SHAPE.fullmatch(name)
    if not found:
        return _by_name(parent, name)
    prefix, container_id = (found[1] or "").rpartition(":")[2], found[2]
    by_parent = next((runtime for part, runtime in _PARENTS if part in parent), _GUESSED)
    runtime = _RUNTIMES.get(prefix, "") if prefix else by_parent  # an unknown prefix is a helper, such as libpod-conmon
    return (runtime, container_id) if runtime else None


def _by_name(parent: str, name: str) -> tuple[str, str] | None:
    """The same of runtimes that know a container by its name alone."""
    if parent in ("/lxc", "/lxc.payload"):
        return "lxc", name
    if found := _LXC.fullmatch(name):
        return "lxc", found[1]
    found = _NSPAWN.fullmatch(name) if parent.endswith("/machine.slice") else None
    return ("nspawn", unescape(found[1] or found[2])) if found else None


def unescape(unit: str) -> str:
    """A unit's name without systemd's escapes: `a\\x2db` is `a-b`."""
    return _ESCAPED.sub(lambda code: chr(int(code[1], 16)), unit)


def is_service(name: str) -> bool:
    """Whether a cgroup of that name is a service: a unit, a user's slice, a pod."""
    return name.endswith((".service", ".scope")) or bool(_USER.fullmatch(name) or _POD.fullmatch(name))


class Tree:
    """The cgroup tree's containers, and services where they are wanted.

    Looks only where the number of children has changed, and everywhere now and then.
    """

    def __init__(self, root: str, *, containers: bool = True, services: bool = False) -> None:
        self._root, self._containers, self._services = root, containers, services
        self._children: dict[str, int] = {}  # of the folders below the root in which containers may appear: their link count

    def walk(self) -> dict[str, tuple[str, str]]:
        """Every container and service: path below the root to (runtime, id) and ("", name).

        A container whose id has two cgroups is the deeper one: Kata's hypervisor has another one of the same name near the root.
        """
        self._children.clear()
        found = dict(self._walk("", 0))
        deepest = {one: path for path, one in sorted(found.items(), key=lambda item: item[0].count("/"))}
        return {path: one for path, one in found.items() if not one[0] or deepest[one] == path}

    def changed(self) -> bool:
        """Whether a watched folder has other children than at the last walk."""
        return any(_links(self._root + below) != links for below, links in self._children.items())

    def _walk(self, below: str, depth: int, within: bool = False) -> Iterator[tuple[str, tuple[str, str]]]:
        self._children[below] = _links(self._root + below)
        for name in _folders(self._root + below):
            path = f"{below}/{name}"
            container = identify(below, name)
            if container is not None:
                if self._containers:
                    yield path, container
                continue
            service = self._services and not within and is_service(name)
            if service:
                yield path, ("", name)
            if _links(self._root + path) != 2 and depth < _DEEPEST:
                yield from self._walk(path, depth + 1, within or service)
            elif not name.endswith(_LEAVES):
                self._children[path] = 2


def _links(path: str) -> int:
    """2 and one for each folder inside; 0 where there is none."""
    try:
        return os.stat(path).st_nlink
    except OSError:
        return 0


def _folders(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


class Container:
    """One running container and how its lines begin and end."""

    __slots__ = ("_begin", "_end", "cgroup", "id", "name", "runtime")

    def __init__(self, cgroup: Cgroup, runtime: str, container_id: str) -> None:
        self.cgroup, self.runtime, self.id, self.name = cgroup, runtime, container_id, ""
        self.call("")

    def call(self, name: str) -> None:
        """From now on its lines say `name`."""
        self.name = name
        template = line_template(f"container/{self.runtime}/{self.id[:12] if _SHAPE.fullmatch(self.id) else self.id}")
        begin, _, end = template.rpartition(b"%b")
        self._begin = begin + b'{\\"container_id\\":' + _quoted(self.id) + b',\\"container_name\\":' + _quoted(name)
        self._end = b',\\"inode\\":%d,\\"runtime\\":\\"%b\\"}' % (self.cgroup.inode, self.runtime.encode()) + end

    def line(self, head: bytes, monotonic: float) -> bytes:
        """Its line of the sample whose lines begin with `head`. Raises Gone."""
        fields = self.cgroup.read()
        return b"".join((self._begin % (head, monotonic), *fields, self._end))


class Service:
    """One service. It has a line where it has used the CPU since it was read last, and then `before` says when that was, in seconds of the
    monotonic clock, if not in the sample before.
    """

    __slots__ = ("_begin", "_end", "_looked", "_written", "cgroup", "id", "name", "runtime")

    def __init__(self, cgroup: Cgroup, unit: str) -> None:
        self.cgroup, self.runtime, self.id, self.name = cgroup, "", unit, ""
        self._looked = self._written = 0.0
        self.call(unescape(unit))

    def call(self, name: str) -> None:
        """From now on its lines say `name`."""
        self.name = name
        begin, _, end = line_template(f"service/{name}").rpartition(b"%b")
        self._begin = begin + b'{\\"unit\\":' + _quoted(name)
        self._end = b',\\"inode\\":%d}' % self.cgroup.inode + end

    def line(self, head: bytes, monotonic: float) -> bytes:
        """Its line of the sample whose lines begin with `head`; b"" if it has done nothing. Raises Gone."""
        if self._written and monotonic - self._looked < SHORTEST:
            return b""
        looked, self._looked = self._looked, monotonic
        if self._written and not self.cgroup.has_run():
            return b""
        before = b',\\"before\\":%.6f' % looked if self._written < looked else b""
        self._written = monotonic
        return b"".join((self._begin % (head, monotonic), *self.cgroup.read(), before, self._end))

    def begin_again(self) -> None:
        """Have a line in the next sample, whatever it does."""
        self._written = 0.0


def _quoted(text: str) -> bytes:
    """A text within a measurement, which is JSON within a JSON string: escaped twice; what is % stays so in a template."""
    return escape(b'"%b"' % escape(text.encode())).replace(b"%", b"%%")


class Containers:
    """All containers and services of the machine, as they come and go; `containers` and `services` say which are wanted."""

    def __init__(
        self,
        sys_root: str,
        names: Names,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        containers: bool = True,
        services: bool = False,
    ) -> None:
        self._hierarchy = Hierarchy(sys_root)
        self._tree = Tree(self._hierarchy.root, containers=containers, services=services)
        self._names, self._monotonic = names, monotonic
        self._containers: dict[str, Container | Service] = {}
        self._reads = 0
        self._next_look = self._next_walk = monotonic()
        allow_many_files()  # five to nine are held for each container; those that cannot be are missing from the lines

    def read(self, head: bytes) -> list[bytes]:
        """The lines of the sample whose lines begin with `head`."""
        self._look(self._monotonic())
        self._reads += 1
        if self._reads % _LIMITS_EVERY == 0:
            self._refresh()
        lines: list[bytes] = []
        for path, container in list(self._containers.items()):
            try:
                lines.append(container.line(head, self._monotonic()))
            except Gone:
                self._forget(path)
        return lines

    def _look(self, now: float) -> None:
        if now < self._next_look or not self._hierarchy.root:
            return
        self._next_look = now + _LOOK_EVERY
        if now >= self._next_walk or self._tree.changed():
            self._next_walk = now + _WALK_EVERY
            self._update(self._tree.walk())

    def _update(self, found: dict[str, tuple[str, str]]) -> None:
        for path in set(self._containers) - set(found):
            self._forget(path)
        for path, (runtime, container_id) in found.items():
            if path not in self._containers:
                try:
                    cgroup = Cgroup(self._hierarchy, path)
                except Gone:
                    continue
                self._containers[path] = found_one = self._new(cgroup, runtime, container_id)
                self._name(found_one)

    def _forget(self, path: str) -> None:
        self._containers.pop(path).cgroup.close()
        self._next_walk = 0.0

    def _refresh(self) -> None:
        for container in self._containers.values():
            container.cgroup.read_limits()
            if not container.name:
                self._name(container)

    def _new(self, cgroup: Cgroup, runtime: str, container_id: str) -> Container | Service:
        if not runtime:
            return Service(cgroup, container_id)
        return Container(cgroup, self._names.owner(container_id) if runtime == _GUESSED else runtime, container_id)

    def _name(self, container: Container | Service) -> None:
        name = self._names.of(container.runtime, container.id)
        if name:
            container.call(name)

    def begin_again(self) -> None:
        """Write every service into the next sample, whether it has used anything or not."""
        for one in self._containers.values():
            if isinstance(one, Service):
                one.begin_again()

    def close(self) -> None:
        for path in list(self._containers):
            self._forget(path)


# Names

_DOCKER = "/var/lib/docker/containers"
_TASKS = "/run/containerd/io.containerd.runtime.v2.task"
_DOCKERS_NAMESPACE = "moby"  # in containerd, whose folders may be passed through without root where Docker's may not
_PODS = "/var/log/pods"
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
        if runtime in ("lxc", "nspawn"):
            return container_id
        if not runtime:
            return self._pod(container_id)
        if container_id not in self._known and self._tries.get(container_id, 0) < _TRIES:
            self._tries[container_id] = self._tries.get(container_id, 0) + 1
            name = self._from_files(runtime, container_id)
            if name:
                self._known[container_id] = name
            else:
                self._ask(runtime)
        return self._known.get(container_id, "")

    def owner(self, container_id: str) -> str:
        """The runtime whose state knows a container that its cgroup does not name: docker, which may be given any parent, or containerd."""
        known = (f"{_DOCKER}/{container_id}", f"{_TASKS}/{_DOCKERS_NAMESPACE}/{container_id}")
        return "docker" if any(os.path.exists(self._root + path) for path in known) else _GUESSED

    def _from_files(self, runtime: str, container_id: str) -> str:
        if runtime == "docker":
            found = self._json(f"{_DOCKER}/{container_id}/config.v2.json")
            return _text(found, "Name").lstrip("/")
        if runtime == "podman":
            return self._storage(container_id)
        return self._task(container_id) or self._kubernetes_log(container_id) or self._storage(container_id)

    def _pod(self, unit: str) -> str:
        """NAMESPACE/POD of a pod's cgroup, from the kubelet's folders NAMESPACE_POD_UID; "" of other services."""
        found = _POD.fullmatch(unit)
        uid = found[1].replace("_", "-") if found else ""
        name = next((name for name in _entries(self._root + _PODS) if uid and name.endswith(f"_{uid}")), "")
        return "/".join(name.split("_")[:2])

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
