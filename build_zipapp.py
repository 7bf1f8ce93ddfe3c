"""Build dist/perfkit.pyz: one executable file with both tiers of perfkit and everything that they need.

    python3 build_zipapp.py                          for this platform, and every Python that its packages exist for
    python3 build_zipapp.py --platform all           for every platform as well
    python3 build_zipapp.py --python 3.11            for one Python alone: a smaller file
    python3 build_zipapp.py --target-only            collect, preflight and mark alone
    python3 build_zipapp.py --wheel                  a wheel for pip and pipx as well, dist/perfkit-VERSION-py3-none-any.whl
    python3 build_zipapp.py --bytecode python3.11 python3.9            fast starts on these Pythons, not on the one that builds alone

Needs Python >= 3.11 and pip (or venv, which brings one), nothing else. Every package comes from requirements.lock with its hash; what pip
fetched stays in build/.
In the file: perfkit and the pure packages of the target tier lie open, so that Python imports them from the zip; bytecode/ has them
compiled for the Python that builds (others compile them anew at each start, 0.1 s); the wheels of the desk tier lie in desk/ as they are.
Nothing is compressed again and no date is kept: the same inputs and the same Python give the same bytes on every machine.
Beside the file go perfkit.cdx.json, which lists what is in it (CycloneDX 1.5), and SHA256SUMS of all files built there.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from email.parser import BytesParser
from pathlib import Path
from typing import Any

if sys.version_info < (3, 11):
    print(f"build_zipapp: Python 3.11 or later is needed, and this is {sys.version.split()[0]}.", file=sys.stderr)
    sys.exit(2)

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "src"))

from perfkit import __version__  # noqa: E402 - from this checkout
from perfkit.bootstrap import tier  # noqa: E402
from perfkit.commands import of_desk  # noqa: E402
from perfkit.files import replace_file  # noqa: E402
from perfkit.units import format_bytes  # noqa: E402

BUILD = ROOT / "build"

# pip's names of tier.PLATFORMS, the most demanding first.
PIP_PLATFORMS = {
    "linux-x86_64": [*(f"manylinux_2_{minor}_x86_64" for minor in range(28, 16, -1)), "manylinux2014_x86_64"],
    "linux-aarch64": [*(f"manylinux_2_{minor}_aarch64" for minor in range(28, 16, -1)), "manylinux2014_aarch64"],
    "macos-arm64": ["macosx_14_0_arm64"],
}
# uPlot as npm has it, carried by a wheel; the licence is our copy of the project's own.
UPLOT_VERSION = "1.6.31"
UPLOT = {
    "uplot.iife.min.js": "2d27e8ad3d228164525ce213f9dc716f39b4e3aee0cc773fb3491c96cf4921a2",
    "uplot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}
VENDOR = "perfkit/dashboard/static/vendor"

# Lexers, formatters and styles for 500 languages are half of the target tier; rich needs these alone.
PYGMENTS_KEPT = re.compile(
    r"pygments/([^/]+\.py|lexers/(__init__|_mapping|special|python)\.py|styles/(__init__|_mapping|default|monokai)\.py"
    r"|formatters/(__init__|_mapping|terminal|terminal256)\.py|filters/__init__\.py)|pygments-.*"
)

# What `collect` loads before its first sample; bytecode saves half of the start.
COMPILED = re.compile(r"(perfkit|click|typer|annotated_doc)/.*\.py")

Members = dict[str, bytes]


class BuildError(Exception):
    """Why there is no file, in one sentence."""


def main() -> int:
    options = _options()
    try:
        build(options.platform, options.python, options.bytecode, target_only=options.target_only, output=options.output)
        if options.wheel:
            wheel(options.output.parent)
    except BuildError as error:
        print(f"build_zipapp: {error}", file=sys.stderr)
        return 2
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Build perfkit.pyz.")
    platforms, pythons = (", ".join([*known, "all"]) for known in (tier.PLATFORMS, tier.PYTHONS))
    parser.add_argument("--platform", type=_some_of(tier.PLATFORMS), default=[tier.here()], help=f"of the desk tier: {platforms}")
    parser.add_argument("--python", type=_some_of(tier.PYTHONS), default=list(tier.PYTHONS), help=f"of the desk tier: {pythons}")
    parser.add_argument("--bytecode", nargs="+", metavar="PYTHON", default=[sys.executable], help="interpreters that shall start it faster")
    parser.add_argument("--target-only", action="store_true", help="leave the desk tier out: a small file for the machines under test")
    parser.add_argument("--wheel", action="store_true", help="make a wheel beside the file as well; its packages come from an index")
    parser.add_argument("--output", type=Path, default=ROOT / "dist" / "perfkit.pyz")
    return parser.parse_args()


def _some_of(known: Sequence[str]) -> argparse._ActionType:
    def parse(text: str) -> list[str]:
        if text == "all":
            return list(known)
        words = sorted(set(text.split(",")), key=lambda word: [int(n) for n in re.findall(r"\d+", word)])
        if unknown := set(words) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))} is none of {', '.join([*known, 'all'])}")
        return words

    return parse


def build(platforms: list[str], pythons: list[str], bytecode_for: list[str], *, target_only: bool, output: Path) -> None:
    """Write `output` and print what it is made of; BuildError if something is missing or is not what the lock file says."""
    lock = read_lock()
    parts: dict[str, Members] = {"perfkit": own_files(target_only) | {"LICENSE": (ROOT / "LICENSE").read_bytes()}}
    target = fetch(lock["target"], "any", "3.9")
    parts["target packages"] = dict(sorted(pure_files(target)))
    bytecode = dict(compiled(_joined(parts), python) for python in bytecode_for)
    manifest: dict[str, object] = {"version": __version__, "tiers": {}}
    if not target_only:
        parts["charts"] = uplot_files(fetch(lock["static"], "any", "3.11"))
        wheels, manifest["tiers"] = desk_tiers(lock["desk"], platforms, pythons, _joined(parts))
        parts |= wheels
    parts |= bytecode
    parts["manifest"] = {tier.MANIFEST: json.dumps(manifest, indent=1, sort_keys=True).encode()}
    write(output, parts)
    materials = output.with_suffix(".cdx.json")
    replace_file(materials, bill_of_materials(output, target, _joined(parts)), 0o644)
    write_sums(output.parent, [output, materials])
    report(output, parts)


def _joined(parts: dict[str, Members]) -> Members:
    return {name: data for part in parts.values() for name, data in part.items()}


def read_lock() -> dict[str, str]:
    """requirements.lock by section name."""
    pieces = re.split(r"^# \[(\w+)\].*\n", (ROOT / "requirements.lock").read_text(), flags=re.M)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def fetch(section: str, platform: str, python: str) -> list[Path]:
    """The wheels of `section` for one platform and Python, from build/ if they are there; each one's hash is in the lock file.

    pip judges environment markers by the Python it runs on, so the lock file has none.
    """
    stamp = hashlib.sha256(f"{section}{platform}{python}".encode()).hexdigest()[:16]
    folder = BUILD / "wheels" / f"{platform}-{python}-{stamp}"
    if not folder.is_dir():
        fetching = BUILD / "wheels" / f".{stamp}-{os.getpid()}"
        shutil.rmtree(fetching, ignore_errors=True)
        fetching.mkdir(parents=True)
        try:
            _download(section, platform, python, fetching)
            if not folder.is_dir():  # another build may have been faster
                fetching.rename(folder)
        finally:
            shutil.rmtree(fetching, ignore_errors=True)
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != section.count("=="):
        raise BuildError(f"{folder} does not hold every package of requirements.lock; remove it and build again.")
    for wheel in wheels:
        if f"sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}" not in section:
            raise BuildError(f"{wheel} is not what requirements.lock names; remove {folder} and build again.")
    return wheels


def _download(section: str, platform: str, python: str, folder: Path) -> None:
    wanted = _not_yet_fetched(section, folder)
    if not wanted:
        return
    (folder / "wanted.txt").write_text(wanted)
    if platform == "any":
        tags = ["--platform", "any", "--abi", "none", "--implementation", "py"]
    else:
        tags = [word for name in PIP_PLATFORMS[platform] for word in ("--platform", name)]
        tags += ["--implementation", "cp", "--abi", f"cp{python.replace('.', '')}", "--abi", "abi3", "--abi", "none"]
    command = [*_pip(), "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes"]
    command += [
        "--only-binary",
        ":all:",
        "--python-version",
        python,
        *tags,
        "--dest",
        str(folder),
        "--requirement",
        str(folder / "wanted.txt"),
    ]
    done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own arguments
    if done.returncode:
        last = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines() or ["no message"]
        raise BuildError(f"pip could not fetch the packages for {platform}, Python {python}: {last[-1].removeprefix('ERROR: ')}")


def _not_yet_fetched(section: str, folder: Path) -> str:
    """What of `section` pip has to ask for; pure wheels that another platform or Python needed as well are put into `folder`."""
    pure = (BUILD / "wheels").glob("[!.]*/*-none-any.whl")
    known = {hashlib.sha256(wheel.read_bytes()).hexdigest(): wheel for wheel in pure}
    wanted = []
    for package in re.split(r"^(?=\w)", section, flags=re.M):
        files = re.findall(r"sha256:(\w+)", package)
        wheel = next((known[file] for file in files if file in known), None)
        if wheel and len(files) <= 2:  # it has this wheel and its source, so that no platform could get another
            shutil.copy(wheel, folder)
        else:
            wanted.append(package)
    return "".join(wanted).strip()


def _pip() -> list[str]:
    """This Python's pip; where the system keeps that apart, as Debian does, the one that comes with a virtual environment."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    environment = BUILD / "pip"
    if not (environment / "bin" / "pip").exists():
        done = subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=False, capture_output=True)  # noqa: S603 - our own arguments
        if done.returncode:
            raise BuildError("pip is needed to fetch the packages; install it (Debian, Ubuntu: apt-get install python3-pip).")
    return [str(environment / "bin" / "python"), "-m", "pip"]


