"""The guard around user code: what a strategy raises becomes one line of text and stops nothing else."""

from __future__ import annotations

import traceback
from types import FrameType, TracebackType
from typing import Self

MODULE_PREFIX = "tradebot_strategy_"  # module names of users' files: this prefix and a hash of the text


class UserCodeGuard:
    """A context manager that catches what user code raises and keeps it in `fault`.

    `fault_line` is the line of the strategy's own code at which it was raised: in the file `path`, or without a `path`
    in any user's file or the main program. It is None when none of these was running.

    MemoryError passes through: the process is not reliable any more, and its owner replaces it. KeyboardInterrupt and
    the ends of generators and tasks pass through too, because they are not the strategy's. SystemExit is caught: no
    strategy ends the daemon.
    """

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.fault: BaseException | None = None
        self.fault_line: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(fault, Exception | SystemExit) or isinstance(fault, MemoryError):
            return False
        lines = [line for frame, line in traceback.walk_tb(trace) if self._is_own(frame)]
        self.fault, self.fault_line = fault, lines[-1] if lines else None
        return True

    @property
    def fault_reason(self) -> str:
        """The fault in one line of text, with its line in the strategy if known; empty without a fault."""
        return self.fault_text if self.fault_line is None else f"{self.fault_text} (line {self.fault_line})"

    @property
    def fault_text(self) -> str:
        """The fault in one line of text; empty without a fault."""
        if self.fault is None:
            return ""
        text = " ".join(str(self.fault).split())
        return f"{type(self.fault).__name__}: {text}" if text else type(self.fault).__name__

    def _is_own(self, frame: FrameType) -> bool:
        if self.path:
            return frame.f_code.co_filename == self.path
        module = str(frame.f_globals.get("__name__", ""))
        return module.startswith(MODULE_PREFIX) or module == "__main__"
