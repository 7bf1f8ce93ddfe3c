"""Where the desk tier is unpacked: whole or not at all, by us alone, once, and cleared out without hurting who uses it."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from perfkit.bootstrap import cache, tier
from perfkit.errors import BadInput, Failed

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount or to be another user")

Carried = tuple[str, dict[str, Any]]


def carry(folder: Path, content: bytes = b"VALUE = 1\n") -> Carried:
    """A file with one open module and one wheel, as build_zipapp makes them, and its manifest's entry."""
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as inner:
        inner.writestr("package/__init__.py", content)
        inner.writestr("package/data/big.bin", content * 1000)
    archive = folder / "file.pyz"
    with zipfile.ZipFile(archive, "w") as outer:
        outer.writestr("__main__.py", "print('here')\n")
        outer.writestr("bytecode/cpython-311/package/__init__.pyc", b"for the zip alone")
        outer.writestr("desk/any/package.whl", wheel.getvalue())
        outer.writestr("desk/manifest.json", "{}")
    sizes = len("print('here')\n") + len(content) * 1001
    digest = hashlib.sha256(content).hexdigest()[:24]
    return str(archive), {"digest": digest, "wheels": ["desk/any/package.whl"], "files": 3, "bytes": sizes}


@pytest.fixture
def carried(tmp_path: Path) -> Carried:
    return carry(tmp_path)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def unpacked(carried: Carried, base: Path) -> Path:
    return Path(cache.unpacked(*carried, {"PERFKIT_CACHE": str(base)}))


def unlocked(folder: Path) -> None:
    """Let go of the locks of this process on `folder`, as its end would."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if Path("/proc/self/fd", name).readlink() == folder / cache.LOCK:
                os.close(int(name))
        except OSError:
            continue


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"PERFKIT_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"PERFKIT_CACHE": "", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/perfkit"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/c"}, "/c/.cache/perfkit"),
        ({"XDG_CACHE_HOME": "", "HOME": "/c"}, "/c/.cache/perfkit"),
    ],
)
def test_the_folder_is_named_by_the_first_variable_that_says_something(environment: dict[str, str], expected: str) -> None:
    assert str(cache.location(environment)) == expected


@pytest.mark.parametrize("environment", [{}, {"HOME": ""}, {"HOME": "relative/home"}], ids=["unset", "empty", "relative"])
def test_without_a_usable_home_the_one_in_the_password_file_is_taken(environment: dict[str, str]) -> None:
    home = subprocess.run(["getent", "passwd", str(os.getuid())], capture_output=True, text=True, check=True).stdout.split(":")[5]
    assert str(cache.location(environment)) == f"{home}/.cache/perfkit"


@as_root
def test_a_user_without_any_home_is_told_what_to_set() -> None:
    """As in a container that is started with an arbitrary user number."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import os; os.setuid(54321)\nfrom perfkit.bootstrap import cache; cache.location({})"
    )
    source = Path(cache.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", "from perfkit import errors\nfrom perfkit.bootstrap import cache\n" + code, str(source)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(source)},
    )
    assert "there is no home folder to keep unpacked files in; set PERFKIT_CACHE" in done.stderr


def test_a_relative_cache_folder_is_refused() -> None:
    with pytest.raises(BadInput, match="'here/cache', which is not an absolute path"):
        cache.location({"PERFKIT_CACHE": "here/cache"})


def test_everything_is_unpacked_into_a_private_folder(carried: Carried, base: Path) -> None:
    folder = unpacked(carried, base)
    assert (base.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o700, 0o700)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        ".checked",
        ".lock",
        "__main__.py",
        "package/__init__.py",
        "package/data/big.bin",
    ]


def test_the_second_run_unpacks_nothing(carried: Carried, base: Path) -> None:
    first = unpacked(carried, base)
    made = (first / "package/__init__.py").stat().st_ino
    Path(carried[0]).unlink()
    assert unpacked(carried, base) == first
    assert (first / "package/__init__.py").stat().st_ino == made


def test_bytecode_written_by_python_does_not_make_a_folder_look_changed(carried: Carried, base: Path) -> None:
    folder = unpacked(carried, base)
    subprocess.run([sys.executable, "-m", "compileall", "-q", folder], check=True)
    made = folder.stat().st_ino
    assert unpacked(carried, base).stat().st_ino == made


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_folder_that_lost_something_is_unpacked_again(carried: Carried, base: Path, damage: str) -> None:
    """A cleaner of temporary folders takes what has not been read for days."""
    folder = unpacked(carried, base)
    unlocked(folder)
    victim = folder / "package/data/big.bin"
    if damage == "missing":
        victim.unlink()
    else:
        victim.write_bytes(b"")
    assert unpacked(carried, base) == folder
    assert victim.stat().st_size == len(b"VALUE = 1\n") * 1000
    assert [path.name for path in base.iterdir()] == [folder.name]


