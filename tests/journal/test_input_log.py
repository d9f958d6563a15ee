"""The tape in the journal: what the desk consumed comes back in its order, to the last unit."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebot.domain.commands import CommandVerb
from tradebot.domain.market import Quotes
from tradebot.domain.message import Message
from tradebot.domain.messages import (
    AccountSnapshot,
    ClockTick,
    Command,
    EarlySessionEnd,
    LinkDown,
    OrderReport,
    RequestResult,
    SessionBegins,
    Signals,
)
from tradebot.domain.order import OrderEvent, OrderEventType, OrderKind, Side, VenueOrder, VenueOrderStatus
from tradebot.errors import StateError
from tradebot.journal.input_log import (
    QUOTE_FIELDS,
    HaltFileSeen,
    InputEntry,
    InputLogBatch,
    InputQuotes,
    SignalsTaken,
    StartSnapshot,
    StrategiesStepped,
    UnchangedSnapshot,
)
from tradebot.journal.rows import decode_body, encode_body

TIMES = st.integers(0, 2**62)
UNITS = st.integers(0, 2**40)
ORDER = VenueOrder(
    venue_order_id="1", tag="TB1", symbol="TCS", exchange="NSE", side=Side.SELL, kind=OrderKind.LIMIT,
    status=VenueOrderStatus.OPEN, quantity=Decimal(5), filled=Decimal(2), price=Decimal("3500.05"),
)  # fmt: skip
BOOKS = AccountSnapshot(asked_at=1, orders=(ORDER,), fills=(), positions=(), cash=Decimal("50000.00"))
OTHERS = (
    StartSnapshot(snapshot=BOOKS),
    BOOKS,
    UnchangedSnapshot(asked_at=9),
    Command(verb=CommandVerb.HALT, reason="by hand"),
    Command(verb=CommandVerb.CANCEL, reason="by hand", id="T1-7"),
    HaltFileSeen(reason="the file"),
    LinkDown(source="kite", mono=3, reason="silent"),
    OrderReport(order=ORDER, mono=8),
    RequestResult(event=OrderEvent(order_id="T1", type=OrderEventType.ACCEPTED, at=4, mono=5, venue_order_id="1")),
    SessionBegins(opens_at=1, closes_at=4, entries_until=2, square_off_at=3),
    SessionBegins(
        opens_at=1,
        closes_at=9,
        entries_until=7,
        square_off_at=8,
        early_ends=(EarlySessionEnd(closes_at=4, entries_until=2, square_off_at=3, symbols=("TCS", "INFY")),),
    ),
    SignalsTaken(at=60, interval=60),
    StrategiesStepped(ends_at=60, holdings={"TCS": (Decimal(-3), Decimal("3500.05"))}),
)


def rows(names: tuple[str, ...]) -> st.SearchStrategy[dict[str, np.ndarray]]:
    columns = st.integers(0, 4).flatmap(lambda n: st.tuples(*[st.lists(UNITS, min_size=n, max_size=n)] * len(names)))
    return columns.map(lambda found: {k: np.array(v, dtype=np.int64) for k, v in zip(names, found, strict=True)})


def quotes(seen_at: int, columns: dict[str, np.ndarray], source: str) -> Quotes:
    zeros = np.zeros(len(columns["ids"]), dtype=np.int64)
    return Quotes(
        source=source, seen_at=seen_at, sent_at=zeros, volume=zeros, bid_size=zeros, ask_size=zeros, **columns
    )


MESSAGES = st.one_of(
    st.builds(ClockTick, at=TIMES, mono=TIMES),
    st.builds(quotes, TIMES, rows(QUOTE_FIELDS), st.sampled_from(["kite:0", "kite:rest"])),
    rows((*QUOTE_FIELDS, "seen_at")).map(lambda columns: InputQuotes(**columns)),
    st.sampled_from(OTHERS),
)


def seen(message: Message) -> object:
    # Arrays have no equality of their own.
    if isinstance(message, Quotes | InputQuotes):
        return [(name, getattr(message, name) if isinstance(getattr(message, name), int | str) else
                 getattr(message, name).tolist()) for name in message.__struct_fields__]  # fmt: skip
    return message


@given(st.lists(st.tuples(TIMES, MESSAGES), max_size=12), st.sampled_from(["", "5f"]))
def test_every_entry_comes_back_in_its_place(entries: list[tuple[int, Message]], state: str) -> None:
    batch = InputLogBatch(entries=tuple(InputEntry(*entry) for entry in entries), state=state)

    read = decode_body("tape", encode_body("tape", batch))

    assert isinstance(read, InputLogBatch)
    assert read.state == state
    assert [(mono, seen(message)) for mono, message in read.entries] == [(mono, seen(m)) for mono, m in entries]


def test_signals_are_named_and_not_written_twice() -> None:
    read = decode_body(
        "tape", encode_body("tape", InputLogBatch(entries=(InputEntry(1, Signals(at=60, interval=30)),)))
    )

    assert isinstance(read, InputLogBatch)
    assert read.entries == (InputEntry(1, SignalsTaken(at=60, interval=30)),)


def test_a_second_of_ticks_takes_less_than_a_kilobyte() -> None:
    entries = tuple(
        InputEntry(k * 50_000_000, ClockTick(at=2**60 + k * 50_000_000, mono=k * 50_000_000)) for k in range(20)
    )

    assert len(encode_body("tape", InputLogBatch(entries=entries))) < 1_000


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[]", b'{"order":"t","columns":{},"messages":[]}',
     b'{"order":"z","columns":{"mono":["+<i1",""]},"messages":[]}'],
)  # fmt: skip
def test_a_body_that_is_no_tape_is_refused(body: bytes) -> None:
    with pytest.raises(StateError, match="'tape' row that cannot be read"):
        decode_body("tape", body)
