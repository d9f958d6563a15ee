"""Promises I25 and I26: the journal itself, with its hash chain computed a second time."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

from tradebot.checker.run_records import RunRecords
from tradebot.checker.verdict import PromiseVerdict, verdict_broken, verdict_not_shown, verdict_ok

GENESIS_HASH = bytes(32)


def chain_is_whole(records: RunRecords) -> PromiseVerdict:
    """I25: no row is missing, torn, changed or out of order."""
    prev = GENESIS_HASH
    for place, cells in enumerate(records.journal.cells, 1):
        if (fault := _fault(cells, place, prev)) is not None:
            return verdict_broken("I25", fault)
        prev = cells[6]
    if records.journal.damage:
        return verdict_broken(
            "I25", f"after row {len(records.journal.cells)} the file is damaged: {records.journal.damage}"
        )
    if not records.journal.cells:
        return verdict_not_shown("I25", "the journal has no row")
    return verdict_ok("I25", f"{len(records.journal.cells)} rows in an unbroken chain, head {prev.hex()[:16]}")


def is_deterministic(records: RunRecords) -> PromiseVerdict:
    """I26: never shown here, because one record cannot show that a second run would write the same."""
    return verdict_not_shown(
        "I26", "one record cannot show it; two runs of one seed are compared byte by byte elsewhere"
    )


def _fault(cells: tuple[Any, ...], place: int, prev: bytes) -> str | None:
    seq, run, at, wall, kind, before, own, body = cells
    if tuple(map(type, cells)) != (int, str, int, int, str, bytes, bytes, bytes):
        return f"row {seq} is torn: a cell holds another type than was written"
    if seq != place:
        return f"row {place} is missing, row {seq} stands in its place"
    head = struct.pack("<qqqII", seq, at, wall, len(run.encode()), len(kind.encode()))
    content = before + head + run.encode() + kind.encode() + body
    if hashlib.blake2b(content, digest_size=32).digest() != own:
        return f"row {seq} was changed after it was written"
    if before != prev:
        return f"row {seq} does not follow row {place - 1}: rows were exchanged, cut out or put in"
    return None
