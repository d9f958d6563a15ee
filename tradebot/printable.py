"""Text of others made safe for a terminal and one line: names of files, symbols, settings, a venue's words. Pure."""

from __future__ import annotations

from typing import Any


def make_printable(value: Any, *, allowed: str = "") -> str:
    """Return `value` as text that cannot move the cursor, reorder what stands beside it or break the line.

    Each character that is not printable becomes one other, a space or a question mark, so that columns stay in place;
    those in `allowed` stay. Bytes of a file name that are no text become question marks too.
    """
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in allowed else " " if c.isspace() else "?" for c in text)
