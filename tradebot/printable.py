"""Makes text from outside (file names, symbols, settings, a venue's messages) safe to print on one line. Pure."""

from __future__ import annotations

from typing import Any


def make_printable(value: Any, *, allowed: str = "") -> str:
    """Return `value` as text that cannot move the cursor, reorder the text beside it or break the line.

    Each unprintable character becomes one space or one question mark, so columns stay aligned. Characters in `allowed`
    stay. Bytes in a file name that are not text also become question marks.
    """
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in allowed else " " if c.isspace() else "?" for c in text)
