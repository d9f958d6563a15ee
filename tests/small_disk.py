"""A small disk that may be filled: a file system in memory, mounted in a namespace of the test's own, without root."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@functools.cache
def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = ["unshare", "-Urm", "mount", "-t", "tmpfs", "-o", "size=1m", "none", "/mnt"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


def on_small_disk(driver: Path, case: str, folder: Path, *, mb: int, within_s: float = 30) -> str:
    """Run `driver CASE FOLDER` with a disk of so many MB at `folder`, which is gone after; returns what it prints."""
    if not _may_mount():
        pytest.skip("this machine lets only root mount a file system")
    folder.mkdir(exist_ok=True)
    script = f'mount -t tmpfs -o size={mb}m none "$3" && exec "$0" "$1" "$2" "$3"'
    alone = ["unshare", "-Urm", "--fork", "--pid", "--kill-child"]  # what it started ends with it
    ran = subprocess.run(
        [*alone, "sh", "-c", script, sys.executable, str(driver), case, str(folder)],
        capture_output=True, text=True, timeout=within_s, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-3000:]
    return ran.stdout


def fill_up(folder: Path) -> Path:
    """Take every byte of the disk that `folder` is on; returns the file that holds them."""
    hog = folder / "hog"
    with hog.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(64 << 10)):
                pass
        except OSError:
            pass
    return hog
