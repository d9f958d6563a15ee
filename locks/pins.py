"""What a lock says: pinned versions, the hashes of their files, and what wants them. Needs nothing but Python."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# Installed in this order into one environment; none names what an earlier one has.
CHAIN = ("build", "run", "dev")
SOURCES = {
    "build": ("locks/build.in",),
    "run": ("pyproject.toml",),
    "dev": ("pyproject.toml", "--extra", "test", "--extra", "check"),
    "sdk": ("locks/sdk.in",),
    "rivals": ("locks/rivals.in",),
    "uv": ("locks/uv.in",),
}
_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)==([^\s;\\]+)")
_VIA = re.compile(r"#\s+(?:via\s+)?([A-Za-z0-9][\w.-]*)(?:\[.*\])?(?: \(.*\))?")


class Pin(NamedTuple):
    """One version of a package: the sha256 of its files, what wants it, and its lines in the lock."""

    name: str
    version: str
    hashes: tuple[str, ...]
    wanted_by: tuple[str, ...]
    text: str


def canonical(name: str) -> str:
    """Return a name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> list[Pin]:
    """Return the pins of a lock, in its order. Raises ValueError for a line that is none of ours."""
    found = []
    for block in re.split(r"\n(?=\S)", text.strip()):
        if block.startswith("#"):
            continue
        pin = _PIN.match(block)
        if pin is None:
            raise ValueError(f"no pinned version: {block.splitlines()[0]}")
        hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})\b", block)
        via = [match[1] for line in block.splitlines() if (match := _VIA.fullmatch(line.strip())) and match[1] != "via"]
        found.append(Pin(canonical(pin[1]), pin[2], tuple(hashes), tuple(sorted(set(map(canonical, via)))), block))
    return found


def read(name: str) -> list[Pin]:
    """Return the pins of the lock of this name."""
    return pins((HERE / f"{name}.txt").read_text(encoding="utf-8"))
