"""What a daemon gives up before strategies run, seen from a process that did."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tradebot.config import secret_keys
from tradebot.ops.confinement import scrub_secrets

CONFINED = """
import ctypes, os, resource, subprocess, sys, tempfile
from tradebot.ops.confinement import confine_process, limit_child_memory
confine_process()
folder = tempfile.mkdtemp()
open(folder + "/file", "w").close()
print(oct(os.stat(folder + "/file").st_mode & 0o777), resource.getrlimit(resource.RLIMIT_CORE),
      ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
with limit_child_memory(64):
    child = subprocess.run([sys.executable, "-c", "bytearray(200 << 20)"], capture_output=True, text=True)
print(child.returncode, "MemoryError" in child.stderr)
print(subprocess.run([sys.executable, "-c", "bytearray(200 << 20)"]).returncode)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own limits")
def test_files_are_private_there_are_no_cores_and_children_are_bounded() -> None:
    done = subprocess.run([sys.executable, "-c", CONFINED], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["0o600 (0, 0) 0", "1 True", "0"]


def test_secrets_leave_the_environment_and_nothing_else_does() -> None:
    environment = {
        "TRADEBOT_KITE__ACCESS_TOKEN": "a", "tradebot_kite__api_key": "b", "TRADEBOT_STORE__DSN": "c",
        "TRADEBOT_KILL__API_KEY": "d", "TRADEBOT_APP__MODE": "live", "PATH": os.environ["PATH"],
    }  # fmt: skip
    scrubbed = scrub_secrets(environment, secret_keys())
    assert set(environment) == {"TRADEBOT_APP__MODE", "PATH"}
    assert scrubbed == {"kite.access_token": "a", "kite.api_key": "b", "store.dsn": "c"}, "for a reload of the config"
