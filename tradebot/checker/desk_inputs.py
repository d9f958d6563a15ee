"""What the desk received, decoded from the input log in the journal: prices of symbols it held, and a few states.

The input log has each quote of a symbol with a position or open order, with our monotonic time.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tradebot.checker.evidence import EvidenceRow, JournalEvidence

TICK, QUOTES, MARKS = "tqk"
STOPS, REFUSED, FREE, LISTED = "stops", "refused", "free", "listed"
LISTS = ("Books", "SameBooks")  # messages of an account snapshot; the second one tells that nothing has changed


class DeskInput(NamedTuple):
    """A price that the desk received at `mono`; or, with an empty `symbol`, what else it learned.

    The price is `units` / `scale`. `word` is `stops` (the desk stops), `refused` (no exit can leave), `free` (exits can
    leave again), or `listed` (an account snapshot came, requested at `asked_at`, monotonic ns).
    """

    mono: int
    symbol: str = ""
    units: int = 0
    scale: int = 1
    word: str = ""
    asked_at: int = 0

    @property
    def display_price(self) -> float:
        """The price as a float, for people to read."""
        return self.units / self.scale


def read_desk_inputs(journal: JournalEvidence) -> dict[str, list[DeskInput]]:
    """Return run -> inputs of its desk, in order; runs without an input log are absent."""
    found: dict[str, list[DeskInput]] = {}
    listed: dict[int, tuple[str, int]] = {}  # id in the universe -> (symbol, units of a price of 1)
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
            if name in LISTS:
                yield DeskInput(mono, word=LISTED, asked_at=int(message.get("asked_at") or 0))
            elif word := _word(name, message):
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
    # The first value takes eight bytes; differences follow, in the type named after the leading "+".
    content = b64decode(column[1])
    steps = np.frombuffer(content[8:], dtype=column[0].removeprefix("+")).astype(np.int64)
    found: list[int] = np.cumsum(np.concatenate([np.frombuffer(content[:8], dtype="<i8"), steps])).tolist()
    return found
