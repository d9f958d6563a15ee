"""What the desk was shown, read off the journal's tapes by plain decoding: prices of symbols it held, and a few words.

A tape notes the quotes of symbols that are held or worked in, one by one, with our monotonic time of each.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tradebot.checker.evidence import EvidenceRow, JournalEvidence

TICK, QUOTES, MARKS = "tqk"
STOPS, REFUSED, FREE = "stops", "refused", "free"


class DeskInput(NamedTuple):
    """A price that the desk was shown at `mono`, or with an empty `symbol` something else that changes what it may do.

    The price is a number of units, of which `scale` are one. `word` is `stops`, `refused` (no exit can leave), or
    `free` (it can again).
    """

    mono: int
    symbol: str = ""
    units: int = 0
    scale: int = 1
    word: str = ""

    @property
    def display_price(self) -> float:
        """The price for people to read."""
        return self.units / self.scale


def read_desk_inputs(journal: JournalEvidence) -> dict[str, list[DeskInput]]:
    """Return run -> what its desk was shown, in order; a run that kept no tape is not there."""
    found: dict[str, list[DeskInput]] = {}
    listed: dict[int, tuple[str, int]] = {}  # id in the universe -> symbol, units of a price of one
    for row in journal.rows_of_kinds("universe", "tape"):
        if row.kind == "universe":
            instruments = enumerate(row.body.get("instruments") or ())
            listed = {id_: (str(i["symbol"]), 10 ** int(i.get("price_decimals", 2))) for id_, i in instruments}
        else:
            found.setdefault(row.run, []).extend(_tape(row, listed))
    return found


def _tape(row: EvidenceRow, listed: dict[int, tuple[str, int]]) -> Iterator[DeskInput]:
    columns, letters = row.body["columns"], str(row.body["order"])
    known, others = _sums(columns["mono"]), iter(row.body.get("messages") or ())
    frames = iter(zip(_ints(columns["frame_rows"]), _sums(columns["frame_seen_at"]), strict=True))
    quotes = iter(zip(_ints(columns["frame_ids"]), _ints(columns["frame_last"]), strict=True))
    for letter, mono in zip(letters, known, strict=True):
        if letter == QUOTES:
            count, seen_at = next(frames)
            for _ in range(count):
                id_, units = next(quotes)
                if id_ in listed:
                    yield DeskInput(max(mono, seen_at), listed[id_][0], units, listed[id_][1])
        elif letter not in (TICK, MARKS):
            name, message = next(others)
            if word := _word(name, message):
                yield DeskInput(mono, word=word)


def _word(name: str, message: dict[str, Any]) -> str:
    if name == "Command" and message.get("verb") == "stop":
        return STOPS
    if name == "BrokerSession":
        return REFUSED if message.get("orders_refused") else FREE
    return ""


def _ints(column: list[str]) -> list[int]:
    found: list[int] = np.frombuffer(b64decode(column[1]), dtype=column[0]).tolist()
    return found


def _sums(column: list[str]) -> list[int]:
    # The first value in eight bytes, the differences that follow in as many as the type behind the sign says.
    content = b64decode(column[1])
    steps = np.frombuffer(content[8:], dtype=column[0].removeprefix("+")).astype(np.int64)
    found: list[int] = np.cumsum(np.concatenate([np.frombuffer(content[:8], dtype="<i8"), steps])).tolist()
    return found
