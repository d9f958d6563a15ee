"""Imported by the fork server before it forks workers: all that a worker needs, with one thread for linear algebra.

A worker has work for one core, and a process that is forked must not have other threads.
"""

from __future__ import annotations

import importlib
import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
# After the loop above, because numpy reads the environment when it is imported.
importlib.import_module("tradebot.trading.analysis.worker")
