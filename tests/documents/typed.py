"""What the documents of this repository tell people to type: commands, programs, settings, names."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^ *```(\w*)\s*$")
INDENTED = re.compile(r"^ {4}(\S.*)$")
HISTORY = "CHANGELOG.md"  # of what was: its commands are looked at, none is run
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
SHELLS = ("sh", "bash", "shell", "console")
ENVIRONMENT = re.compile(r"(?:[A-Z][A-Z0-9_]*=\S+ +)+")


class Typed(NamedTuple):
    """One thing that a document shows: a line of a shell block, another block, or a span of a sentence."""

    place: str  # "README.md:23"
    kind: str  # "shell", "span", or the language of the block, "" for a picture
    text: str

    @property
    def is_command(self) -> bool:
        return self.kind == "shell" or (self.kind == "span" and head_of(self.text) in ("tradebot", "make"))


def documents() -> list[Path]:
    """Return the documents, the README first."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    names = [name for name in listed.stdout.split("\0") if name]
    found = [ROOT / name for name in names] or [*ROOT.glob("*.md"), *(ROOT / "tradebot").rglob("*.md")]
    return sorted((path for path in found if path.is_file()), key=lambda path: (path.name != "README.md", str(path)))


def shown(*, has_history: bool = False) -> list[Typed]:
    """Return what all documents show, in the order in which a reader meets it."""
    return [
        one
        for path in documents()
        if has_history or path.name != HISTORY
        for one in typed_in(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
    ]


def typed_in(text: str, name: str) -> Iterator[Typed]:
    """Yield what a document shows, in its order; `name` says which it is."""
    lines = iter(enumerate(text.split("\n"), 1))
    prose: list[tuple[int, str]] = []
    for number, line in lines:
        if fence := FENCE.match(line):
            yield from _spans(prose, name)
            prose = []
            block = []
            for _, inner in lines:
                if FENCE.match(inner):
                    break
                block.append(inner)
            yield from _block(name, number, fence[1], block)
        elif (found := INDENTED.match(line)) and (not prose or not prose[-1][1].strip()):
            yield Typed(f"{name}:{number}", "shell", found[1])
        else:
            prose.append((number, line))
    yield from _spans(prose, name)


def _block(name: str, number: int, language: str, lines: list[str]) -> Iterator[Typed]:
    if language not in SHELLS:
        yield Typed(f"{name}:{number}", language, "\n".join(lines))
        return
    before, first = "", number
    for at, line in enumerate(lines, number + 1):
        first = first if before else at
        before += line.removesuffix("\\")
        if line.endswith("\\"):
            continue
        command = re.sub(r"(?:^|\s+)#(?: .*)?$", "", before).strip()
        if command:
            yield Typed(f"{name}:{first}", "shell", command)
        before = ""


def _spans(prose: list[tuple[int, str]], name: str) -> Iterator[Typed]:
    text = "\n".join(line for _, line in prose)
    for found in SPAN.finditer(text):
        if "\n\n" not in found[1]:
            number = prose[text.count("\n", 0, found.start())][0]
            yield Typed(f"{name}:{number}", "span", " ".join(found[1].split()))


def head_of(command: str) -> str:
    """Return the program of a command, without the variables set before it."""
    return ENVIRONMENT.sub("", command, count=1).partition(" ")[0] if command else ""


def simple(command: str) -> list[list[str]]:
    """Return the words of each command of a shell line: its pipes, lists and choices (`db status|migrate`) taken apart.

    Variables before a command and what stands behind `>` are left out. Raises ValueError for a quote without an end.
    """
    *before, last = command.split(" ")
    if re.fullmatch(r"[a-z-]+(?:\|[a-z-]+)+", last):
        return [one for choice in last.split("|") for one in simple(" ".join([*before, choice]))]
    words = shlex.shlex(command, posix=True, punctuation_chars="|&;<>")
    words.whitespace_split, words.commenters = True, ""
    found: list[list[str]] = [[]]
    is_file = False
    for word in words:
        if set(word) <= set("|&;"):
            found.append([])
        elif not is_file and word not in "<>>" and not (not found[-1] and ENVIRONMENT.fullmatch(f"{word} ")):
            found[-1].append(word)
        is_file = word in (">", ">>", "<")
    return [one for one in found if one]
