"""Containers: found in the tree of control groups, without asking a runtime and without root where the kernel allows.

Path shapes (the id is 64 hexadecimal digits):

    /docker/ID                     /system.slice/docker-ID.scope                docker, cgroupfs and systemd driver
    /libpod_parent/libpod-ID       /machine.slice/libpod-ID.scope               podman
    /kubepods/burstable/podUID/ID  /kubepods.slice/.../cri-containerd-ID.scope  Kubernetes on containerd
    .../crio-ID.scope              .../docker-ID.scope                          Kubernetes on CRI-O, on docker
    /default/ID, /k8s.io/ID        .../nerdctl-ID.scope                         containerd itself
    .../x.slice:cri-containerd:ID                                               a systemd path under the cgroupfs driver
"""

from __future__ import annotations

import os
import re
import resource
import time

from perfkit.collect.cgroups import Cgroup, Gone, Hierarchy
from perfkit.collection import escape, line_template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from perfkit.collect.container_names import Names

_SHAPE = re.compile(r"(?:(.*)[-:])?([0-9a-f]{64})(?:\.scope)?")
_RUNTIMES = {"docker": "docker", "libpod": "podman", "cri-containerd": "containerd", "nerdctl": "containerd", "crio": "crio"}
_PARENTS = (("/docker", "docker"), ("/libpod", "podman"), ("/buildkit", ""), ("/crio", "crio"))

_LOOK_EVERY = 1.0  # seconds between two looks whether folders have gained or lost children
_WALK_EVERY = 30.0  # seconds between two walks of the whole tree
_LIMITS_EVERY = 10  # samples
_DEEPEST = 12
# systemd units that are processes, not places for containers
_LEAVES = (".service", ".scope", ".socket", ".mount", ".swap")


def identify(parent: str, name: str) -> tuple[str, str] | None:
    """(runtime, id) of the container whose cgroup is `name` in the folder `parent`; None if it is none."""
    found = _SHAPE.fullmatch(name)
    if not found:
        return None
    prefix, container_id = (found[1] or "").rpartition(":")[2], found[2]
    by_parent = next((runtime for part, runtime in _PARENTS if part in parent), "containerd")
    runtime = _RUNTIMES.get(prefix, "") if prefix else by_parent  # an unknown prefix is a helper, such as libpod-conmon
    return (runtime, container_id) if runtime else None


class Tree:
    """The cgroup tree's containers. Looks only where the number of children has changed, and everywhere now and then."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._children: dict[str, int] = {}  # of the folders below the root in which containers may appear: their link count

    def walk(self) -> dict[str, tuple[str, str]]:
        """Every container: path below the root to (runtime, id)."""
        self._children.clear()
        return dict(self._walk("", 0))

    def changed(self) -> bool:
        """Whether a watched folder has other children than at the last walk."""
        return any(_links(self._root + below) != links for below, links in self._children.items())

    def _walk(self, below: str, depth: int) -> Iterator[tuple[str, tuple[str, str]]]:
        self._children[below] = _links(self._root + below)
        for name in _folders(self._root + below):
            path = f"{below}/{name}"
            container = identify(below, name)
            if container is not None:
                yield path, container
            elif _links(self._root + path) != 2 and depth < _DEEPEST:
                yield from self._walk(path, depth + 1)
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
        template = line_template(f"container/{self.runtime}/{self.id[:12]}")
        begin, _, end = template.rpartition(b"%b")
        # The measurement is JSON text within a JSON string: what is escaped once is escaped again.
        name_text = escape(b'"%b"' % escape(name.encode())).replace(b"%", b"%%")
        self._begin = begin + b'{\\"container_id\\":\\"' + self.id.encode() + b'\\",\\"container_name\\":' + name_text
        self._end = b',\\"inode\\":%d,\\"runtime\\":\\"%b\\"}' % (self.cgroup.inode, self.runtime.encode()) + end

    def line(self, head: bytes, monotonic: float) -> bytes:
        """Its line of the sample whose lines begin with `head`. Raises Gone."""
        fields = self.cgroup.read()
        return b"".join((self._begin % (head, monotonic), *fields, self._end))


class Containers:
    """All containers of the machine, as they come and go."""

    def __init__(self, sys_root: str, names: Names, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._hierarchy = Hierarchy(sys_root)
        self._tree = Tree(self._hierarchy.root)
        self._names, self._monotonic = names, monotonic
        self._containers: dict[str, Container] = {}
        self._reads = 0
        self._next_look = self._next_walk = monotonic()
        _allow_many_files()

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
                    self._containers[path] = Container(Cgroup(self._hierarchy, path), runtime, container_id)
                except Gone:
                    continue
                self._name(self._containers[path])

    def _forget(self, path: str) -> None:
        self._containers.pop(path).cgroup.close()
        self._next_walk = 0.0

    def _refresh(self) -> None:
        for container in self._containers.values():
            container.cgroup.read_limits()
            if not container.name:
                self._name(container)

    def _name(self, container: Container) -> None:
        name = self._names.of(container.runtime, container.id)
        if name:
            container.call(name)

    def close(self) -> None:
        for path in list(self._containers):
            self._forget(path)


def _allow_many_files() -> None:
    """Five to nine files are held open for each container."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        pass  # those that cannot be held open are missing from the lines