def own_files(target_only: bool) -> Members:
    """perfkit itself: src/ without what tools leave there."""
    skipped = {"__pycache__", "perfkit.egg-info", "vendor"}
    files = {}
    for path in sorted((ROOT / "src").rglob("*")):
        parts = path.relative_to(ROOT / "src").parts
        if path.is_file() and not skipped & set(parts) and not (target_only and of_desk(path.relative_to(ROOT / "src").as_posix())):
            files["/".join(parts)] = path.read_bytes()
    return files


def pure_files(wheels: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """The files of pure wheels as they lie open in the zip; each one's licence is in its dist-info folder."""
    for wheel in wheels:
        if not wheel.name.endswith("-none-any.whl"):
            raise BuildError(f"{wheel.name} is not pure Python and cannot be imported from a zip.")
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                unused = name.endswith(("/", "/RECORD", ".pyi", "/py.typed"))
                if not unused and (not name.startswith("pygments/") or PYGMENTS_KEPT.fullmatch(name)):
                    yield name, archive.read(name)


def compiled(files: Members, python: str) -> tuple[str, Members]:
    """(what to call it, bytecode of the modules of the target tier's start) for the interpreter `python`; valid whatever the date.

    Made by a fresh interpreter in a fixed order, because bytecode depends on what its maker has loaded.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            if COMPILED.fullmatch(name) and not of_desk(name):
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        tag = _output_of(python, "-c", "import sys; print(sys.implementation.cache_tag)").strip()
        _output_of(python, "-m", "compileall", "-q", "-b", "--invalidation-mode", "unchecked-hash", "-s", folder, folder)
        found = sorted(Path(folder).rglob("*.pyc"))
        return f"bytecode, {tag}", {f"bytecode/{tag}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in found}


def _output_of(python: str, *arguments: str) -> str:
    try:
        done = subprocess.run([python, "-I", "-S", *arguments], check=False, capture_output=True, text=True)  # noqa: S603 - our own arguments
    except OSError as error:
        raise BuildError(f"{python} cannot be started ({error.strerror}); name Python interpreters with --bytecode.") from error
    if done.returncode:
        raise BuildError(f"{python} could not compile the target tier: {(done.stdout + done.stderr).strip().splitlines()[-1:]}")
    return done.stdout


def uplot_files(wheels: list[Path]) -> Members:
    """uPlot's script and style sheet with their licence, also laid out in build/static/uplot/ for a run from the checkout."""
    folder = BUILD / "static" / "uplot"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheels[0]) as archive:
        files = {name: archive.read(f"youplot/vendor/{name}") for name in UPLOT}
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != UPLOT[name]:
            raise BuildError(f"{name} in {wheels[0].name} is not uPlot {UPLOT_VERSION}'s.")
    files["uPlot-LICENSE.txt"] = (ROOT / "licenses" / "uPlot.txt").read_bytes()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return {f"{VENDOR}/{name}": data for name, data in files.items()}


