"""Checks of the machine: Python and packages, disk, open files, the clock; each judges figures that were read."""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
import re
import resource
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tradebot.doctor.finding import Finding, green, red, yellow
from tradebot.journal.disk_space import MB, free_disk_bytes

INSTALL = "install again: pip install --force-reinstall tradebot, in the environment of the daemon"
# A run has a socket for each connection and worker, and the files of journal and tables: some fifty. The unit asks for
# 8192.
FEW_FILES, TOO_FEW_FILES = 1024, 256
# The venue's Date header has whole seconds, so half a second of an offset means nothing.
CLOCK_DOUBT_S, CLOCK_WRONG_S = 1.5, 5.0
SYNC = "switch the synchronisation of this machine's clock on: timedatectl set-ntp true"

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*(?P<terms>[^;]*)(?:;(?P<marker>.*))?")
_TERM = re.compile(r"(?P<word>>=|<=|==|!=|<|>)\s*(?P<version>[0-9.]+)")


def check_python() -> Iterator[Finding]:
    """Look at the version of Python and at the packages that run the daemon: there, importable, of a version wanted."""
    about = importlib.metadata.metadata("tradebot")
    yield judge_python(platform.python_version(), str(about["Requires-Python"] or ""))
    wanted = importlib.metadata.requires("tradebot") or []
    yield from judge_packages(wanted, installed_versions(wanted), import_failures(wanted))


def judge_python(version: str, wanted: str) -> Finding:
    """Judge the version of Python by a term such as `>=3.11`."""
    if missed := missed_terms(version, wanted):
        return red("python", f"{version}, but {missed} is wanted", "install that Python, and tradebot under it")
    return green("python", version)


def judge_packages(
    wanted: Sequence[str], installed: Mapping[str, str], failures: Mapping[str, str]
) -> Iterator[Finding]:
    """Judge installed packages (name -> version) and failed imports (name -> reason) by our requirements."""
    wrong = []
    for name, terms in requirements(wanted):
        version = installed.get(name)
        if version is None:
            wrong.append(f"{name} is not installed")
        elif missed := missed_terms(version, terms):
            wrong.append(f"{name} is {version}, but {missed} is wanted")
        elif name in failures:
            wrong.append(f"{name} {version} cannot be imported: {failures[name]}")
    if wrong:
        yield from (red("packages", sentence, INSTALL) for sentence in wrong)
    else:
        yield green("packages", f"{len(list(requirements(wanted)))} of them, as wanted")


def requirements(wanted: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (name, terms) of the packages that every run needs, without those of extras and of other systems."""
    for line in wanted:
        match = _REQUIREMENT.fullmatch(line.strip())
        if match is not None and "extra ==" not in (match["marker"] or ""):
            yield match["name"], match["terms"].strip(" ()")


def installed_versions(wanted: Sequence[str]) -> dict[str, str]:
    """Return the installed version of each package that a run needs, without those that are missing."""
    found = {}
    for name, _ in requirements(wanted):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def import_failures(wanted: Sequence[str]) -> dict[str, str]:
    """Import the modules of the packages that a run needs; return why some cannot be, by the name of the package."""
    modules: dict[str, list[str]] = {}
    for module, packages in importlib.metadata.packages_distributions().items():
        for package in packages:
            modules.setdefault(_plain(package), []).append(module)
    found = {}
    for name, _ in requirements(wanted):
        for module in modules.get(_plain(name), ()):
            if module.startswith("_"):
                continue
            try:
                importlib.import_module(module)
            except (ImportError, OSError, AttributeError) as error:
                found[name] = " ".join(str(error).split())
    return found


def missed_terms(version: str, terms: str) -> str:
    """Return the terms (`>=3.11,<4`) that a version does not meet, "" where it meets all."""
    own = _numbers(version)
    holds = {
        ">=": lambda other: own >= other,
        "<=": lambda other: own <= other,
        "<": lambda other: own < other,
        ">": lambda other: own > other,
        "==": lambda other: own == other,
        "!=": lambda other: own != other,
    }
    return ",".join(match[0] for match in _TERM.finditer(terms) if not holds[match["word"]](_numbers(match["version"])))


def check_disk(state_dir: Path, *, low_mb: int, short_mb: int) -> Iterator[Finding]:
    """Look at the free space of the disk of the state directory, or of the folder that it will be made in."""
    place = next(folder for folder in (state_dir.absolute(), *state_dir.absolute().parents) if folder.is_dir())
    yield judge_disk(free_disk_bytes(place / "journal"), str(place), low_mb=low_mb, short_mb=short_mb)


def judge_disk(free_bytes: int, place: str, *, low_mb: int, short_mb: int) -> Finding:
    """Judge the free bytes of a disk by `journal.warn_free_mb` and `journal.min_free_mb`."""
    what = f"{free_bytes // MB} MB free at {place}"
    remedy = "make room: old logs, old backups, the tables of earlier years"
    if free_bytes < short_mb * MB:
        return red("disk", f"{what}, less than journal.min_free_mb ({short_mb}): nothing is opened", remedy)
    if free_bytes < low_mb * MB:
        return yellow("disk", f"{what}, less than journal.warn_free_mb ({low_mb})", remedy)
    return green("disk", what)


def check_open_files() -> Iterator[Finding]:
    """Look at the limit of open files of this shell; the unit has a limit of its own."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield judge_open_files(soft)


def judge_open_files(limit: int) -> Finding:
    """Judge the number of files that a process may hold open; `resource.RLIM_INFINITY` is no limit."""
    if limit == resource.RLIM_INFINITY or limit >= FEW_FILES:
        return green("open files", f"{'any number' if limit == resource.RLIM_INFINITY else limit} may be open")
    remedy = f"raise it: ulimit -n {8 * FEW_FILES} before the start; the unit does so by itself (LimitNOFILE)"
    make = red if limit < TOO_FEW_FILES else yellow
    return make("open files", f"{limit} may be open; sockets, workers and files need {FEW_FILES} at ease", remedy)


def judge_clock(offset_s: float | None, source: str) -> Finding:
    """Judge by how many seconds this machine's clock is ahead of the venue's, None where that was not measured."""
    if offset_s is None:
        return yellow("clock", f"not measured: {source}", SYNC)
    what = f"{offset_s:+.1f} s from the time in an answer of {source}, to about half a second"
    if abs(offset_s) >= CLOCK_WRONG_S:
        return red("clock", f"{what}: bars would close at the wrong time", SYNC)
    return yellow("clock", what, SYNC) if abs(offset_s) >= CLOCK_DOUBT_S else green("clock", what)


def _numbers(version: str) -> tuple[int, ...]:
    # The release alone: a pre-release counts as the release. Trailing zeros are dropped, since 3.0 is 3.
    match = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in match[0].split(".")] if match else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
