"""Freeze the desk of a revision: its modules, and the seam over them, are written to `vendor/` with imports rewritten.

    python tests/oracle/freeze.py REV

What is frozen is what decides. Messages, orders, events and the journal's rows are not: both desks share them. A module
from elsewhere that is about to change what it decides joins `TAKEN`.
"""

from __future__ import annotations

import argparse
import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INTO = Path(__file__).with_name("vendor")
# Folders and files of the package: the desk, and the ways of a backtest past it.
TAKEN = ("tradebot/trading/desk", "tradebot/backtest/backtest_desk.py", "tradebot/backtest/fast_placement.py",
         "tradebot/backtest/fast_gate.py", "tradebot/backtest/order_fast_path.py")  # fmt: skip
SEAM = "tests/oracle/seam.py"
PACKAGE = "tests.oracle.vendor"


def frozen(revision: str) -> dict[str, str]:
    """Return the frozen copy of `revision` (a full hash) as path below `vendor/` -> text.

    A revision from before there was a seam is frozen below the seam of today.
    """
    listed = _git("ls-tree", "-r", "--name-only", revision, *TAKEN).split()
    texts = {name: _git("show", f"{revision}:{name}") for name in listed if name.endswith(".py")}
    assert texts, f"{revision} has no {', '.join(TAKEN)}"
    has_seam = bool(_git("ls-tree", "--name-only", revision, SEAM))
    texts["tradebot/seam.py"] = _git("show", f"{revision}:{SEAM}") if has_seam else (ROOT / SEAM).read_text("utf-8")
    moved = [_module(name) for name in TAKEN]
    copies = {}
    for name, text in texts.items():
        for module in moved:
            text = re.sub(rf"\b{re.escape(module)}\b", f"{PACKAGE}{module.removeprefix('tradebot')}", text)
        left = [line for line, module in _imports(text) if any(f"{module}.".startswith(f"{m}.") for m in moved)]
        assert not left, f"{name}:{left[0]} imports what is frozen in words that are not rewritten"
        copies[name.removeprefix("tradebot/")] = text
    said = f'"""The desk of revision {revision[:12]}, written by `freeze.py`; not edited by hand."""'
    copies["__init__.py"] = f'{said}\n\nREVISION = "{revision}"\n'
    return copies


def _module(name: str) -> str:
    return name.removesuffix(".py").replace("/", ".")


def _imports(text: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno} imports relatively"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def main() -> int:
    """Write the copy."""
    parser = argparse.ArgumentParser(description="Freeze the desk of a revision under tests/oracle/vendor.")
    parser.add_argument("revision", help="a commit, by any name that git knows")
    revision = _git("rev-parse", f"{parser.parse_args().revision}^{{commit}}").strip()
    copies = frozen(revision)
    shutil.rmtree(INTO, ignore_errors=True)
    for name, text in copies.items():
        (INTO / name).parent.mkdir(parents=True, exist_ok=True)
        (INTO / name).write_text(text, "utf-8")
    sys.stdout.write(f"{len(copies)} files of {revision[:12]} are in {INTO.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