def desk_tiers(section: str, platforms: list[str], pythons: list[str], open_files: Members) -> tuple[dict[str, Members], dict[str, object]]:
    """(the wheels to carry, by platform; the manifest's entry for every platform and Python)."""
    parts: dict[str, Members] = {}
    tiers: dict[str, object] = {}
    for platform in platforms:
        if platform not in PIP_PLATFORMS:
            raise BuildError(f"there are no desk packages for {platform}; name one with --platform, or build with --target-only.")
        for python in pythons:
            wheels = {_member(platform, wheel): wheel for wheel in fetch(section, platform, python)}
            for member, wheel in wheels.items():
                part = "desk packages" if wheel.name.endswith("-none-any.whl") else f"desk, {platform}"
                parts.setdefault(part, {})[member] = wheel.read_bytes()
            tiers[f"{platform}/{python}"] = _tier(wheels, open_files)
    return {name: dict(sorted(part.items())) for name, part in sorted(parts.items())}, tiers


def _member(platform: str, wheel: Path) -> str:
    return f"desk/{'any' if wheel.name.endswith('-none-any.whl') else platform}/{wheel.name}"


def _tier(wheels: dict[str, Path], open_files: Members) -> dict[str, object]:
    """What has to be unpacked for one platform and Python: how much it is, and a digest of all of it."""
    sizes = {name: len(data) for name, data in open_files.items()}
    digest = hashlib.sha256()
    for name, data in sorted(open_files.items()):
        digest.update(f"{name} {hashlib.sha256(data).hexdigest()}\n".encode())
    for member, wheel in sorted(wheels.items()):
        digest.update(f"{member} {hashlib.sha256(wheel.read_bytes()).hexdigest()}\n".encode())
        with zipfile.ZipFile(wheel) as archive:
            sizes |= {info.filename: info.file_size for info in archive.infolist() if not info.is_dir()}
    tier = {"digest": digest.hexdigest()[:24], "wheels": sorted(wheels), "files": len(sizes), "bytes": sum(sizes.values())}
    return tier | ({"glibc": glibc} if (glibc := _glibc(wheels.values())) else {})


