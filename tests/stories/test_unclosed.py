"""What a run leaves open: nothing, as Python's development mode sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(120)
OPEN = ("ResourceWarning", "unclosed", "Unclosed", "never awaited", "never retrieved", "was destroyed")


def test_a_run_in_development_mode_leaves_no_socket_file_or_task_open(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-m", "tradebot", "run", "--symbols", "RELIANCE,TCS", "--for", "6s",
         "--state-dir", str(tmp_path / "state"), "--log-format", "json", "--log-level", "debug"],
        capture_output=True, text=True, check=False, timeout=90,
        env={k: v for k, v in os.environ.items() if not k.startswith("TRADEBOT_")},
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, done.stderr[-2000:]
    assert '"event":"run_summarized"' in said.replace('": "', '":"')
    assert not [line for line in said.splitlines() if any(word in line for word in OPEN)]
