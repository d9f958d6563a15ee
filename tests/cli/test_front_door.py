"""The front door of the repository: make targets, pinned versions, and the script that accepts a change."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tradebot import __main__
from tradebot.__main__ import run_command_line

ROOT = Path(__file__).resolve().parent.parent.parent
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def planned(*args: str) -> str:
    return subprocess.run(["make", "-n", *args], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("verb", __main__.VERBS)
def test_every_verb_is_a_command_with_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    group = __main__.tradebot
    assert isinstance(group, click.Group)
    command = group.get_command(click.Context(group), verb)

    assert command is not None
    assert command.name == verb
    assert __main__.run_command_line([verb, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: tradebot {verb}")


@needs_make
def test_make_alone_lists_the_targets() -> None:
    out = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert {"run", "test", "check", "bench", "sdk-env"} <= set(re.findall(r"^  make ([a-z-]+) ", out, re.MULTILINE))


@needs_make
def test_make_run_starts_the_daemon_with_the_given_symbols_and_time() -> None:
    plan = planned("run", "SYMBOLS=RELIANCE,M&M", "FOR=15s")

    assert "exec .venv/bin/tradebot run --symbols 'RELIANCE,M&M' --for '15s'" in plan
    assert "compileall -q tradebot" in plan


@needs_make
def test_cleaning_keeps_the_journal() -> None:
    assert not re.search(r"\bstate\b", planned("clean"))


def test_the_accepting_script_runs_every_step() -> None:
    script = ROOT / ".ci/run"
    text = script.read_text()

    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in text
    steps = [text.index(step) for step in ("make sdk-env", "make test", "make check", "make run FOR=15s")]
    assert steps == sorted(steps)
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_a_closed_standard_output_is_no_reason_to_fail(tmp_path: Path) -> None:
    command = f"exec {sys.executable} -m tradebot run --state-dir {tmp_path}/state --for 1s --workers 0 >&-"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_error_moves_the_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "\x1b[31mred.csv").write_text("date,close\n\x1b]0;title\x07,1\n")
    assert run_command_line(["data", "import", str(tmp_path), "--state-dir", str(tmp_path / "state")]) == 65
    assert not [c for c in capsys.readouterr().err if not c.isprintable() and c != "\n"]
