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

from tradebot.domain.instrument import Universe
from tradebot.domain.market import Close
from tradebot.domain.messages import Books, DeskMessage, Executed, Signals, Tick
from tests.oracle.vendor.trading.desk import desk as desk_file
from tests.oracle.vendor.trading.desk.billing import india
from tests.oracle.vendor.trading.desk.desk import Desk
from tests.oracle.vendor.trading.desk.direct_desk import DirectDesk
from tests.oracle.vendor.trading.desk.gate.gate import Gate
from tests.oracle.vendor.trading.desk.gate.limits import Limits, gate_of
from tests.oracle.vendor.trading.desk.ordering import DeskSettings
from tests.oracle.vendor.trading.desk.recording import TapedDesk, state_of
from tests.oracle.vendor.trading.desk.reversals import Reversals
from tests.oracle.vendor.trading.desk.shortfalls import Shortfalls

Killed = Callable[[], str]
Append = Callable[[Any], object]
Values = Mapping[str, Any]


def build(
    *, universe: Universe, limits: Values, settings: Values, killed: Killed, id_prefix: str, venue: Values,
    append: Append | None = None,
) -> Any:  # fmt: skip
    """Return a desk; `venue` is `absent_after_s` and `absence_is_proof`, values are those of `plain`."""
    if append is None:
        return Desk(**_parts(universe, limits, settings, killed, id_prefix, venue))

    def look() -> str:
        return taped.killed(killed())

    taped = TapedDesk(append=append, **_parts(universe, limits, settings, look, id_prefix, venue))
    return taped


def build_fast(
    *, universe: Universe, limits: Values, settings: Values, killed: Killed, id_prefix: str, venue: Values,
    at_once: bool,
) -> Any:  # fmt: skip
    """Return the desk of a backtest; `at_once` for one without latency."""
    return DirectDesk(at_once=at_once, **_parts(universe, limits, settings, killed, id_prefix, venue))


def _parts(
    universe: Universe, limits: Values, settings: Values, killed: Killed, id_prefix: str, venue: Values
) -> dict[str, Any]:
    return {
        "universe": universe, "gate": gate_of(msgspec.convert(limits, Limits, strict=False), killed=killed),
        "settings": msgspec.convert(settings, DeskSettings, strict=False), "charges_of": india(universe),
        "id_prefix": id_prefix, **venue,
    }  # fmt: skip


def plain(settings: Any) -> dict[str, Any]:
    """Return limits or settings as the plain values that either desk can be built of."""
    values: dict[str, Any] = msgspec.to_builtins(settings)
    return values


def handle(desk: Any, message: DeskMessage) -> Sequence[Any]:
    """Give the desk a message; returns what follows."""
    return desk.apply(message)  # type: ignore[no-any-return]


def handle_fast(desk: Any, message: DeskMessage) -> Sequence[Any]:
    """Give a backtest's desk what a message says."""
    match message:
        case Tick(at=at, mono=mono):
            return desk.tick(at, mono)  # type: ignore[no-any-return]
        case Signals(signals=signals):
            return desk.decide(signals)  # type: ignore[no-any-return]
        case Executed(execution=execution, mono=mono):
            return desk.book(execution, mono)  # type: ignore[no-any-return]
    return desk.apply(message)  # type: ignore[no-any-return]


def adopt(desk: Any, books: Books) -> Sequence[Any]:
    """Compare with the venue's books at the start; returns what follows."""
    return desk.adopt(books)  # type: ignore[no-any-return]


def recover(desk: Any, facts: Sequence[Any], **rest: Any) -> None:
    """Rebuild from the journal's facts."""
    desk.recover(facts, **rest)


def told(desk: Any, close: Close) -> Any:
    """Return the holdings that strategies are told with a close."""
    return desk.holdings_at(close)


def flush(desk: Any) -> None:
    """Hand on the rest of the tape."""
    desk.flush()


