"""The broker's book of GTT orders: keeps them over days, compares them with the last price, and places their orders.

They rest at the broker, not at the exchange, and block no margin. Simplifications, and in whose favour each errs:
* a trigger is seen in the very row that reaches it, without the delay of a broker's own price feed: for the trader;
* a contract's GTT order lives a year, too, and not to its expiry: for neither, as such a contract has no rows any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from tradebot.clock import DAY, SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Ints
from tradebot.domain.order import OrderKind
from tradebot.exchange.event_log import EventLog
from tradebot.exchange.gtt_order import BookGtt, GttBookStatus, GttResult, GttTicket
from tradebot.exchange.gtt_validation import check_gtt
from tradebot.exchange.order_rules import OrderRules
from tradebot.exchange.refusals import ExchangeRefusal, RefusalCode
from tradebot.exchange.snapshot import Snapshots
from tradebot.exchange.ticket import BookOrder, Ticket
from tradebot.markets.market import market_of

FIRST_GTT_ID = 100_001
SHOWN_AFTER_END_NS = 7 * DAY  # how long one that has ended is still listed
NEVER = 1 << 62


class GttBook:
    """The GTT orders of one account, by their number.

    `now` is the market time in ns, `check_instrument` raises ExchangeRefusal for an instrument that cannot be traded.
    `place` books an order at a market ns as a client's would be, and raises ExchangeRefusal. `is_open` says whether a
    symbol trades at a market ns. `words` returns the broker's words for a refusal; a protocol server sets it.
    """

    def __init__(
        self,
        universe: Universe,
        columns: dict[str, Ints],
        rules: OrderRules,
        log: EventLog,
        *,
        now: Callable[[], int],
        check_instrument: Callable[[GttTicket], None],
        place: Callable[[Ticket, int], BookOrder],
        is_open: Callable[[str, int], bool],
    ) -> None:
        self._universe, self._columns, self._rules, self._log = universe, columns, rules, log
        self._now, self._check_instrument, self._place, self._is_open = now, check_instrument, place, is_open
        self.words: Callable[[ExchangeRefusal], str] = str
        self._gtts: dict[int, BookGtt] = {}  # its number -> its newest version
        self._watched: dict[int, list[int]] = {}  # instrument id -> numbers of the active ones
        self._is_watched = np.zeros(len(universe), dtype=np.bool_)
        self._next_expiry_at = NEVER

    def place_gtt(self, ticket: GttTicket) -> BookGtt:
        """Keep a new GTT order and return it, in the session or outside it. Raises ExchangeRefusal."""
        if sum(gtt.is_active for gtt in self._gtts.values()) >= (most := self._rules.max_gtt):
            raise ExchangeRefusal(RefusalCode.TOO_MANY_GTT, most=most)
        self._check(ticket)
        at = self._now()
        gtt = BookGtt(
            gtt_id=max(self._gtts, default=FIRST_GTT_ID - 1) + 1,
            ticket=ticket,
            status=GttBookStatus.ACTIVE,
            created_at=at,
            changed_at=at,
            expires_at=_a_year_later(at, ticket.exchange),
        )
        return self._keep(gtt)

    def change_gtt(self, gtt_id: int, ticket: GttTicket) -> BookGtt:
        """Give an active GTT order other triggers or orders, and return it. Raises ExchangeRefusal."""
        gtt = self._active(gtt_id, "changed")
        before = gtt.ticket
        if (ticket.exchange, ticket.symbol, len(ticket.legs)) != (before.exchange, before.symbol, len(before.legs)):
            raise ExchangeRefusal(RefusalCode.GTT_OTHER_KIND)
        self._check(ticket)
        return self._change(gtt, self._now(), ticket=ticket)

    def delete_gtt(self, gtt_id: int) -> BookGtt:
        """Delete an active GTT order at its client's request. Raises ExchangeRefusal."""
        return self._change(self._active(gtt_id, "deleted"), self._now(), status=GttBookStatus.DELETED)

    def withdraw_gtt(self, gtt_id: int, status: GttBookStatus, reason: str) -> BookGtt:
        """End an active GTT order as the broker does: disabled, cancelled or rejected. Raises ExchangeRefusal."""
        return self._change(self._active(gtt_id, status.value), self._now(), status=status, reason=reason)

    def gtt_of(self, gtt_id: int) -> BookGtt:
        """Return the newest version of a GTT order, of any age. Raises ExchangeRefusal for an unknown one."""
        if gtt_id not in self._gtts:
            raise ExchangeRefusal(RefusalCode.UNKNOWN_GTT, gtt_id=gtt_id)
        return self._gtts[gtt_id]

    def listed_gtts(self) -> list[BookGtt]:
        """Return the active ones, and those that ended in the last week, oldest first."""
        at = self._now()
        return [g for g in self._gtts.values() if g.is_active or at - g.changed_at <= SHOWN_AFTER_END_NS]

    def judge_prices(self, snapshots: Snapshots) -> None:
        """Trigger the active ones that the last prices of these rows reach, while their instruments trade."""
        self.expire_due(snapshots.at)
        if not self._watched:
            return
        for index in np.flatnonzero(self._is_watched[snapshots.ids]):
            id_, last = int(snapshots.ids[index]), int(snapshots.last[index])
            instrument = self._universe[id_]
            if last <= 0 or not self._is_open(instrument.symbol, snapshots.at):
                continue
            price = instrument.price_from_units(last)
            for gtt_id in list(self._watched.get(id_, ())):
                gtt = self._gtts[gtt_id]
                if (leg := gtt.ticket.reached_leg(price)) is not None:
                    self._trigger(gtt, leg, price, snapshots.at)

    def expire_due(self, at: int) -> None:
        """End the active ones whose year is over at `at` (market ns)."""
        if at < self._next_expiry_at:
            return
        for gtt in [g for g in self._gtts.values() if g.is_active and g.expires_at <= at]:
            self._change(gtt, gtt.expires_at, status=GttBookStatus.EXPIRED)

    def restore_gtts(self, gtts: Iterable[BookGtt]) -> None:
        """Take over those of earlier runs, oldest first; their numbers go on after the highest."""
        self._gtts |= {gtt.gtt_id: gtt for gtt in gtts}
        self._watch()

    def _trigger(self, gtt: BookGtt, index: int, price: Decimal, at: int) -> None:
        leg = gtt.ticket.legs[index]
        order = Ticket(
            exchange=gtt.ticket.exchange,
            symbol=gtt.ticket.symbol,
            side=leg.side,
            kind=OrderKind.LIMIT,
            quantity=leg.quantity,
            price=leg.price,
            product=leg.product,
        )
        order_id, reason = "", ""
        try:
            order_id = self._place(order, at).order_id
        except ExchangeRefusal as refusal:
            reason = self.words(refusal)
        result = GttResult(leg=index, last_price=price, placed_at=at, order_id=order_id, reason=reason)
        self._change(gtt, at, status=GttBookStatus.TRIGGERED, result=result)

    def _check(self, ticket: GttTicket) -> None:
        self._check_instrument(ticket)
        id_ = self._universe.id_of(ticket.symbol)
        instrument = self._universe[id_]
        last = int(self._columns["last"][id_]) or int(self._columns["previous_close"][id_])
        check_gtt(ticket, instrument, last=instrument.price_from_units(last))

    def _active(self, gtt_id: int, verb: str) -> BookGtt:
        gtt = self.gtt_of(gtt_id)
        if not gtt.is_active:
            raise ExchangeRefusal(RefusalCode.GTT_ENDED, verb=verb, status=gtt.status)
        return gtt

    def _change(self, gtt: BookGtt, at: int, **changes: Any) -> BookGtt:
        return self._keep(msgspec.structs.replace(gtt, changed_at=at, **changes))

    def _keep(self, gtt: BookGtt) -> BookGtt:
        self._gtts[gtt.gtt_id] = gtt
        self._log.append_line("gtt", **msgspec.structs.asdict(gtt))
        self._watch()
        return gtt

    def _watch(self) -> None:
        self._watched, self._next_expiry_at = {}, NEVER
        self._is_watched[:] = False
        for gtt in self._gtts.values():
            if not gtt.is_active:
                continue
            self._next_expiry_at = min(self._next_expiry_at, gtt.expires_at)
            if gtt.ticket.symbol in self._universe:  # one of an earlier day may be of an instrument not served today
                id_ = self._universe.id_of(gtt.ticket.symbol)
                self._watched.setdefault(id_, []).append(gtt.gtt_id)
                self._is_watched[id_] = True


def _a_year_later(at: int, exchange: str) -> int:
    moment = datetime.fromtimestamp(at // SECOND, market_of(exchange).tzinfo)
    is_leap_day = (moment.month, moment.day) == (2, 29)
    later = moment.replace(year=moment.year + 1, day=28 if is_leap_day else moment.day)
    return int(later.timestamp()) * SECOND
