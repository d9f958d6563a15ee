"""The seam: all that the oracle asks of a desk, in the one file that is rewritten when the desk is.

It is frozen together with the desk, so that each desk is asked in its own words. A desk must offer:

* `build(...)`: made of a universe, the limits of its gate and its own settings as plain values, a look-up of the HALT
  file, the prefix of its order ids and what it knows of the venue's absences. With `append` it keeps a tape, whose rows
  it hands to `append`. It makes its gate and its bills itself, and nothing else may feed its decisions: no clock, no
  random source, no file. Order ids are the prefix and a counter of the desk.
* `handle(desk, message)`: one message in, the list of what follows from it out, facts before the orders they allow.
* `recover(...)`: rebuilt from the journal's facts before the first message; nothing comes out.
* `adopt(desk, books)`: compared with the venue at the start; a list comes out as of a message.
* `told(desk, close)`: the holdings that strategies are told with a close. `flush(desk)`: the rest of the tape.
* `view(desk)`: what it answers to others, by name; values are compared with `==`, so they are shared types or plain.
* `build_fast(...)` and `handle_fast(desk, message)`: the desk of a backtest, which takes some messages as calls.

`PLANTED` are changes of it that must be seen. `in_daemon` lets something stand where a daemon has its desk, `Stand` is
what the daemon then calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import msgspec

from tests.oracle.vendor.backtest.backtest_desk import BacktestDesk
from tests.oracle.vendor.backtest.fast_gate import FastGate
from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarBatch
from tradebot.domain.messages import AccountSnapshot, ClockTick, DeskMessage, FillReport, Signals
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.book.state_hash import hash_state
from tests.oracle.vendor.trading.desk.decisions import PlaceOrder
from tests.oracle.vendor.trading.desk.desk import Desk, build_desk
from tests.oracle.vendor.trading.desk.fill_charges import charges_by_market
from tests.oracle.vendor.trading.desk.gate.gate import Gate
from tests.oracle.vendor.trading.desk.gate.limits import Limits, build_gate
from tests.oracle.vendor.trading.desk.placing.placement import Placement
from tests.oracle.vendor.trading.desk.recording_desk import RecordingDesk
from tests.oracle.vendor.trading.desk.rules.entries import Entries
from tests.oracle.vendor.trading.desk.rules.ruleset import Ruleset
from tests.oracle.vendor.trading.desk.settings import DeskSettings

Killed = Callable[[], str]
Append = Callable[[Any], object]
Values = Mapping[str, Any]


def build(
    *, universe: Universe, limits: Values, settings: Values, killed: Killed, id_prefix: str, venue: Values,
    append: Append | None = None,
) -> Any:  # fmt: skip
    """Return a desk; `venue` is `absent_after_s` and `absence_is_proof`, values are those of `plain`."""

    def make(killed: Killed) -> Desk:
        book, gate = _parts(universe, limits, settings, killed)
        return build_desk(book, gate=gate, id_prefix=id_prefix, **venue)

    return make(killed) if append is None else RecordingDesk(make, killed=killed, append=append)


def build_fast(
    *, universe: Universe, limits: Values, settings: Values, killed: Killed, id_prefix: str, venue: Values,
    at_once: bool,
) -> Any:  # fmt: skip
    """Return the desk of a backtest; `at_once` for one without latency."""
    book, gate = _parts(universe, limits, settings, killed, keeps_ended=not at_once)
    clearance = FastGate(msgspec.convert(limits, Limits, strict=False), gate)
    return BacktestDesk(book, gate=gate, clearance=clearance, id_prefix=id_prefix, zero_latency=at_once, **venue)


def _parts(
    universe: Universe, limits: Values, settings: Values, killed: Killed, *, keeps_ended: bool = True
) -> tuple[Book, Gate]:
    own = msgspec.convert(settings, DeskSettings, strict=False)
    gate = build_gate(msgspec.convert(limits, Limits, strict=False), kill_reason=killed)
    return Book(universe, own, charges_by_market(universe), keeps_ended=keeps_ended), gate


def plain(settings: Any) -> dict[str, Any]:
    """Return limits or settings as the plain values that either desk can be built of."""
    values: dict[str, Any] = msgspec.to_builtins(settings)
    return values


def handle(desk: Any, message: DeskMessage) -> Sequence[Any]:
    """Give the desk a message; returns what follows."""
    return desk.apply_message(message)  # type: ignore[no-any-return]


def handle_fast(desk: Any, message: DeskMessage) -> Sequence[Any]:
    """Give a backtest's desk what a message says."""
    match message:
        case Signals(signals=signals):
            return desk.act_on_signals(signals)  # type: ignore[no-any-return]
        case FillReport(fill=execution, mono=mono):
            return desk.apply_fill(execution, mono)  # type: ignore[no-any-return]
    return desk.apply_message(message)  # type: ignore[no-any-return]


def adopt(desk: Any, snapshot: AccountSnapshot) -> Sequence[Any]:
    """Compare with the venue's books at the start; returns what follows."""
    return _whole(desk).adopt_snapshot(snapshot)  # type: ignore[no-any-return]


def recover(desk: Any, facts: Sequence[Any], **rest: Any) -> None:
    """Rebuild from the journal's facts."""
    _whole(desk).recover_state(facts, **rest)


def _whole(desk: Any) -> Any:
    return desk.desk if isinstance(desk, BacktestDesk) else desk