def view(desk: Any, *, is_tick: bool = True) -> dict[str, Any]:
    """Return what the desk answers to engine, status, summary and strategies.

    The day's profit is asked for at ticks alone, as the desk does itself: asking must not renew what it has at hand.
    """
    book, conditions, guards = desk.blotter, desk.conditions, desk.protection
    found = {
        "positions": book.positions,
        "orders": book.orders,
        "live": [order.order_id for order in book.live_anywhere()],
        "holdings": desk.holdings(),
        "realized": book.realized,
        "charges": book.charges,
        "fills": book.fills,
        "beyond": book.external.beyond,
        "external": list(book.external.positions(book.venue)),
        "halts": list(conditions.halts.standing),
        "flattened": set(conditions.halts.flattened),
        "clock": (conditions.now, conditions.mono),
        "session": conditions.session,
        "down": conditions.down,
        "blocks": (conditions.session_lost, conditions.blind, conditions.clock_apart, conditions.stopping),
        "unaccounted": conditions.unaccounted,
        "guards": guards.mask.tolist(),
        "levels": [guards.levels(id_) for id_ in guards.mask.nonzero()[0].tolist()],
        "counts": desk.counts,
        "denied": [(one.control, one.strategy, one.count, one.reason) for one in desk.denials],
        "look wanted": desk.sightings.look_wanted_at(),
    }
    if is_tick:
        found |= {"day profit": desk.worth.day_profit(), "state": state_of(desk)}
    return found


@contextmanager
def only_long_ways(desk: Any) -> Iterator[None]:
    """Let a desk take none of its short ways while this holds."""
    gate = desk._ordering._gate
    clearance, gate.clearance = gate.clearance, None
    try:
        with patch.object(desk_file, "fills_whole", lambda *_: False):
            yield
    finally:
        gate.clearance = clearance


def _swapped_controls(self: Gate, controls: Sequence[Any], **rest: Any) -> None:
    first, second, *others = controls
    _new_gate(self, [second, first, *others], **rest)


def _order_before_its_fact(self: Desk, *arguments: Any) -> None:
    _intend(self, *arguments)
    self._out[-2:] = self._out[-1], self._out[-2]


def _chased_first(self: Desk, at: int, mono: int) -> None:
    if self._exposure.working and not self.conditions.orders_refused:
        self._ordering.chase(mono)
    _clock(self, at, mono)


_new_gate, _intend, _clock = Gate.__init__, Desk._intend, Desk._clock
# Changes of one line that the oracle must see: owner, method, what takes its place.
PLANTED: dict[str, tuple[Any, str, Any]] = {
    "two controls of the gate change places": (Gate, "__init__", _swapped_controls),
    "an order leaves before its fact": (Desk, "_intend", _order_before_its_fact),
    "what hangs is taken back before the clock is set": (Desk, "_clock", _chased_first),
    "an entry that waits for an exit never follows": (Reversals, "follow", lambda self: None),
    "a whole fill leaves its shortfall": (Shortfalls, "filled", lambda self, order_id: None),
}


class Stand:
    """Stands where the desk of a daemon is. What a pair has no word for goes to the present desk alone."""

    def __init__(self, pair: Any) -> None:
        self._pair = pair

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pair.present, name)

    def apply(self, message: DeskMessage) -> list[Any]:
        return list(self._pair.handle(message))

    def adopt(self, books: Books) -> list[Any]:
        return list(self._pair.adopt(books))

    def recover(self, facts: Sequence[Any], **rest: Any) -> None:
        self._pair.recover(facts, **rest)

    def holdings_at(self, close: Close) -> dict[str, tuple[Decimal, Decimal]]:
        held: dict[str, tuple[Decimal, Decimal]] = self._pair.told(close)
        return held

    def flush(self) -> None:
        self._pair.flush()


@contextmanager
def in_daemon(look_of: Callable[[Killed], Killed], stand_in: Callable[..., Any]) -> Iterator[None]:
    """Let `stand_in` say what stands where each new daemon has its desk.

    It is given the `build` of the desk of today, which takes `append` alone, the daemon's `append`, and the values that
    `build` of the other desk takes. `look_of` may stand before the look-up of the HALT file.
    """
    limits_of: dict[int, tuple[Any, Killed]] = {}

    def gate(limits: Limits, *, killed: Killed) -> Any:
        look = look_of(killed)
        made = gate_of(limits, killed=look)
        limits_of[id(made)] = limits, look
        return made

    def taped(*, append: Append, **parts: Any) -> Any:
        limits, look = limits_of.pop(id(parts["gate"]))
        values = {
            "universe": parts["universe"], "limits": plain(limits), "settings": plain(parts["settings"]),
            "killed": look, "id_prefix": parts["id_prefix"],
            "venue": {name: parts[name] for name in ("absent_after_s", "absence_is_proof")},
        }  # fmt: skip
        return stand_in(lambda append: TapedDesk(append=append, **parts), append, values)

    with patch("tradebot.daemon.taping.gate_of", gate), patch("tradebot.daemon.taping.TapedDesk", taped):
        yield
