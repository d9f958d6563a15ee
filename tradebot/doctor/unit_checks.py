"""Checks of the systemd unit: whether the installed one is what `service print` gives now, and its credential files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tradebot.doctor.finding import Finding, green, red, yellow
from tradebot.errors import TradebotError

SHOWN_LINES = 3  # differing lines that are named; the command of the remedy shows all
_CREDENTIAL = re.compile(r"^LoadCredential=[^:\n]+:(.+)$", re.MULTILINE)
_USER = re.compile(r"^User=(.+)$", re.MULTILINE)
_COMMAND = re.compile(r"^ExecStart=(.+)$", re.MULTILINE)


class InstalledUnit(NamedTuple):
    """A unit file with the options it was printed with; `credentials` are the files that it hands over."""

    path: Path
    text: str
    symbols: str | None
    user: str | None
    credentials: tuple[Path, ...]


def read_unit(path: Path) -> InstalledUnit | None:
    """Return the unit file at `path`, None where there is none. Raises OSError, UnicodeDecodeError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    command, user = _COMMAND.search(text), _USER.search(text)
    files = tuple(Path(found.replace("%%", "%")) for found in _CREDENTIAL.findall(text))
    return InstalledUnit(
        path, text, _symbols_of(command[1] if command else ""), user[1].strip() if user else None, files
    )


def check_unit(unit: InstalledUnit | None, rendered: Callable[[InstalledUnit], str]) -> Iterator[Finding]:
    """Compare the installed unit with `rendered`, which gives what `service print` would print with its options."""
    if unit is None:
        yield green("unit", "none is installed")
        return
    try:
        wanted = rendered(unit)
    except TradebotError as error:
        yield red("unit", f"{unit.path}: the settings give no unit any more: {error}", "tradebot config check")
        return
    yield judge_unit(str(unit.path), unit.text, wanted)


def judge_unit(path: str, installed: str, wanted: str) -> Finding:
    """Judge an installed unit by the text that it would have now."""
    has, wants = _lines(installed), _lines(wanted)
    differing = [f"lacks {line}" for line in wants if line not in has]
    differing += [f"has {line}" for line in has if line not in wants]
    if not differing:
        return green("unit", f"{path}: what `tradebot service print` prints now")
    more = f" and {len(differing) - SHOWN_LINES} lines more" if len(differing) > SHOWN_LINES else ""
    what = (
        f"{path} differs from what `tradebot service print` prints now: it {', '.join(differing[:SHOWN_LINES])}{more}"
    )
    remedy = f"tradebot service print | diff {path} - ; then tradebot service install, systemctl daemon-reload"
    return yellow("unit", what, remedy)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _symbols_of(command: str) -> str | None:
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    place = words.index("--symbols") + 1 if "--symbols" in words else 0
    return words[place].replace("%%", "%").replace("$$", "$") if 0 < place < len(words) else None
