"""The exchange as one object: prices come in, tickets come in, matching runs, and versions of orders go out.

Two states of knowledge: what is true at the exchange (`Floor`) and what the client was told (`BackOffice`, with the
`OrderBook` and the `Account`). Between the two is the `Post`: requests and answers take their latency.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tradebot.clock import MINUTE, SECOND, Clock
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Ints
from tradebot.domain.order import ZERO, OrderKind, Validity
from tradebot.exchange.account import Account, Mark, OpeningBalance
from tradebot.exchange.admission import Counter, check_changeable, check_session
from tradebot.exchange.back_office import BackOffice
from tradebot.exchange.board import Board
from tradebot.exchange.book import OrderBook
from tradebot.exchange.event_log import EventLog
from tradebot.exchange.floor import Floor, changed
from tradebot.exchange.hooks import Hooks
from tradebot.exchange.latency import Latency
from tradebot.exchange.margin import reserve_price
from tradebot.exchange.post import Post
from tradebot.exchange.refusals import Refusal, RefusalCode
from tradebot.exchange.resumption import read_past
from tradebot.exchange.rules import Rules
from tradebot.exchange.snapshot import PriceSource, Snapshots
from tradebot.exchange.ticket import (
    BookOrder,
    BookStatus,
    Conversion,
    Ticket,
    TradeRow,
    received,
)
from tradebot.markets.market import market_of_all

POLL_S = 0.005  # how often `run` looks at the clock: what an order waits for it at most, beside its latency


class Exchange:
    """One market session with one account; the same seed, prices and calls give the same versions and the same log.

    `state` holds the latest columns of every instrument, row = instrument id. `on_snapshots` and `on_order` are called
    synchronously: a snapshot before the orders it fills, a fill's trade and position before the version that tells of
    it. `resume` names the log of an earlier run (usually the one `log` appends to), whose orders, trades and account
    are taken over; orders that were live in it are CANCELLED. `rules` are those of the venue that it stands for.
    Raises DataError or StateError for a bad log.
    """

    def __init__(
        self,
        source: PriceSource,
        clock: Clock,
        *,
        seed: int,
        balance: OpeningBalance,
        latency: Latency,
        log: EventLog | None,
        resume: Path | str | None = None,
        rules: Rules | None = None,
    ) -> None:
        self.source = source
        self._board = Board(self.universe)
        self.on_snapshots: list[Callable[[Snapshots], None]] = []
        self.hooks = Hooks()
        self._clock, self._log = clock, log or EventLog(None)
        self._post = Post(latency, clock, seed=seed)
        market = market_of_all(i.exchange for i in self.universe)
        self._book = OrderBook(market.day_of(source.opens_at))
        self._floor = Floor(source, self.state, self._book, answer=self._answer, funds=self._funds)
        self._at = 0
        self._ends = sorted(set(source.closes.tolist()))  # of the instruments, those to come
        self._has_ended = False
        self._board.update(source.opening())
        day = market.day_of(source.opens_at)
        past = read_past(resume, mark=self._mark) if resume is not None else None
        if past is None:
            self.account = Account(balance, mark=self._mark, on=day)
        else:
            self.account = past.account
            self.account.roll(day)
            self._book.restore(past.versions, past.trades)
        self._counter = Counter(source, self.state, self._book, self.account, rules or Rules())
        self._office = BackOffice(self._book, self.account, self._log, mark=self._mark)
        self._log.write(
            "session",
            account=balance.account_id,
            seed=seed,
            cash=self.account.cash,
            holdings=balance.holdings,
            prices=type(source).__name__,
            instruments=len(self.universe),
            opens_at=source.opens_at,
            closes_at=source.closes_at,
            latency=latency,
            resumed=past is not None,
        )
        self._office.lapse(at=source.opens_at)

    @property
    def universe(self) -> Universe:
        """The instruments that are traded."""
        return self.source.universe

    @property
    def state(self) -> dict[str, Ints]:
        """The newest columns of every instrument, row = instrument id."""
        return self._board.state

    @property
    def on_order(self) -> list[Callable[[BookOrder], None]]:
        """Who is told of each version of an order."""
        return self._office.on_order

    def place(self, ticket: Ticket) -> BookOrder:
        """Take an order in and return its first version; it is live only after the latency, at a `step`.

        Raises Refusal for what the counter refuses at once; a lack of funds is found later and ends it REJECTED.
        """
        now = self._now()
        self._counter.check_known(ticket)
        self._check_open(now, ticket.symbol)
        if reason := self.hooks.refuse(ticket):
            raise Refusal(RefusalCode.FORBIDDEN, reason=reason)
        self._counter.check(ticket)
        order = received(self._book.next_order_id(), ticket, now)
        self._office.publish(order)
        self._post.send(now, partial(self._floor.enter, order))
        return order

    def modify(
        self,
        order_id: str,
        *,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
        quantity: Decimal | None = None,
        kind: OrderKind | None = None,
        validity: Validity | None = None,
        protection_pct: Decimal | None = None,
    ) -> BookOrder:
        """Ask to change a working order and return it as MODIFY PENDING; `quantity` is the new total, fills included.

        A new price, trigger or kind, or more quantity, sends the order to the end of the queue at its price. A price
        given to a market order makes it a limit order. Raises Refusal.
        """
        now, seen = self._now(), self._book.get(order_id)
        check_changeable(seen, verb="changed", request=self._book.request_of(order_id))
        wishes = {
            "price": price,
            "trigger_price": trigger_price,
            "quantity": quantity,
            "kind": kind,
            "validity": validity,
            "protection_pct": protection_pct,
        }
        changes = {name: value for name, value in wishes.items() if value is not None}
        ticket = changed(seen.ticket, changes)
        self._check_open(now, ticket.symbol)
        self._counter.check_modification(seen, ticket)
        self._counter.check(ticket, replaces=seen)
        counted = msgspec.structs.replace(seen, modifications=seen.modifications + 1, reason="")
        self._office.ask(counted, BookStatus.MODIFY_VALIDATING, now)
        asked = self._office.ask(counted, BookStatus.MODIFYING, now)
        self._post.send(now, partial(self._arrived, order_id, BookStatus.MODIFYING, changes))
        return asked

    def cancel(self, order_id: str) -> BookOrder:
        """Ask to cancel a working order and return it as CANCEL PENDING; it may fill meanwhile. Raises Refusal."""
        now, seen = self._now(), self._book.get(order_id)
        check_changeable(seen, verb="cancelled", request=self._book.request_of(order_id))
        asked = self._office.ask(seen, BookStatus.CANCELLING, now)
        self._post.send(now, partial(self._arrived, order_id, BookStatus.CANCELLING, {}))
        return asked

    def convert(self, asked: Conversion) -> None:
        """Move a part of a position to another product, at once and at its cost. Raises Refusal."""
        self._counter.check_conversion(asked)
        self.account.convert(asked)
        self._log.write("conversion", at=self._now(), **msgspec.structs.asdict(asked))

    def deal(self, ticket: Ticket, price: Decimal) -> BookOrder:
        """Book an order of the account that another exchange filled whole, at once, and return its first version."""
        order = received(self._book.next_order_id(), ticket, self._now())
        self._office.publish(order)
        trade, told = self._book.late_fill(order, ticket.quantity, price, self._now())
        self._answer(trade)
        self._answer(msgspec.structs.replace(told, pending=ZERO))
        return order

    def orders(self) -> list[BookOrder]:
        """Return the newest version of every order, in the order they were placed."""
        return self._book.orders()

    def history(self, order_id: str) -> list[BookOrder]:
        """Return every version of an order, oldest first. Raises Refusal for an unknown one."""
        return self._book.history(order_id)

    def trades(self) -> list[TradeRow]:
        """Return every fill, oldest first."""
        return self._book.trades()

    def schedule(self, after_s: float, call: Callable[[], None]) -> None:
        """Have `call` made `after_s` wall seconds from now, at a `step`."""
        self._post.after(self._now(), after_s, call)

    def withdraw(self, order_id: str, reason: str) -> None:
        """End a working order without being asked; one that has ended stays as it is."""
        self._floor.withdraw(order_id, self._now(), reason)

    def fill_ended(self, order_id: str, quantity: Decimal) -> None:
        """Fill `quantity` more of an order that has ended, at its own or the last price: what no client expects."""
        seen, now = self._book.get(order_id), self._now()
        assert seen.is_ended, f"{order_id} is {seen.status}"
        price = seen.ticket.price or self._mark(seen.ticket.symbol).last
        trade, told = self._book.late_fill(seen, quantity, price, now)
        self._post.answer(now, lambda _: self._office.book(trade))
        self._post.answer(now, lambda _: self._office.publish_late(told))

    def step(self, until: int) -> None:
        """Do everything due until market time `until`, in order: arriving requests, prices, matching, answers."""
        closes_at, minute, before = self.source.closes_at, self._at // MINUTE, self._at
        for snapshots in self.source.advance(until):
            self._end_sessions(snapshots.at - 1)  # a row stamped with the very close still matches
            self._post.run(snapshots.at)
            self._at = max(self._at, snapshots.at)
            self._board.update(snapshots)
            for listener in self.on_snapshots:
                listener(snapshots)
            self._floor.match(snapshots)
        self._end_sessions(until)
        self._post.run(until)
        self._at = max(self._at, until)
        if self._at // MINUTE > minute and self.source.opens_at <= until < closes_at:
            for told in self.hooks.on_minute:
                told(until)
        second = max(int(self._clock.speed * SECOND), 1)
        if self.hooks.on_second and self._at // second > before // second and self.source.opens_at <= until < closes_at:
            for told in self.hooks.on_second:
                told(until)

    async def run(self, *, poll_s: float = POLL_S) -> None:
        """Drive `step` from the clock until cancelled or the source is finished; then `end`."""
        reason = "stopped"
        try:
            while True:
                self.step(self._clock.market())
                if self.source.is_finished and not self._post:
                    break
                await self._clock.sleep(poll_s)
            self._floor.close(self._now(), np.ones(len(self.universe), dtype=np.bool_))
            reason = "finished"
        finally:
            self.end(reason)

    def end(self, reason: str) -> None:
        """Deliver the answers still on their way and write the last line of the log; a second call does nothing."""
        if self._has_ended:
            return
        self._has_ended = True
        self._post.run_all()
        funds = self.account.margins()
        self._log.write(
            "end",
            at=self._now(),
            reason=reason,
            orders=len(self._book.orders()),
            trades=len(self._book.trades()),
            cash=funds.cash,
            charges=funds.charges,
            realised=funds.realised,
        )

    def _now(self) -> int:
        return max(self._clock.market(), self._at)

    def _mark(self, symbol: str) -> Mark:
        return self._board.mark(symbol, self._book.trades() if symbol not in self.universe else ())

    def _check_open(self, now: int, symbol: str) -> None:
        is_over = self._has_ended or not self._floor.is_open(symbol)
        closes_at = 0 if is_over else int(self.source.closes[self.universe.id(symbol)])
        check_session(now, opens_at=self.source.opens_at, closes_at=closes_at)

    def _funds(self, order: BookOrder) -> str:
        if not order.exchange_order_id and (reason := self.hooks.reject(order)):
            return reason
        price = reserve_price(order, self._mark(order.ticket.symbol).last)
        short = self.account.shortage(order, price)
        if short is not None:
            required, available = short
            return (
                f"Insufficient funds. Required margin is {required:.2f} but available margin is {available:.2f}. "
                "Check the orderbook for open orders."
            )
        self.account.reserve(order, price)
        return ""

    def _arrived(self, order_id: str, request: BookStatus, changes: dict[str, Any], at: int) -> None:
        # The request is over for the client when the answers it causes begin to arrive, so this goes before them.
        self._post.answer(at, lambda _: self._book.end_request(order_id, request))
        if request is BookStatus.CANCELLING:
            if self.hooks.takes_cancel(order_id):
                self._floor.restate(order_id, at)
            else:
                self._floor.withdraw(order_id, at)
        else:
            self._floor.change(order_id, changes, at)

    def _answer(self, news: BookOrder | TradeRow) -> None:
        if isinstance(news, BookOrder):
            self._post.answer(news.changed_at, lambda _: self._office.publish(news))
        else:
            self._post.answer(news.traded_at, lambda _: self._office.book(news))

    def _end_sessions(self, at: int) -> None:
        while self._ends and self._ends[0] <= at:
            end = self._ends.pop(0)
            self._post.run(end)
            self._floor.close(end, self.source.closes <= end)
