"""build_zipapp.py: the same bytes again, from locked packages alone, with every licence inside."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from perfkit import __version__
from perfkit.commands import of_desk
from support import invent, pythons

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
UPLOT_SCRIPT = "2d27e8ad3d228164525ce213f9dc716f39b4e3aee0cc773fb3491c96cf4921a2"


def build(*arguments: str | Path, checkout: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Of the desk tier for this Python alone, where `arguments` ask for no other: a file for all of them takes several times as long."""
    alone = [] if {"--python", "--target-only"} & set(arguments) else ["--python", f"{sys.version_info[0]}.{sys.version_info[1]}"]
    command = [sys.executable, checkout / "build_zipapp.py", *alone, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)


@pytest.fixture
def checkout(tmp_path: Path, built: Path) -> Path:
    """A copy of what the build reads, to be changed."""
    return copy_of_checkout(tmp_path / "elsewhere")


def copy_of_checkout(copy: Path) -> Path:
    """`copy`, now with what the build reads, the fetched packages included."""
    copy.mkdir()
    for name in ("build_zipapp.py", "requirements.lock", "LICENSE", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    shutil.copytree(ROOT / "licenses", copy / "licenses")
    shutil.copytree(ROOT / "build" / "wheels", copy / "build" / "wheels", copy_function=os.link)
    return copy


def sections() -> dict[str, list[str]]:
    """Names of the packages in requirements.lock by section."""
    pieces = re.split(r"^# \[(\w+)\].*\n", LOCK, flags=re.M)
    return {name: re.findall(r"^([a-z0-9._-]+)==", text, re.M) for name, text in zip(pieces[1::2], pieces[2::2], strict=True)}


Built = tuple["subprocess.CompletedProcess[str]", Path]


@pytest.fixture(scope="module")
def again(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The build that made `built` once more: from another folder with files of another date, in another place of the world, offline."""
    folder = tmp_path_factory.mktemp("again")
    checkout = copy_of_checkout(folder / "elsewhere")
    for path in checkout.rglob("*"):
        if "wheels" not in path.parts:  # those are the files of this checkout too
            os.utime(path, (1, 1))
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}
    done = build("--output", folder / "perfkit.pyz", checkout=checkout, PYTHONHASHSEED="7", TZ="Asia/Tokyo", LC_ALL="C", **offline)
    return done, folder / "perfkit.pyz"


def test_two_builds_in_different_folders_at_different_times_give_the_same_bytes(built: Path, again: Built) -> None:
    for first, second in ((built, again[1]), (built.with_suffix(".cdx.json"), again[1].with_suffix(".cdx.json"))):
        assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()


def test_a_second_build_asks_no_registry(again: Built) -> None:
    assert (again[0].returncode, again[0].stderr) == (0, "")


def test_the_build_prints_the_size_of_each_part_and_the_digest_of_the_file(again: Built) -> None:
    done, file = again
    for part in ("perfkit ", "target packages ", "charts ", "desk packages ", "desk, linux-"):
        assert re.search(rf"^{part}.* files +[\d.]+ [KM]?i?B$", done.stdout, re.M), part
    assert hashlib.sha256(file.read_bytes()).hexdigest() in done.stdout


def test_the_bill_of_materials_lists_exactly_what_is_in_the_file(built: Path) -> None:
    bill = json.loads(built.with_suffix(".cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.5", 1)
    whole = bill["metadata"]["component"]
    assert (whole["name"], whole["version"], whole["hashes"]) == ("perfkit", __version__, hashes(built.read_bytes()))
    with zipfile.ZipFile(built) as archive:
        carried = {(*wheel_of(name), archive.read(name)) for name in archive.namelist() if name.endswith(".whl")}
        metadata = [archive.read(name).decode() for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        script = archive.read("perfkit/dashboard/static/vendor/uplot.iife.min.js")
    listed = {(one["name"], one["version"]): one for one in bill["components"]}
    assert len(listed) == len(bill["components"])
    told = [HeaderParser().parsestr(text) for text in metadata]
    opened = {(re.sub("[-_.]+", "-", one["Name"]).lower(), one["Version"]) for one in told}
    assert set(listed) == {(name, version) for name, version, _ in carried} | opened | {("uPlot", "1.6.31")}
    for name, version, data in carried:
        assert listed[name, version]["hashes"] == hashes(data)
    assert listed["uPlot", "1.6.31"]["hashes"] == hashes(script)
    for (name, version), one in listed.items():
        assert one["licenses"], name
        assert one["purl"].startswith(("pkg:npm/uplot@1.6.31", f"pkg:pypi/{name}@{version}?file_name="))
        assert name == "uPlot" or f"sha256:{one['hashes'][0]['content']}" in LOCK
    assert bill["dependencies"] == [{"ref": whole["bom-ref"], "dependsOn": [one["bom-ref"] for one in bill["components"]]}]


def hashes(content: bytes) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}]


def wheel_of(member: str) -> tuple[str, str]:
    """(name, version) of a wheel, by its file's name."""
    name, version, *_ = member.rpartition("/")[2].split("-")
    return re.sub("[-_.]+", "-", name).lower(), version


def test_the_sums_are_those_of_every_file_built_in_the_folder(built: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(built.parent, tmp_path / "out"))
    for name in ("target.pyz", "perfkit.pyz"):  # one beside what is there, one in its place
        assert build("--target-only", "--output", folder / name).returncode == 0
    files = ["perfkit.cdx.json", "perfkit.pyz", "target.cdx.json", "target.pyz"]
    assert [line.split()[1] for line in (folder / "SHA256SUMS").read_text().splitlines()] == files
    done = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count(": OK")) == (0, 4), done.stdout + done.stderr
    listed = {one["name"] for one in json.loads((folder / "target.cdx.json").read_text())["components"]}
    assert listed == set(sections()["target"])


def test_a_python_whose_pip_is_kept_apart_builds_with_that_of_a_virtual_environment(checkout: Path, tmp_path: Path) -> None:
    """As on Debian with python3-venv and without python3-pip; -S hides the installed one. From Python 3.12 on that brings no setuptools."""
    shutil.rmtree(next(checkout.glob("build/wheels/any-3.11-*")))
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    version, python = next(((one, pythons.found()[one]) for one in ("3.13", "3.12") if one in pythons.found()), (here, sys.executable))
    command = [python, "-I", "-S", checkout / "build_zipapp.py", "--python", version, "--output", tmp_path / "perfkit.pyz"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (checkout / "build" / "pip" / "bin" / "pip").exists()


def test_a_fetched_package_that_was_changed_is_refused(checkout: Path, tmp_path: Path) -> None:
    wheel = next(checkout.glob("build/wheels/any-3.9-*/typer-*.whl"))
    data = wheel.read_bytes()
    wheel.unlink()
    wheel.write_bytes(data + b"\0")
    done = build("--output", tmp_path / "perfkit.pyz", checkout=checkout)
    assert done.returncode == 2
    assert "typer" in done.stderr
    assert "is not what requirements.lock names" in done.stderr
    assert not list(tmp_path.glob("*.pyz"))


def test_a_fetched_package_that_went_missing_is_noticed(checkout: Path, tmp_path: Path) -> None:
    next(checkout.glob("build/wheels/any-3.9-*/typer-*.whl")).unlink()
    done = build("--output", tmp_path / "perfkit.pyz", checkout=checkout)
    assert done.returncode == 2
    assert "does not hold every package of requirements.lock" in done.stderr


def test_a_fetch_that_fails_is_one_sentence_and_is_tried_again_next_time(checkout: Path, tmp_path: Path) -> None:
    shutil.rmtree(checkout / "build" / "wheels")
    done = build("--output", tmp_path / "perfkit.pyz", checkout=checkout, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "pip could not fetch the packages" in done.stderr
    assert not list((checkout / "build" / "wheels").iterdir())


@pytest.mark.parametrize("version", ["3.9", "3.10"])
def test_an_older_python_does_not_build_and_says_which_does(version: str, tmp_path: Path) -> None:
    path = pythons.found().get(version)
    if path is None:
        pytest.skip(f"no Python {version} on this machine: its refusal to build was not seen")
    command = [path, ROOT / "build_zipapp.py", "--output", tmp_path / "perfkit.pyz"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"build_zipapp: Python 3.11 or later is needed, and this is {version}.")


def test_what_was_fetched_for_another_python_is_not_asked_for_again(checkout: Path, tmp_path: Path) -> None:
    for known in list(checkout.glob("build/wheels/any-3.9-*")):  # more than one after a change to the lock file
        known.rename(known.with_name(known.name.replace("any-3.9", "any-3.8")))
    target = tmp_path / "perfkit.pyz"
    done = build("--target-only", "--output", target, checkout=checkout, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    [folder] = checkout.glob("build/wheels/any-3.9-*")
    before = folder.with_name(folder.name.replace("any-3.9", "any-3.8"))
    assert sorted(wheel.name for wheel in folder.iterdir()) == sorted(wheel.name for wheel in before.glob("*.whl"))


def test_a_platform_without_packages_is_named_with_those_that_have_some(tmp_path: Path) -> None:
    done = build("--platform", "linux-sparc64", "--output", tmp_path / "perfkit.pyz")
    assert done.returncode == 2
    assert "linux-sparc64 is none of linux-x86_64, linux-aarch64, macos-arm64" in done.stderr


def test_one_file_serves_several_platforms(tmp_path: Path) -> None:
    """Their wheels are fetched for them, not for this machine, and share what is pure."""
    done = build("--platform", "linux-aarch64,macos-arm64", "--python", "3.13", "--output", tmp_path / "perfkit.pyz")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "perfkit.pyz") as archive:
        tiers = json.loads(archive.read("desk/manifest.json"))["tiers"]
        names = archive.namelist()
    assert set(tiers) == {"linux-aarch64/3.13", "macos-arm64/3.13"}
    assert len({tier["digest"] for tier in tiers.values()}) == 2
    for platform, tag in (("linux-aarch64", "aarch64"), ("macos-arm64", "arm64")):
        native = [wheel for wheel in tiers[f"{platform}/3.13"]["wheels"] if not wheel.endswith("-none-any.whl")]
        assert all(wheel in names and f"_{tag}." in wheel for wheel in native)
        assert {wheel.rpartition("/")[2].split("-")[0] for wheel in native} >= {"duckdb", "orjson", "markupsafe", "pyyaml"}
    assert not any(name.startswith("desk/linux-x86_64") for name in names)


def test_every_package_of_the_file_is_pinned_with_hashes_and_nothing_names_a_registry() -> None:
    for line in LOCK.splitlines():
        assert re.fullmatch(r"#.*||[a-z0-9._-]+==[^ ;]+ \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line), line
    assert not re.search(r"https?:|file:|--index|--find-links|@", LOCK)
    assert {"typer", "click", "rich"} <= set(sections()["target"])
    assert {"duckdb", "orjson", "datasette"} <= set(sections()["desk"])


def test_the_file_holds_the_locked_packages_of_its_tiers_and_no_others(built: Path) -> None:
    """pip and setuptools, which Datasette names and never uses at run time, are not among them."""
    with zipfile.ZipFile(built) as archive:
        names = archive.namelist()
    wheels = {name.rpartition("/")[2].split("-")[0].replace("_", "-") for name in names if name.endswith(".whl")}
    assert wheels == set(sections()["desk"])
    assert not wheels & {"pip", "setuptools"}
    opened = {name.split("-")[0].replace("_", "-").lower() for name in names if ".dist-info/METADATA" in name}
    assert opened == set(sections()["target"])


def test_nothing_in_the_file_is_compressed_twice_or_dated(built: Path) -> None:
    with zipfile.ZipFile(built) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert len(archive.namelist()) == len(set(archive.namelist()))
    assert built.read_bytes().startswith(b"#!/usr/bin/env python3\n")
    assert os.access(built, os.X_OK)


def test_the_start_is_compiled_for_each_python_that_is_named(tmp_path: Path) -> None:
    """And is what that Python takes: the source may be damaged without any effect."""
    pythons_here = {name: path for name, path in pythons.found().items() if name in {"3.9", "3.10", "3.11", "3.12", "3.13"}}
    file, changed = tmp_path / "perfkit.pyz", tmp_path / "changed.pyz"
    done = build("--target-only", "--bytecode", *pythons_here.values(), "--output", file)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(file) as whole, zipfile.ZipFile(changed, "w") as copy:
        for name in whole.namelist():
            compiled = name.startswith(("click/", "typer/", "perfkit/")) and name.endswith(".py")
            copy.writestr(name, b"1 / 0\n" if compiled else whole.read(name))
    for path in pythons_here.values():
        done = subprocess.run([path, changed, "collect", "--help"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_an_interpreter_for_bytecode_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = build("--bytecode", "python3.99", "--output", tmp_path / "perfkit.pyz")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "python3.99 cannot be started" in done.stderr


def test_licences_travel_in_the_file(built: Path) -> None:
    """Apache-2.0 for perfkit; each bundled package keeps its own in its metadata; uPlot's stands beside its files."""
    with zipfile.ZipFile(built) as archive:
        names = archive.namelist()
        assert "Apache License" in archive.read("LICENSE").decode()
        assert "Leon Sorokin" in archive.read("perfkit/dashboard/static/vendor/uPlot-LICENSE.txt").decode()
        for metadata in (name for name in names if name.endswith(".dist-info/METADATA")):
            folder = metadata.rpartition("/")[0]
            said = re.search(r"^(License(-Expression)?: .+|Classifier: License :: .+)$", archive.read(metadata).decode(), re.M)
            texts = [name for name in names if name.startswith(folder) and re.search("LICEN[CS]E|COPYING", name)]
            assert said, metadata
            assert texts, metadata


def test_uplot_in_the_file_is_byte_for_byte_the_published_one(built: Path) -> None:
    with zipfile.ZipFile(built) as archive:
        script = archive.read("perfkit/dashboard/static/vendor/uplot.iife.min.js")
    assert hashlib.sha256(script).hexdigest() == UPLOT_SCRIPT


def test_the_target_only_file_is_small_and_has_nothing_of_the_desk(target_only: Path) -> None:
    with zipfile.ZipFile(target_only) as archive:
        names = archive.namelist()
    assert target_only.stat().st_size < 5 << 20
    assert not any(name.endswith((".whl", ".so")) for name in names)
    assert not [name for name in names if of_desk(name)]
    assert {name.split("/")[1].removesuffix(".py") for name in names if name.startswith("perfkit/")} == {
        *("__init__", "__main__", "apikey", "bootstrap", "cli", "collect", "collection", "commands", "errors", "originals", "preflight"),
        "units",
    }


def test_pip_finds_the_locked_packages_to_agree() -> None:
    """An installer that resolves, as pipx does, refuses the wheel where one package forbids what another wants; `--no-deps` hides it."""
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout


def test_the_wheel_has_the_same_commands_and_all_their_files(tmp_path: Path) -> None:
    """As pip and pipx install it; only the packages that it needs are those of the tests here."""
    done = build("--target-only", "--wheel", "--output", tmp_path / "dist" / "perfkit.pyz")
    assert done.returncode == 0, done.stderr
    [wheel] = (tmp_path / "dist").glob("*.whl")
    assert f"  {wheel.name}\n" in (tmp_path / "dist" / "SHA256SUMS").read_text()
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    [installed] = environment.glob("lib/python*/site-packages")
    (installed / "tests.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    install = ["install", "--quiet", "--no-compile", "--no-deps", "--no-index", wheel]
    subprocess.run([sys.executable, "-m", "pip", "--python", environment / "bin" / "python", *install], check=True)
    sources = {
        path.relative_to(ROOT / "src")
        for path in (ROOT / "src" / "perfkit").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert [path for path in sources if not (installed / path).is_file()] == []
    invent.write(tmp_path / "run.json", seconds=20)
    for words in (
        "--version",
        "collect here.json --duration 300ms --frequency 100ms",
        "process run.json",
        "import run.json",
        "report vm-a@last",
    ):
        run = subprocess.run(
            [environment / "bin" / "perfkit", *words.split()],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PERFKIT_DB": str(tmp_path / "perfkit.db")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, f"{words}: {run.stderr}"
    assert "uPlot" in (tmp_path / "report.html").read_text()
