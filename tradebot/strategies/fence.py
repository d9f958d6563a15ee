"""The fence around code we did not write: what a strategy raises becomes one line of text, and nothing else stops."""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import Self


class Fence:
    """A context that swallows what foreign code raises and keeps it in `fault`, with the line it came from in `line`.

    MemoryError passes: the process is no longer sound and its owner replaces it. So do KeyboardInterrupt and the ends
    of generators and tasks, which are not the strategy's to decide. SystemExit does not: no strategy ends the daemon.
    """

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.fault: BaseException | None = None
        self.line: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(fault, Exception | SystemExit) or isinstance(fault, MemoryError):
            return False
        frames = traceback.extract_tb(trace)
        own = [frame.lineno for frame in frames if frame.filename == self.path]
        self.fault, self.line = fault, (own or [frames[-1].lineno])[-1]
        return True

    @property
    def reason(self) -> str:
        """The fault in one line, empty when there was none."""
        if self.fault is None:
            return ""
        text = " ".join(str(self.fault).split())
        return f"{type(self.fault).__name__}: {text}" if text else type(self.fault).__name__
