"""Debian's Prometheus and its promtool: found, or the test skips; in CI it fails instead."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def installed(program: str) -> str:
    """Return the path of `prometheus` or `promtool`."""
    found = shutil.which(program)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"this test needs {program}: install Debian's prometheus")
        pytest.skip(f"no {program} on this machine: apt-get install prometheus")
    return found


def promtool(*words: str, given: bytes = b"") -> str:
    """Run promtool and return what it said; it must be content, warnings of its lint included."""
    done = subprocess.run([installed("promtool"), *words], input=given, capture_output=True, check=False, timeout=60)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said