def _glibc(wheels: Iterable[Path]) -> str | None:
    """The oldest glibc that all of `wheels` run on; each one names the ones that satisfy it."""
    oldest = [min(int(minor) for minor in found) for wheel in wheels if (found := re.findall(r"manylinux_2_(\d+)_", wheel.name))]
    return f"2.{max(oldest)}" if oldest else None


def write(output: Path, parts: dict[str, Members]) -> None:
    """The zip with its first line, in the order of `parts`, whole or not at all."""
    output.parent.mkdir(parents=True, exist_ok=True)
    beside = output.with_name(f".{output.name}-{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(b"#!/usr/bin/env python3\n")
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for name, data in ((name, data) for part in parts.values() for name, data in part.items()):
                    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                    info.create_system, info.external_attr = 3, 0o100644 << 16
                    archive.writestr(info, data)
        beside.chmod(0o755)
        beside.replace(output)
    finally:
        beside.unlink(missing_ok=True)


def bill_of_materials(output: Path, opened: Iterable[Path], members: Members) -> bytes:
    """CycloneDX 1.5 of `output`: the `opened` wheels, those among its `members`, and uPlot. Without a date: it can be made again."""
    wheels = {wheel.name: wheel.read_bytes() for wheel in opened}
    wheels |= {name.rpartition("/")[2]: data for name, data in members.items() if name.endswith(".whl")}
    components = [_component(name, data) for name, data in sorted(wheels.items())]
    if script := members.get(f"{VENDOR}/uplot.iife.min.js"):
        components.append(_described("uPlot", UPLOT_VERSION, f"pkg:npm/uplot@{UPLOT_VERSION}", script, [{"license": {"id": "MIT"}}]))
    whole = _described(
        "perfkit", __version__, f"pkg:generic/perfkit@{__version__}", output.read_bytes(), [{"license": {"id": "Apache-2.0"}}]
    )
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": whole | {"type": "application"}},
        "components": components,
        "dependencies": [{"ref": whole["bom-ref"], "dependsOn": [one["bom-ref"] for one in components]}],
    }
    return json.dumps(content, indent=1).encode() + b"\n"