FLIPS = 200


def test_a_changed_bit_is_noticed_within_a_day(carried: Carried, base: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """200 of them, in what was unpacked, in Python's bytecode of it and in the list that tells how that was."""
    folder = unpacked(carried, base)
    subprocess.run([sys.executable, "-m", "compileall", "-q", folder], check=True)
    assert cache.mend(*carried, folder) == []
    record = folder / cache.CHECKED
    right = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file() and path.name != cache.LOCK}
    assert len(right) == 6
    for number in range(FLIPS):
        for path, (content, written) in right.items():
            put(path, content, written)
        path = list(right)[number % len(right)]
        chance, changed = random.Random(number), bytearray(right[path][0])
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        put(path, bytes(changed), right[path][1])  # a disk that forgets tells no time
        put(record, record.read_bytes(), 1)
        assert unpacked(carried, base) == folder
        unlocked(folder)
        for one, (content, _) in right.items():
            assert one == record or one.read_bytes() == content if one.exists() else one.suffix == ".pyc"
        said = capfd.readouterr().err
        assert path == record or f"had changed on the disk and are made anew: {path.relative_to(folder)}; check that disk." in said


def put(path: Path, content: bytes, written: int) -> None:
    """Write a file that was written at `written` ns."""
    path.write_bytes(content)
    os.utime(path, ns=(written, written))


def test_what_is_unpacked_is_compared_once_a_day_and_not_at_every_start(carried: Carried, base: Path) -> None:
    file = unpacked(carried, base) / "package/__init__.py"
    changed = file.read_bytes().replace(b"1", b"2")
    file.write_bytes(changed)
    unpacked(carried, base)
    assert file.read_bytes() == changed


def test_bytecode_that_nobody_knows_is_not_trusted_after_a_failure(carried: Carried, base: Path) -> None:
    folder = unpacked(carried, base)
    subprocess.run([sys.executable, "-m", "compileall", "-q", folder], check=True)
    assert cache.mend(*carried, folder, sure=True) == []
    assert not list(folder.rglob("*.pyc"))
    assert unpacked(carried, base) == folder


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777], ids=oct)
def test_a_folder_that_others_can_write_is_refused(carried: Carried, base: Path, mode: int) -> None:
    base.mkdir()
    base.chmod(mode)
    with pytest.raises(BadInput, match="others may write to"):
        unpacked(carried, base)
    assert not list(base.iterdir())


