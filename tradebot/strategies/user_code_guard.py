"""The fence around code we did not write: what a strategy raises becomes one line of text, and nothing else stops."""

from __future__ import annotations

import traceback
from types import FrameType, TracebackType
from typing import Self

MODULE_PREFIX = "tradebot_strategy_"  # of the modules that users' files become, before the hash of their text


class UserCodeGuard:
    """A context that swallows what foreign code raises and keeps it in `fault`.

    `fault_line` is where in the strategy's own code that was: in the file `path`, without one in any user's file or the main
    program; None where none of them was at work.

    MemoryError passes: the process is no longer sound and its owner replaces it. So do KeyboardInterrupt and the ends
    of generators and tasks, which are not the strategy's to decide. SystemExit does not: no strategy ends the daemon.
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
        """The fault in one line, with the line of the strategy it came from where that is known; empty without one."""
        return self.fault_text if self.fault_line is None else f"{self.fault_text} (line {self.fault_line})"

    @property
    def fault_text(self) -> str:
        """The fault in one line, empty when there was none."""
        if self.fault is None:
            return ""
        text = " ".join(str(self.fault).split())
        return f"{type(self.fault).__name__}: {text}" if text else type(self.fault).__name__

    def _is_own(self, frame: FrameType) -> bool:
        if self.path:
            return frame.f_code.co_filename == self.path
        module = str(frame.f_globals.get("__name__", ""))
        return module.startswith(MODULE_PREFIX) or module == "__main__"
