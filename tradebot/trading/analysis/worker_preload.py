"""Imported once by the fork server before it forks workers: all a worker needs, with one thread for linear algebra.

A worker has one core's worth of work, and a process that is forked must have no other thread.
"""

from __future__ import annotations

import importlib
import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
# Only now: numpy reads the environment when it is imported.
importlib.import_module("tradebot.trading.analysis.worker")
