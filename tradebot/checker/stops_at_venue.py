"""The stops of ours that rest at the venue, as the journal's rows show them one after the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction

from tradebot.checker.evidence import EvidenceRow
from tradebot.checker.order_history import RESTING, CheckedOrder

CANCEL_EVENTS = frozenset({"cancel_asked", "cancel_sent"})
CLOSING_REASON = "the position is being closed"  # of the cancel of a stop that makes way for another exit


class StopAtVenue:
    """One resting stop: `order` as reduced so far, whether it has triggered, and whether its cancel was asked for."""

    def __init__(self, row: EvidenceRow) -> None:
        self.order = CheckedOrder(row)
        self.is_triggered = self.is_cancelled = False
        self.ended_mono = 0 if self.order.is_live else row_mono(row)  # monotonic ns, 0 while it is live

    def apply_row(self, row: EvidenceRow) -> None:
        """Apply the next row of this order."""
        event, was_live = row.body["event"], self.order.is_live
        self.order.add_fact(row)
        self.is_triggered = self.is_triggered or event == "triggered"
        self.is_cancelled = self.is_cancelled or event in CANCEL_EVENTS
        if self.order.is_live:
            self.ended_mono = 0
        elif was_live:
            self.ended_mono = row_mono(row)

    @property
    def covers(self) -> Fraction:
        """The quantity that it guards now: confirmed by the venue, not triggered, not being cancelled."""
        rests = self.order.state == "OPEN" and not self.is_triggered and not self.is_cancelled
        return self.order.quantity - self.order.filled_quantity if rests else Fraction(0)


class StopsAtVenue:
    """All resting stops of a journal; `apply_row` wants the order rows one after the other."""

    def __init__(self) -> None:
        self._stops: dict[str, StopAtVenue] = {}  # order id -> stop
        self._by_symbol: dict[str, list[StopAtVenue]] = defaultdict(list)  # all of them
        self._refused: dict[str, int] = defaultdict(int)  # symbol -> stops refused or denied since one rested last

    def apply_row(self, row: EvidenceRow) -> StopAtVenue | None:
        """Apply an order row; return its stop, None where it is of another order."""
        order_id = str(row.body.get("order_id", ""))
        if (stop := self._stops.get(order_id)) is not None:
            stop.apply_row(row)
        elif (row.body.get("request") or {}).get("purpose") == RESTING:
            stop = self._stops[order_id] = StopAtVenue(row)
            self._by_symbol[stop.order.symbol].append(stop)
        else:
            return None
        if stop.covers:
            self._refused[stop.order.symbol] = 0
        elif stop.order.state in ("REJECTED", "DENIED", "ABSENT", "LAPSED"):
            self._refused[stop.order.symbol] += 1
        return stop

    def live_stops(self, symbol: str) -> list[StopAtVenue]:
        """Return the stops of a symbol that have not ended."""
        return [stop for stop in self._by_symbol[symbol] if stop.order.is_live]

    def last_ended_mono(self, symbol: str) -> int:
        """Return the monotonic ns at which a stop of the symbol ended last, 0 without one."""
        return max((stop.ended_mono for stop in self._by_symbol[symbol]), default=0)

    def covered_quantity(self, symbol: str) -> Fraction:
        """Return the quantity that the stops of a symbol guard now."""
        return sum((stop.covers for stop in self._by_symbol[symbol]), Fraction(0))

    def was_refused(self, symbol: str) -> bool:
        """Return whether a stop of the symbol was refused or denied since one rested last."""
        return self._refused[symbol] > 0


def row_mono(row: EvidenceRow) -> int:
    """Return the monotonic ns of a row, 0 where it has none."""
    return int(row.body.get("mono") or 0)


def timeline_of(rows: list[EvidenceRow]) -> Iterator[tuple[int, EvidenceRow]]:
    """Yield rows with monotonic ns; a row without one, such as a reconciliation's, gets that of the row before."""
    last = 0
    for row in rows:
        last = row_mono(row) or last
        yield last, row
