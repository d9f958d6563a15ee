"""The processes of a benchmark: each newly started, most with a pipe to the parent, all ended after the measurement."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import tradebot
from tradebot.errors import TradebotError


@contextmanager
def running_process(work: Callable[[], None], *, grace_s: float = 0.0) -> Iterator[int]:
    """Run `work` in a new process and yield its process id.

    At the end the process has `grace_s` seconds to end by itself, then it is killed. Only with `grace_s` above 0 may it
    have children of its own.
    """
    process = multiprocessing.get_context("spawn").Process(target=work, daemon=not grace_s)
    process.start()
    assert process.pid is not None, "a started process has a number"
    try:
        yield process.pid
    finally:
        process.join(grace_s)
        process.kill()
        process.join()


@contextmanager
def piped_process(work: Callable[[Connection], None], *, grace_s: float = 0.0) -> Iterator[Connection]:
    """Run `work` as `running_process` does, with one end of a pipe, and yield the other end."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    with running_process(partial(work, theirs), grace_s=grace_s), ours:
        theirs.close()
        yield ours


def receive_within(pipe: Connection, *, within_s: float, late: str) -> Any:
    """Return the next object of the pipe. Raises TimeoutError with the text `late`, EOFError if the process ended."""
    if not pipe.poll(within_s):
        raise TimeoutError(f"{late} within {within_s:g} s")
    return pipe.recv()


@contextmanager
def failures_as_errors() -> Iterator[None]:
    """Turn an EOFError, OSError or TimeoutError about a process into a TradebotError of one sentence."""
    try:
        yield
    except (EOFError, OSError) as error:  # TimeoutError and BrokenPipeError are OSErrors
        raise TradebotError(f"a process of the benchmark failed: {str(error) or 'it ended early'}") from error


def child_environment(*dropped: str) -> dict[str, str]:
    """Return the environment of a `tradebot` child: this package, without TRADEBOT_ settings and `dropped` names."""
    ours = ("TRADEBOT_", "NOTIFY_SOCKET", *dropped)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    paths = (str(Path(tradebot.__file__).parent.parent), kept.get("PYTHONPATH"))
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def last_output_line(file: Path) -> str:
    """Return the last line of a process's output file, or a sentence if it is empty."""
    said = file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return said[-1] if said else "it said nothing"
