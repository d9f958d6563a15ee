"""What of a recorded run counts as said by the desk: all but the SENDING rows that the execution wrote itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tradebot.clock import ManualClock
from tradebot.domain.commands import CommandVerb, HaltExpiry
from tradebot.domain.instrument import Instrument
from tradebot.domain.message import Message
from tradebot.domain.messages import Command, Incident, RequestResult
from tradebot.domain.order import OrderEvent, OrderEventType
from tradebot.errors import DataError
from tradebot.journal.input_log import HaltFileSeen, InputEntry, InputLogBatch
from tradebot.journal.rows import InstrumentList, RunEnd, RunRecord, RunSettings, encode_body
from tradebot.journal.writer import Journal
from tradebot.replay.recorded_run import RecordedLine, read_run
from tradebot.replay.rerun import replay_run

TERMS = RunSettings(interval=60, strategies=(), limits={}, desk={}, venue={}, opens_at=0)


def order_event(order_id: str, event_type: OrderEventType) -> OrderEvent:
    return OrderEvent(order_id=order_id, type=event_type, at=1, mono=1)


def tape(*messages: Message) -> InputLogBatch:
    return InputLogBatch(entries=tuple(InputEntry(n, message) for n, message in enumerate(messages)))


async def record(folder: Path, *rows: tuple[str, Message], run: str = "T1") -> Path:
    async with Journal(folder, run=run, clock=ManualClock()) as journal:
        journal.append("run", RunRecord(run_id=run, mode="paper", account="A1", versions={"tradebot": "9.9"}), at=1)
        journal.append("universe", InstrumentList(instruments=(Instrument(symbol="TCS"),)), at=1)
        for kind, message in rows:
            journal.append(kind, message, at=1)
    return journal.path


async def test_sending_counts_only_for_orders_that_were_placed_elsewhere(tmp_path: Path) -> None:
    sending, outside = order_event("T1001", OrderEventType.SENDING), order_event("EXT-1", OrderEventType.SENDING)
    path = await record(
        tmp_path, ("terms", TERMS), ("order", sending), ("order", outside),
        ("tape", tape(RequestResult(event=sending))),
        ("incident", Incident(text="placed elsewhere")), ("halt", Command(verb=CommandVerb.HALT)), ("end", RunEnd()),
    )  # fmt: skip

    recorded = read_run(path)

    assert [line.message for line in recorded.outputs] == [
        outside,
        Incident(text="placed elsewhere"),
        Command(verb=CommandVerb.HALT),
    ]
    assert recorded.has_ended


async def test_a_run_that_was_cut_off_is_told_from_one_that_ended(tmp_path: Path) -> None:
    path = await record(tmp_path, ("terms", TERMS), ("tape", tape(HaltFileSeen(reason=""))))

    assert not read_run(path).has_ended


async def test_the_last_run_is_read_unless_another_is_named(tmp_path: Path) -> None:
    for run in ("T1", "T2"):
        path = await record(tmp_path, ("terms", TERMS), ("tape", tape(HaltFileSeen(reason=run))), run=run)

    assert read_run(path).run.run_id == "T2"
    assert read_run(path, "T1").run.run_id == "T1"
    with pytest.raises(DataError, match="no run T3 to replay; the last ones are T1, T2"):
        read_run(path, "T3")


@pytest.mark.parametrize(
    "changed",
    [{"limits": {"max_open_orders": "many"}}, {"desk": {}}, {"venue": {"of_tomorrow": 1}}, {"strategies": ({"x": 1},)}],
)
async def test_terms_of_another_version_are_refused_in_a_sentence(tmp_path: Path, changed: dict[str, Any]) -> None:
    sound = {"desk": {"order_notional": "1000"}, "venue": {"absent_after_s": 60.0}}
    terms = msgspec.structs.replace(TERMS, **(sound | changed))
    path = await record(tmp_path, ("terms", terms), ("tape", tape(HaltFileSeen(reason=""))))

    with pytest.raises(DataError, match=r"run T1 was recorded by tradebot 9\.9, whose terms this version cannot"):
        await replay_run(read_run(path))


def test_what_an_older_row_does_not_say_is_not_compared_and_what_it_says_is() -> None:
    now = Command(verb=CommandVerb.HALT, reason="the day's loss", until=HaltExpiry.SESSION, control="daily_loss")
    body = b'{"verb":"halt","reason":"the day\'s loss","scope":"all","id":""}'
    older = RecordedLine(1, Command(verb=CommandVerb.HALT, reason="the day's loss"), "halt", body)
    assert older.covers_message(now)
    assert not older.covers_message(msgspec.structs.replace(now, reason="another"))
    today = RecordedLine(1, now, "halt", encode_body("halt", now))
    assert today.covers_message(now)
    assert not today.covers_message(msgspec.structs.replace(now, control=""))


def test_a_control_that_the_gate_learned_since_may_say_that_an_order_passes_and_nothing_else() -> None:
    def decided(*checks: str) -> OrderEvent:
        return OrderEvent(order_id="T1001", type=OrderEventType.INTENT, at=1, mono=1, checks=checks)

    before = decided("halt: ok", "size: ok")
    line = RecordedLine(1, before, "order", encode_body("order", before))

    assert line.covers_message(decided("halt: ok", "disk_space: ok", "size: ok"))
    assert not line.covers_message(decided("halt: ok", "disk_space: the disk is full", "size: ok"))
    assert not line.covers_message(decided("halt: ok"))
    assert not line.covers_message(decided("size: ok", "halt: ok"))
