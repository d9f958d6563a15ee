"""Names on disk stay: a journal that was written is read for ever, whatever the code calls its classes and fields."""

from __future__ import annotations

import enum
import json
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.journal.recorded_days import came_out, expected, kept, unpacked
from tradebot.domain import wire_names
from tradebot.domain.market import Quotes
from tradebot.domain.message import Message, names_on_disk
from tradebot.domain.messages import ClockTick
from tradebot.domain.order import OrderEvent
from tradebot.domain.portfolio import Position
from tradebot.domain.wire_names import ON_DISK, class_on_disk, fields_on_disk, key_of, renamed
from tradebot.journal import input_log, legacy_rows, rows
from tradebot.journal.reader import read_rows as read_rows
from tradebot.strategies.loading import StrategySpec
from tradebot.trading.desk.gate.limits import Limits
from tradebot.trading.desk.settings import DeskSettings

# What rows hold, what tapes hold, what is packed into them, what `terms` holds as values, and what tables hold.
WRITTEN = (
    *(kind for kinds in rows.ROW_KINDS.values() for kind in kinds), *legacy_rows.LEGACY_KINDS.values(), rows._LinkRow,
    rows._PackedBatch, rows._PackedSeries, *input_log.MESSAGE_TYPES.values(), ClockTick, Quotes, input_log.InputQuotes,
    input_log._PackedInputs, Limits, DeskSettings, StrategySpec, Position,
)  # fmt: skip
KINDS = {  # of rows and of what tapes hold, seen in the days that are kept
    "run", "universe", "terms", "warmup", "tape", "session", "close", "signals", "order", "link", "reconciled", "halt",
    "resume", "flatten", "incident", "trailing", "end",
}  # fmt: skip
TAPED = {
    "Adopt", "Books", "SameBooks", "Command", "Executed", "Killed", "LinkDown", "LinkUp", "OrderSeen", "Outcome",
    "SessionBegins", "Signaled", "Stepped",
}  # fmt: skip
# The values of enumerations on disk.
VALUES = {
    "Action": "enter_long exit_long enter_short exit_short",
    "DiskAllowance": "all exits cancels",
    "InstrumentKind": "equity index future option spot",
    "OrderEventType": "denied intent lapsed sending not_sent accepted refused ambiguous seen_acked seen_open"
    " seen_filled seen_canceled seen_expired seen_rejected executed reversed quarantined not_found cancel_asked"
    " cancel_sent cancel_accepted cancel_refused cancel_unknown replace_sent replaced replace_refused replace_unknown"
    " changed link_lost link_back day_ended",
    "OrderKind": "MARKET LIMIT SL SL-M",
    "OrderPurpose": "entry exit stop trail target flatten external",
    "Refusal": "order funds",
    "Side": "BUY SELL",
    "HaltExpiry": "resume session",
    "Validity": "DAY IOC",
    "VenueOrderStatus": "acked open pending_trigger filled canceled rejected expired",
    "CommandVerb": "halt flatten resume stop cancel",
}


def reached(kinds: Iterator[Any] | tuple[Any, ...]) -> dict[type, None]:
    """Return the messages and enumerations that stand in the bodies of `kinds`."""
    found: dict[type, None] = {}
    left = list(kinds)
    while left:
        kind = left.pop()
        left += typing.get_args(kind)
        if not isinstance(kind, type) or kind in found:
            continue
        if issubclass(kind, enum.Enum):
            found[kind] = None
        elif issubclass(kind, msgspec.Struct) and kind is not Message:
            found[kind] = None
            left += [field.type for field in msgspec.structs.fields(kind)]
    return found


def test_what_is_written_is_called_what_the_table_says() -> None:
    written = {key_of(kind): names_on_disk(kind) for kind in reached(WRITTEN) if issubclass(kind, Message)}

    assert written.keys() == ON_DISK.keys(), "a class on disk stands in the table, see `wire_names.py`"
    for key, names in written.items():
        assert names == fields_on_disk(key), f"{key}: name its fields in `wire_names.py`, see there"


def test_the_values_of_enumerations_on_disk_stay() -> None:
    kinds = {kind.__name__: kind for kind in reached(WRITTEN) if issubclass(kind, enum.Enum)}

    assert kinds.keys() == VALUES.keys()
    for name, kind in kinds.items():
        assert [member.value for member in kind][: len(VALUES[name].split())] == VALUES[name].split(), name


def test_a_class_and_a_field_get_another_name_in_code_by_an_entry_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(wire_names.ON_DISK, "test_wire_names.Note", "Incident: words=text at order_id symbol")

    class Note(Message, frozen=True, rename=renamed("test_wire_names.Note")):
        words: str
        at: int
        order_id: str = ""
        symbol: str = ""

    assert msgspec.json.encode(Note(words="a fill", at=1)) == b'{"text":"a fill","at":1,"order_id":"","symbol":""}'
    assert msgspec.json.decode(b'{"text":"a fill","at":1}', type=Note) == Note(words="a fill", at=1)
    assert class_on_disk(Note) == "Incident"


@pytest.mark.parametrize("name", kept())
async def test_a_journal_of_before_is_verified_recovered_and_replayed(name: str, tmp_path: Path) -> None:
    found = await came_out(unpacked(name, tmp_path))

    assert json.loads(json.dumps(found)) == expected(name)
    assert all(replay["difference"] is None for replay in found["replays"])


@pytest.mark.parametrize("name", kept())
def test_each_row_of_before_is_written_as_it_was(name: str, tmp_path: Path) -> None:
    for row in read_rows(unpacked(name, tmp_path)):
        now = json.loads(rows.encode_body(row.kind, row.message))
        assert covers(now, json.loads(row.body)), f"row {row.seq}, a {row.kind}"


def test_the_days_that_are_kept_hold_most_kinds_of_rows(tmp_path: Path) -> None:
    kinds, taped, events = set[str](), set[str](), set[str]()
    for name in kept():
        for row in read_rows(unpacked(name, tmp_path)):
            kinds.add(row.kind)
            match message := row.message:
                case input_log.InputLogBatch():
                    taped |= {class_on_disk(type(entry.message)) for entry in message.entries}
                case OrderEvent():
                    events.add(message.type.value)

    assert kinds >= KINDS
    assert taped >= TAPED | {"Tick", "Quotes", "Marks"}
    assert len(events) >= 22


def covers(now: Any, before: Any) -> bool:
    """True when `now` says all that `before` says; a row of before has not all of today's fields."""
    match now, before:
        case dict(), dict():
            return all(key in now and covers(now[key], value) for key, value in before.items())
        case list(), list():
            return len(now) == len(before) and all(map(covers, now, before))
    return bool(now == before)