def test_a_folder_below_one_that_everybody_can_rename_in_is_refused(carried: Carried, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(BadInput, match="other users could replace"):
        unpacked(carried, tmp_path / "open" / "cache")


def test_a_link_to_such_a_folder_is_refused_too(carried: Carried, base: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    base.symlink_to(tmp_path / "open")
    with pytest.raises(BadInput, match="others may write to"):
        unpacked(carried, base)


def test_a_link_into_a_folder_below_one_that_everybody_can_rename_in_is_refused(carried: Carried, base: Path, tmp_path: Path) -> None:
    (tmp_path / "open" / "private").mkdir(parents=True)
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "open" / "private").chmod(0o700)
    base.symlink_to(tmp_path / "open" / "private")
    with pytest.raises(BadInput, match="other users could replace"):
        unpacked(carried, base)


@as_root
def test_another_users_folder_is_refused(carried: Carried, base: Path) -> None:
    base.mkdir()
    os.chown(base, 65533, 65533)
    with pytest.raises(BadInput, match="belongs to another user"):
        unpacked(carried, base)


def test_a_file_in_the_folders_place_is_named(carried: Carried, base: Path) -> None:
    base.write_text("")
    with pytest.raises(BadInput, match=r"cache cannot be used to unpack perfkit's packages \(file exists\); set PERFKIT_CACHE"):
        unpacked(carried, base)


def test_a_damaged_file_leaves_nothing_behind(carried: Carried, base: Path) -> None:
    archive = Path(carried[0])
    data = bytearray(archive.read_bytes())
    data[data.index(b"package/data/big.bin") + 40] ^= 0xFF
    archive.write_bytes(data)
    with pytest.raises(BadInput, match=r"is damaged .*; copy or build it again"):
        unpacked(carried, base)
    assert not list(base.iterdir())


def test_a_file_whose_content_is_not_what_its_manifest_says_is_never_run(carried: Carried, base: Path) -> None:
    with pytest.raises(Failed, match="keeps disappearing or changing"):
        unpacked((carried[0], carried[1] | {"bytes": 1}), base)


def test_what_a_killed_run_left_is_cleared_by_the_next(carried: Carried, base: Path) -> None:
    base.mkdir(mode=0o700)
    for name in (".unpacking-dead", ".removing-dead"):
        (base / name / "package").mkdir(parents=True)
        (base / name / cache.LOCK).touch()
    folder = unpacked(carried, base)
    assert [path.name for path in base.iterdir()] == [folder.name]


def test_a_folder_is_locked_from_before_its_first_file(base: Path) -> None:
    base.mkdir()
    with cache._temporary(base, "unpacking") as beside:
        assert os.listdir(beside) == [cache.LOCK]
        with (beside / cache.LOCK).open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not list(base.iterdir())


def test_what_another_run_is_just_unpacking_is_left_alone(carried: Carried, base: Path) -> None:
    busy = base / ".unpacking-busy"
    busy.mkdir(parents=True)
    base.chmod(0o700)
    with (busy / cache.LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        unpacked(carried, base)
        assert busy.is_dir()


def test_files_of_the_user_in_the_folder_are_left_alone(carried: Carried, base: Path) -> None:
    base.mkdir(mode=0o700)
    (base / "notes").mkdir()
    (base / "desk-plan.txt").touch()
    unpacked(carried, base)
    assert {"notes", "desk-plan.txt"} <= {path.name for path in base.iterdir()}


def test_old_folders_go_but_the_latest_and_those_in_use_stay(tmp_path: Path, base: Path) -> None:
    made = []
    for number in range(cache.KEPT + 3):
        folder = unpacked(carry(tmp_path, b"VALUE = %d\n" % number), base)
        os.utime(folder / cache.LOCK, (number, number))
        if number != 1:  # the second one's program runs on
            unlocked(folder)
        made.append(folder)
    assert {path.name for path in base.iterdir()} == {folder.name for folder in [made[1], *made[-cache.KEPT :]]}


def test_a_lock_outlives_the_exec_that_follows(carried: Carried, base: Path) -> None:
    """The program that this process turns into keeps its folder."""
    code = (
        "import json, os, sys\nfrom perfkit.bootstrap import cache\n"
        "folder = cache.unpacked(sys.argv[1], json.loads(sys.argv[2]), {'PERFKIT_CACHE': sys.argv[3]})\n"
        "os.execv(sys.executable, [sys.executable, '-c', 'print(1, flush=True); input()'])"
    )
    command = [sys.executable, "-c", code, carried[0], json.dumps(carried[1]), str(base)]
    environment = {"PYTHONPATH": str(Path(cache.__file__).parents[2])}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as running:
        assert running.stdout is not None
        running.stdout.readline()
        with (base / f"desk-{carried[1]['digest']}" / cache.LOCK).open() as lock:
            with pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            running.communicate(b"\n")
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@as_root
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("noexec", "is on a file system mounted noexec, from which native modules cannot be loaded; set PERFKIT_CACHE"),
        ("size=4k", "no space left on device); make room there, or set PERFKIT_CACHE"),
        ("ro", "(read-only file system); set PERFKIT_CACHE"),
    ],
)
def test_a_file_system_that_will_not_do_is_described(carried: Carried, tmp_path: Path, options: str, sentence: str) -> None:
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    code = (
        "import json, sys\nfrom perfkit.bootstrap import cache\n"
        "try: cache.unpacked(sys.argv[1], json.loads(sys.argv[2]), {'PERFKIT_CACHE': sys.argv[3]})\n"
        "except cache.BadInput as error: print(error)\n"
    )
    script = f'mount -t tmpfs -o mode=0700,{options} none "{mounted}" || exit 77; exec "$0" "$@"'
    command = ["unshare", "-m", "sh", "-c", script, sys.executable, "-c", code, carried[0], json.dumps(carried[1]), f"{mounted}/cache"]
    environment = os.environ | {"PYTHONPATH": str(Path(cache.__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode in (1, 77) and not done.stdout:
        pytest.skip(f"this machine lets root mount nothing: {done.stderr.strip()}")
    assert sentence in done.stdout


def test_where_the_file_is_gone_or_no_zip_nothing_is_known_of_what_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked while another failure is being told, which must not be lost."""
    (tmp_path / "other").write_text("no zip")
    for name in ("gone.pyz", "other"):
        monkeypatch.setattr(tier, "archive_here", lambda name=name: str(tmp_path / name))
        assert tier.mended() == ""