def told(desk: Any, batch: BarBatch) -> Any:
    """Return the holdings that strategies are told with a close."""
    return _whole(desk).holdings_at(batch)


def flush(desk: Any) -> None:
    """Hand on the rest of the tape."""
    desk.flush_inputs()


def view(desk: Any, *, is_tick: bool = True) -> dict[str, Any]:
    """Return what the desk answers to engine, status, summary and strategies.

    The day's profit is asked for at ticks alone, as the desk does itself: asking must not renew what it has at hand.
    """
    account, book, guards = desk.account, desk.book.blotter, desk.account.protected_mask
    conditions = desk.book.conditions
    found = {
        "positions": book.positions.by_key,
        "orders": account.kept_orders(),
        "live": [order.order_id for order in account.all_live_orders()],
        "holdings": account.open_positions(),
        "realized": book.positions.realized,
        "charges": book.positions.charges,
        "fills": book.positions.fill_count,
        "beyond": book.external.quantities,
        "external": list(account.external_positions()),
        "halts": list(conditions.halts.active_commands),
        "flattened": set(conditions.halts.flatten_ids),
        "clock": (conditions.now, conditions.mono),
        "session": conditions.times.session,
        "down": conditions.links.stale_sources,
        "blocks": (
            conditions.links.session_lost,
            conditions.blind_reason,
            conditions.clock_offset_reason,
            conditions.is_stopping,
        ),
        "unaccounted": conditions.unaccounted,
        "guards": guards.tolist(),
        "levels": [account.protective_levels(id_) for id_ in guards.nonzero()[0].tolist()],
        "counts": account.signal_counts,
        "denied": [(one.control, one.strategy, one.count, one.reason) for one in account.denials],
        "look wanted": account.next_poll_at(),
    }
    if is_tick:
        found |= {"day profit": account.day_profit(), "state": hash_state(desk.book)}
    return found


def _swapped_controls(self: Gate, controls: Sequence[Any], **rest: Any) -> None:
    first, second, *others = controls
    _new_gate(self, [second, first, *others], **rest)


def _order_before_its_fact(self: Placement, order: PlaceOrder, verdict: Any, out: list[Any]) -> None:
    _passed(self, order, verdict, out)
    out[-2:] = out[-1], out[-2]


def _repriced_first(self: Ruleset, book: Any) -> Any:
    hears = _hears(self, book)
    hears[ClockTick] = (hears[ClockTick][-1], *hears[ClockTick][:-1])
    return hears


_new_gate, _passed, _hears = Gate.__init__, Placement.send_passed, Ruleset._message_subscribers
# Changes of one line that the oracle must see: owner, method, what takes its place.
PLANTED: dict[str, tuple[Any, str, Any]] = {
    "two controls of the gate change places": (Gate, "__init__", _swapped_controls),
    "an order leaves before its fact": (Placement, "send_passed", _order_before_its_fact),
    "an entry that waits for an exit never follows": (Entries, "send_waiting", lambda self: ()),
    "what hangs is taken back before anything else at a tick": (Ruleset, "_message_subscribers", _repriced_first),
}


class Stand:
    """Stands where the desk of a daemon is. What a pair has no word for goes to the present desk alone."""

    def __init__(self, pair: Any) -> None:
        self._pair = pair

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pair.present, name)

    def apply_message(self, message: DeskMessage) -> list[Any]:
        return list(self._pair.handle(message))

    def adopt_snapshot(self, snapshot: AccountSnapshot) -> list[Any]:
        return list(self._pair.adopt(snapshot))

    def recover_state(self, events: Sequence[Any], **rest: Any) -> None:
        self._pair.recover(events, **rest)

    def holdings_at(self, batch: BarBatch) -> dict[str, tuple[Decimal, Decimal]]:
        held: dict[str, tuple[Decimal, Decimal]] = self._pair.told(batch)
        return held

    def flush_inputs(self) -> None:
        self._pair.flush()


@contextmanager
def in_daemon(look_of: Callable[[Killed], Killed], stand_in: Callable[..., Any]) -> Iterator[None]:
    """Let `stand_in` say what stands where each new daemon has its desk.

    It is given the `build` of the desk of today, which takes `append` alone, the daemon's `append`, and the values that
    `build` of the other desk takes. `look_of` may stand before the look-up of the HALT file.
    """
    limits_of: dict[int, Limits] = {}
    made: dict[str, Any] = {}

    def gate(limits: Limits, *, kill_reason: Killed) -> Gate:
        one = build_gate(limits, kill_reason=kill_reason)
        limits_of[id(one)] = limits
        return one

    def desk(book: Book, *, gate: Gate, **rest: Any) -> Desk:
        made.update(book=book, gate=gate, rest=rest)
        return build_desk(book, gate=gate, **rest)

    def taped(make: Callable[[Killed], Desk], *, killed: Killed, append: Append) -> Any:
        look = look_of(killed)
        make(look)  # to see what it is made of
        book, rest = made["book"], dict(made["rest"])
        values = {
            "universe": book.universe, "limits": plain(limits_of.pop(id(made["gate"]))),
            "settings": plain(book.settings), "killed": look, "id_prefix": rest.pop("id_prefix"), "venue": rest,
        }  # fmt: skip
        return stand_in(lambda append: RecordingDesk(make, killed=look, append=append), append, values)

    where = "tradebot.daemon.input_recorder"
    with patch(f"{where}.build_gate", gate), patch(f"{where}.build_desk", desk), patch(f"{where}.RecordingDesk", taped):
        yield
