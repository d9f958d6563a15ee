"""Recovery: what a journal says of orders, positions, halts and runs, and what is left undone."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.journal.ledger_by_hand import (
    MINUTE,
    START,
    UNIVERSE,
    close,
    fact,
    fill,
    filled_order,
    intent,
    orders,
    run,
    tamper,
    write,
)
from tradebot.domain.commands import CommandVerb, HaltExpiry, Scope
from tradebot.domain.message import Message
from tradebot.domain.messages import Command, ReconciliationResult, ReleasedPosition, TrailingStopPrices
from tradebot.domain.order import OrderEventType, OrderPurpose, OrderState, Side
from tradebot.domain.order_reducer import apply_event
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import PositionKey
from tradebot.errors import StateError
from tradebot.journal.chain import chain_hash
from tradebot.journal.reader import read_rows, verify_chain
from tradebot.journal.recorded_bars import read_bar_batches, read_bars
from tradebot.journal.recovery import RecoveredAccount, RecoveredState, fold_orders, fold_positions, recover_state
from tradebot.journal.rows import InstrumentList, RunEnd, encode_body
from tradebot.journal.schema import FILE_NAME
from tradebot.markets.calendar import ist_day_number

E = OrderEventType
DAY = 1440 * MINUTE
RELIANCE = PositionKey("", "NSE", "RELIANCE", "MIS")


def test_a_journal_that_is_not_there_recovers_to_nothing(tmp_path: Path) -> None:
    assert recover_state(tmp_path / FILE_NAME) == RecoveredState()
    assert recover_state(tmp_path / FILE_NAME).recovered_account("AB1234") == RecoveredAccount()


async def test_orders_are_the_fold_of_their_facts(tmp_path: Path) -> None:
    path = await write(
        tmp_path, ("run", run()), *orders(*filled_order("TB1", quantity=10, price="2500.05"), intent("TB2"))
    )

    found = fold_orders(path)

    assert list(found) == ["TB1", "TB2"]
    assert found["TB1"].state is OrderState.FILLED
    assert found["TB1"].average_price == Decimal("2500.05")
    assert found["TB2"].state is OrderState.INTENT


async def test_positions_are_the_fold_of_the_fills(tmp_path: Path) -> None:
    path = await write(
        tmp_path,
        ("run", run()),
        *orders(
            *filled_order("TB1", quantity=10, price="100"),
            fill("TB1", quantity=10, price="100", execution_id="x-TB1-10"),
            *filled_order("TB2", quantity=4, price="110.50", side=Side.SELL),
        ),
    )

    assert fold_positions(path) == {
        RELIANCE: Position(
            RELIANCE, quantity=Decimal(6), cost=Decimal(600), realized=Decimal("42.00"),
            bought=Decimal(1000), sold=Decimal("442.00"),
        )
    }  # fmt: skip
    charged = fold_positions(path, charges_of=lambda order, fact: Decimal("1.25"))
    assert charged[RELIANCE].charges == Decimal("2.50")


async def test_accounts_are_kept_apart(tmp_path: Path) -> None:
    await write(
        tmp_path,
        ("run", run("r1", account="SIM001", mode="paper")),
        *orders(*filled_order("P1", quantity=7, price="100")),
    )
    path = await write(
        tmp_path, ("run", run("r2")), *orders(*filled_order("TB1", quantity=10, price="100")), run_id="r2"
    )

    found = recover_state(path)

    assert [r.account for r in found.runs] == ["SIM001", "AB1234"]
    assert found.recovered_account("SIM001").positions[RELIANCE].quantity == 7
    assert found.recovered_account("AB1234").positions[RELIANCE].quantity == 10
    assert found.recovered_account("ZZ9999") == RecoveredAccount()
    assert list(fold_orders(path)) == ["TB1"]
    assert list(fold_orders(path, account="SIM001")) == ["P1"]


async def test_what_was_under_way_is_undone_by_facts_and_not_written(tmp_path: Path) -> None:
    path = await write(
        tmp_path,
        ("run", run()),
        *orders(
            intent("TB1"),
            intent("TB2"),
            fact("TB2", E.SENDING, at=START + 9),
            intent("TB3"),
            fact("TB3", E.SENDING),
            fact("TB3", E.ACCEPTED, venue_order_id="v3"),
        ),
    )

    found = recover_state(path, at=START + 77)
    account = found.recovered_account("AB1234")

    assert [(f.order_id, f.type, f.at) for f in account.closing_events] == [
        ("TB1", E.LAPSED, START + 77),
        ("TB2", E.AMBIGUOUS, START + 77),
    ]
    assert [apply_event(account.orders[f.order_id], f).state for f in account.closing_events] == [
        OrderState.LAPSED,
        OrderState.UNKNOWN,
    ]
    assert [order.order_id for order in account.live_orders] == ["TB1", "TB2", "TB3"]
    assert recover_state(path).recovered_account("AB1234").closing_events[0].at == START
    assert recover_state(path).rows == found.rows == 7


async def test_facts_come_back_in_order_for_the_desk(tmp_path: Path) -> None:
    events = filled_order("TB1", quantity=10, price="100")
    path = await write(tmp_path, ("run", run()), *orders(*events))

    assert recover_state(path).recovered_account("AB1234").events == tuple(events)


async def test_an_adopted_position_counts_from_there(tmp_path: Path) -> None:
    adopted = (("RELIANCE", Decimal(5), Decimal("90.00")),)
    path = await write(
        tmp_path,
        ("run", run()),
        ("reconciled", ReconciliationResult(at=START, adopted=adopted)),
        *orders(*filled_order("TB1", quantity=5, price="100", side=Side.SELL)),
    )

    account = recover_state(path).recovered_account("AB1234")

    assert account.adopted == adopted
    assert account.positions[RELIANCE].is_flat
    assert account.positions[RELIANCE].realized == Decimal("50.00")


async def test_an_adopted_position_can_be_given_up(tmp_path: Path) -> None:
    adopted = (("RELIANCE", Decimal(5), Decimal("90.00")),)
    sold = ReleasedPosition(key=RELIANCE, quantity=Decimal(2), price=Decimal(95), at=START)
    path = await write(
        tmp_path,
        ("run", run()),
        ("reconciled", ReconciliationResult(at=START, adopted=adopted)),
        ("reconciled", ReconciliationResult(at=START, released=(sold,))),
    )

    account = recover_state(path).recovered_account("AB1234")

    assert {key: position.quantity for key, position in account.positions.items()} == {RELIANCE: 3}


@pytest.mark.parametrize(
    ("commands", "halted"),
    [
        ([], ""),
        ([("halt", "the day is at -1000")], "the day is at -1000"),
        ([("halt", "")], "halted"),
        ([("halt", "one"), ("resume", "")], ""),
        ([("halt", "one"), ("resume", ""), ("halt", "two")], "two"),
    ],
)
async def test_a_halt_survives_until_it_is_resumed(
    tmp_path: Path, commands: list[tuple[str, str]], halted: str
) -> None:
    written: list[tuple[str, Message]] = [
        (verb, Command(verb=CommandVerb(verb), reason=reason)) for verb, reason in commands
    ]
    await write(tmp_path, ("run", run("r1")), *written, ("end", RunEnd()))
    path = await write(tmp_path, ("run", run("r2")), run_id="r2")

    assert recover_state(path).halt_reason == halted


async def test_halts_of_a_scope_survive_beside_each_other_and_are_lifted_alone(tmp_path: Path) -> None:
    commands = [
        Command(verb=CommandVerb.HALT, reason="an order was placed elsewhere", scope=Scope.parse("symbol:TCS")),
        Command(verb=CommandVerb.FLATTEN, reason="by hand", scope=Scope.parse("strategy:ema")),
        Command(verb=CommandVerb.HALT, reason="it came back", scope=Scope.parse("strategy:rsi")),
        Command(verb=CommandVerb.RESUME, scope=Scope.parse("strategy:rsi")),
    ]
    path = await write(tmp_path, ("run", run("r1")), *((c.verb.value, c) for c in commands))

    assert recover_state(path).halts == tuple(commands[:2])
    assert recover_state(path).halt_reason == ""

    await write(tmp_path, ("resume", Command(verb=CommandVerb.RESUME)), run_id="r2")
    assert recover_state(path).halts == ()


LOSS = Command(verb=CommandVerb.HALT, reason="the day is at -1200.00", until=HaltExpiry.SESSION, control="daily_loss")
WORDS = "max_daily_loss looks wrong, do not trade until I am back"
BY_HAND = Command(verb=CommandVerb.HALT, reason=WORDS)


async def test_a_halt_of_a_session_ends_with_it_and_that_of_a_person_with_a_resume(tmp_path: Path) -> None:
    path = await write(tmp_path, ("run", run("r1")), ("halt", LOSS), ("halt", BY_HAND))
    today, tomorrow = START, START + DAY

    assert recover_state(path).halts_in_session(today) == (LOSS, BY_HAND)
    assert recover_state(path).halts_in_session(tomorrow) == (BY_HAND,)

    # A second start on the next day must not find the halt of the first again.
    await write(tmp_path, ("run", run("r2")), run_id="r2", at=tomorrow + MINUTE)
    assert recover_state(path).halts_in_session(tomorrow) == (BY_HAND,)


async def test_a_start_behind_the_close_looks_at_the_next_session(tmp_path: Path) -> None:
    path = await write(tmp_path, ("run", run("r1")), ("halt", LOSS), at=START + 400 * MINUTE)
    assert recover_state(path).halts_in_session(START + DAY) == ()


async def test_the_orders_that_were_sent_on_a_day_are_counted_and_those_of_others_are_not(tmp_path: Path) -> None:
    placed_elsewhere = [intent("EXT-1", purpose=OrderPurpose.EXTERNAL), fact("EXT-1", E.SENDING)]
    yesterday = [intent("T0", at=START - DAY), fact("T0", E.SENDING, at=START - DAY)]
    today = [intent("T1"), fact("T1", E.SENDING), intent("T2"), intent("T3"), fact("T3", E.SENDING)]
    path = await write(tmp_path, ("run", run()), *orders(*yesterday, *placed_elsewhere, *today))

    account = recover_state(path).recovered_account("AB1234")

    assert [account.orders_sent_on(ist_day_number(at)) for at in (START - DAY, START, START + DAY)] == [1, 2, 0]


async def test_a_fill_taken_back_leaves_no_trace_in_the_position(tmp_path: Path) -> None:
    event = filled_order("TB1", quantity=10, price="2500.00")
    assert event[-1].fill is not None
    back = fact("TB1", OrderEventType.REVERSED, fill=event[-1].fill)
    path = await write(tmp_path, ("run", run()), *orders(*event, back))

    (position,) = fold_positions(path, charges_of=lambda order, f: Decimal(7)).values()

    assert position == Position(RELIANCE)


async def test_only_a_run_that_ended_as_it_should_is_clean(tmp_path: Path) -> None:
    path = await write(tmp_path, ("run", run("r1")), ("end", RunEnd()), at=START + 5)
    assert recover_state(path).is_clean
    assert recover_state(path).last_at == START + 5

    await write(tmp_path, ("run", run("r2")), run_id="r2")
    assert not recover_state(path).is_clean


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("UPDATE rows SET body = replace(body, '2500', '2400') WHERE seq = 5", 5),
        ("UPDATE rows SET body = replace(body, 'AB1234', 'AB9999') WHERE seq = 1", 1),
        ("DELETE FROM rows WHERE seq = 3", 4),
        ("DELETE FROM rows WHERE seq = 1", 2),
        ("UPDATE rows SET hash = zeroblob(32) WHERE seq = 3", 4),
        ("UPDATE rows SET prev = zeroblob(32) WHERE seq = 3", 3),
    ],
)
async def test_a_broken_chain_is_not_recovered_from(tmp_path: Path, statement: str, row: int) -> None:
    path = await write(tmp_path, ("run", run()), *orders(*filled_order("TB1", quantity=10, price="2500")))
    tamper(path, statement)

    with pytest.raises(StateError, match=rf"row {row}\b"):
        recover_state(path)


async def test_a_fact_of_an_order_that_never_began_is_refused_with_its_row(tmp_path: Path) -> None:
    path = await write(tmp_path, ("run", run()), *orders(fact("TB1", E.SENDING)))

    with pytest.raises(StateError, match="row 2 speaks of the order TB1"):
        recover_state(path)


def put_poison(path: Path, body: bytes) -> None:
    """Append an `order` row as a writer would that is wrong about what it writes: sound, chained, and without sense."""
    *_, last = read_rows(path)
    row: dict[str, Any] = {"seq": last.seq + 1, "run": "r1", "at": START, "wall": START, "kind": "order"}
    hash_ = chain_hash(prev=last.hash, body=body, **row)
    tamper(path, "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *row.values(), last.hash, hash_, body)


@pytest.mark.parametrize(
    ("poison", "why"),
    [
        (b'{"order_id":"TB1","event":"no event that we know","at":1}', "cannot be read"),
        (encode_body("order", fact("TB9", E.INTENT)), "carries no request"),
        (encode_body("order", fact("TB1", E.EXECUTED)), "carries no execution"),
        (b"", "cannot be read"),
    ],
)
async def test_a_row_whose_hash_is_right_and_whose_sense_is_not_is_refused_and_kept(
    tmp_path: Path, poison: bytes, why: str
) -> None:
    path = await write(tmp_path, ("run", run()), *orders(*filled_order("TB1", quantity=10, price="2500")))
    put_poison(path, poison)
    before = list(read_rows(path))

    with pytest.raises(StateError, match=rf"row 6 .*{why}|row 6: .*{why}") as refused:
        recover_state(path)

    assert "keep the file in another place" in str(refused.value)
    assert "no halt stands: if one did, run `tradebot kill`" in str(refused.value)
    assert verify_chain(path).is_intact
    assert list(read_rows(path)) == before


# ---- closes


async def test_closes_come_with_the_universe_of_their_run(tmp_path: Path) -> None:
    other = InstrumentList(instruments=(UNIVERSE.instruments[1], UNIVERSE.instruments[0]))
    await write(tmp_path, ("universe", UNIVERSE), ("close", close(ids=(0, 2))))
    path = await write(tmp_path, ("universe", other), ("close", close(ends_at=START + 2 * MINUTE)), run_id="r2")

    found = [(universe.symbols, c.ids.tolist()) for universe, c in read_bar_batches(path, MINUTE)]

    assert found == [(("RELIANCE", "TCS", "INFY"), [0, 2]), (("TCS", "RELIANCE"), [0, 1])]
    assert list(read_bar_batches(path, 5 * MINUTE)) == []
    tcs = [(c.ids.tolist(), c.ends_at) for _, c in read_bar_batches(path, MINUTE, symbol="TCS")]
    assert tcs == [([0], START + 2 * MINUTE)]


async def test_bars_are_exact_and_the_later_record_of_one_counts(tmp_path: Path) -> None:
    await write(tmp_path, ("universe", UNIVERSE), ("close", close(price=100_00)))
    second, third = close(price=200_00), close(ends_at=START + 2 * MINUTE, price=300_05)
    path = await write(tmp_path, ("universe", UNIVERSE), ("close", third), ("close", second), run_id="r2")

    found = read_bars(path, "TCS", MINUTE)

    assert [(b.start, b.open) for b in found] == [(START, Decimal("200.01")), (START + MINUTE, Decimal("300.06"))]
    assert [b.open for b in read_bars(path, "TCS", MINUTE, run="r1")] == [Decimal("100.01")]
    assert [b.start for b in read_bars(path, "TCS", MINUTE, since=START + 2 * MINUTE)] == [START + MINUTE]
    assert read_bars(path, "WIPRO", MINUTE) == []
    assert read_bars(path, "INFY", MINUTE) == []


async def test_what_trailing_stops_saw_last_is_known_by_the_entry(tmp_path: Path) -> None:
    seen = [{"TB1": Decimal("1020.00")}, {"TB2": Decimal(7)}, {"TB1": Decimal("1050.00")}]
    told = [("trailing", TrailingStopPrices(at=START, best_prices=best)) for best in seen]

    path = await write(tmp_path, ("run", run()), *orders(intent("TB1")), *told)

    assert recover_state(path).recovered_account("AB1234").best_prices == {"TB1": Decimal("1050.00"), "TB2": Decimal(7)}
    assert recover_state(path, until=5).recovered_account("AB1234").best_prices == {
        "TB1": Decimal("1020.00"),
        "TB2": Decimal(7),
    }