def _component(name: str, wheel: bytes) -> dict[str, Any]:
    """A wheel by its file name; its licence is what its metadata says."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        place = next(member for member in archive.namelist() if member.endswith(".dist-info/METADATA"))
        said = BytesParser().parsebytes(archive.read(place), headersonly=True)
    package = re.sub(r"[-_.]+", "-", said["Name"]).lower()
    classified = [line.rpartition(" :: ")[2] for line in said.get_all("Classifier", []) if line.startswith("License ::")]
    named = [said["License"]] if said["License"] and "\n" not in said["License"] else classified[:1]
    licences = [{"expression": said["License-Expression"]}] if said["License-Expression"] else [{"license": {"name": one}} for one in named]
    return _described(package, said["Version"], f"pkg:pypi/{package}@{said['Version']}?file_name={name}", wheel, licences)


def _described(name: str, version: str, purl: str, content: bytes, licences: list[dict[str, Any]]) -> dict[str, Any]:
    hashes = [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}]
    found = {"type": "library", "bom-ref": purl, "name": name, "version": version, "hashes": hashes, "licenses": licences, "purl": purl}
    return found if licences else {key: value for key, value in found.items() if key != "licenses"}


def write_sums(folder: Path, files: Iterable[Path]) -> None:
    """SHA256SUMS of `folder`, for `sha256sum -c`: of `files` anew, of others that were built there as it was."""
    path = folder / "SHA256SUMS"
    lines = path.read_text().splitlines() if path.exists() else []
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines) if (folder / name).is_file()}
    sums |= {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    replace_file(path, "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())).encode(), 0o644)


def wheel(folder: Path) -> None:
    """Make a wheel in `folder`: perfkit with the charts' library; what it needs is named, for pip to fetch."""
    with tempfile.TemporaryDirectory() as place:
        checkout = Path(place, "perfkit")
        shutil.copytree(ROOT / "src", checkout / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "vendor"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, checkout)
        for name, data in uplot_files(fetch(read_lock()["static"], "any", "3.11")).items():
            (checkout / "src" / name).parent.mkdir(exist_ok=True)
            (checkout / "src" / name).write_bytes(data)
        command = [*_pip(), "wheel", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--wheel-dir", folder, checkout]
        # The same bytes whenever it is made; what pip fetches to make it is used this once, and not compiled.
        dated = os.environ | {"SOURCE_DATE_EPOCH": "315532800", "PIP_COMPILE": "0"}
        done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True, env=dated)  # noqa: S603 - our own arguments
        if done.returncode:
            raise BuildError(f"pip could not make the wheel: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    made = folder / f"perfkit-{__version__}-py3-none-any.whl"
    write_sums(folder, [made])
    print(f"{made.name}: {format_bytes(made.stat().st_size)}")


def report(output: Path, parts: dict[str, Members]) -> None:
    """One line a part: files and bytes; then the file itself."""
    for name, part in parts.items():
        print(f"{name:24} {len(part):5} files {format_bytes(sum(map(len, part.values()))):>10}")
    digest = hashlib.sha256(output.read_bytes()).hexdigest()
    shown = output.relative_to(Path.cwd()) if output.is_relative_to(Path.cwd()) else output
    print(f"{shown}: {format_bytes(output.stat().st_size)}, sha256 {digest}")


if __name__ == "__main__":
    sys.exit(main())
