"""The exchange as one object: it takes prices and tickets, runs the matching, and reports order versions.

It holds two states: the true one at the exchange (`MatchingEngine`), and the one that clients know (`ClientReports`,
with the `ClientOrderBook` and the `Account`). Between the two, the `LatencyLink` delays requests and answers.
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
from tradebot.exchange.account import Account, InstrumentMark, OpeningBalance
from tradebot.exchange.client_order_book import ClientOrderBook
from tradebot.exchange.client_reports import ClientReports
from tradebot.exchange.event_log import EventLog
from tradebot.exchange.gtt_book import GttBook
from tradebot.exchange.hooks import ExchangeHooks
from tradebot.exchange.last_prices import LastPrices
from tradebot.exchange.latency import Latency
from tradebot.exchange.latency_link import LatencyLink
from tradebot.exchange.margin import reservation_price
from tradebot.exchange.matching_engine import MatchingEngine, changed_ticket
from tradebot.exchange.order_rules import OrderRules
from tradebot.exchange.order_validation import OrderValidator, check_changeable
from tradebot.exchange.refusals import ExchangeRefusal, RefusalCode
from tradebot.exchange.restart import read_earlier_runs
from tradebot.exchange.snapshot import PriceSource, Snapshots
from tradebot.exchange.ticket import (
    BookOrder,
    BookStatus,
    Conversion,
    Ticket,
    TradeRow,
    received_order,
)
from tradebot.markets.hours import auction_starts
from tradebot.markets.market import common_market

NO_FUNDS_WORDS = "Insufficient funds."  # how the reason of an order begins that was rejected for lack of funds
POLL_S = 0.005  # how often `run_session` reads the clock; this adds at most as much to an order's latency


class Exchange:
    """One market session with one account. The same seed, prices and calls give the same versions and the same log.

    `latest_columns` holds the newest columns of every instrument, row = instrument id. `snapshot_listeners` and
    `order_listeners` are called synchronously: a snapshot before the orders it fills, a fill's trade and position
    before the version that reports it. `resume` names the log of an earlier run, usually the one that `log` appends to.
    Its orders, trades and account are taken over; orders that were live in it are CANCELLED. `rules` are the order
    rules of the simulated venue. Raises DataError or StateError for a bad log.
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
        rules: OrderRules | None = None,
    ) -> None:
        self.source = source
        self._prices = LastPrices(self.universe)
        self.snapshot_listeners: list[Callable[[Snapshots], None]] = []
        self.hooks = ExchangeHooks()
        self._clock, self._log = clock, log or EventLog(None)
        self._link = LatencyLink(latency, clock, seed=seed)
        market = common_market(i.exchange for i in self.universe)
        day = market.date_of(source.opens_at)
        self._book = ClientOrderBook(day)
        self._engine = MatchingEngine(
            source,
            self.latest_columns,
            self._book,
            report=self._send_report,
            check_funds=self._check_funds,
            auction_starts=auction_starts(self.universe, day, market),
        )
        self._at = 0  # market ns up to which everything was processed
        # Market ns of the coming session ends of the instruments, ascending.
        self._session_ends = sorted(set(source.instrument_closes_at.tolist()))
        self._prices.apply_snapshots(source.opening_snapshot())
        past = read_earlier_runs(resume, mark=self._mark) if resume is not None else None
        if past is None:
            self.account = Account(balance, mark=self._mark, session_day=day)
        else:
            self.account = past.account
            self.account.roll_to_day(day)
            self._book.restore_earlier_book(past.versions, past.trades)
        rules = rules or OrderRules()
        self._validator = OrderValidator(source, self.latest_columns, self._book, self.account, rules)
        self._reports = ClientReports(self._book, self.account, self._log, mark=self._mark)
        self.gtt_book = GttBook(
            self.universe,
            self.latest_columns,
            rules,
            self._log,
            now=self._now,
            check_instrument=self._validator.check_instrument,
            place=self._accept_order,
            is_open=self._is_open,
        )
        self.gtt_book.restore_gtts(past.gtts.values() if past is not None else ())
        self._log.append_line(
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
        self._reports.lapse_open_orders(at=min(source.opens_at, self._now()))

    @property
    def universe(self) -> Universe:
        """Return the instruments that are traded."""
        return self.source.universe

    @property
    def latest_columns(self) -> dict[str, Ints]:
        """Return the newest columns of every instrument, row = instrument id."""
        return self._prices.columns

    @property
    def next_call_at(self) -> int | None:
        """Return the market ns at which the next request or answer arrives, None while nothing is in transit."""
        return self._link.next_at

    @property
    def order_listeners(self) -> list[Callable[[BookOrder], None]]:
        """Return the listeners that receive each version of an order."""
        return self._reports.order_listeners

    def place_order(self, ticket: Ticket) -> BookOrder:
        """Accept an order and return its first version. It is live only after the latency, at an `advance_to`.

        Raises ExchangeRefusal for what the validator refuses at once. A lack of funds is found later and ends the order
        REJECTED.
        """
        return self._accept_order(ticket, self._now())

    def _accept_order(self, ticket: Ticket, now: int) -> BookOrder:
        self._validator.check_instrument(ticket)
        self._check_open(ticket.symbol, now)
        for reason_of in reversed(self.hooks.refusal_reasons):
            if reason := reason_of(ticket):
                raise ExchangeRefusal(RefusalCode.FORBIDDEN, reason=reason)
        self._validator.check_ticket(ticket)
        order = received_order(self._book.next_order_id(), ticket, now)
        self._reports.publish_version(order)
        self._link.send_request(now, partial(self._engine.enter_order, order))
        return order

    def modify_order(
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
        """Request a change of a working order and return it as MODIFY PENDING.

        `quantity` is the new total, fills included. A new price, trigger or kind, or more quantity, sends the order to
        the end of the queue at its price. A price given to a market order makes it a limit order. Raises
        ExchangeRefusal.
        """
        now, seen = self._now(), self._book.latest_version(order_id)
        check_changeable(seen, verb="changed", request=self._book.pending_request(order_id))
        requested = {
            "price": price,
            "trigger_price": trigger_price,
            "quantity": quantity,
            "kind": kind,
            "validity": validity,
            "protection_pct": protection_pct,
        }
        changes = {name: value for name, value in requested.items() if value is not None}
        ticket = changed_ticket(seen.ticket, changes)
        self._check_open(ticket.symbol, now)
        self._validator.check_modification(seen, ticket)
        self._validator.check_ticket(ticket, replaces=seen)
        counted = msgspec.structs.replace(seen, modifications=seen.modifications + 1, reason="")
        self._reports.book_request(counted, BookStatus.MODIFY_VALIDATING, now)
        version = self._reports.book_request(counted, BookStatus.MODIFYING, now)
        self._link.send_request(now, partial(self._on_request_arrived, order_id, BookStatus.MODIFYING, changes))
        return version

    def cancel_order(self, order_id: str) -> BookOrder:
        """Request the cancel of a working order and return it as CANCEL PENDING. It may fill until the cancel arrives.

        Raises ExchangeRefusal.
        """
        now, seen = self._now(), self._book.latest_version(order_id)
        check_changeable(seen, verb="cancelled", request=self._book.pending_request(order_id))
        version = self._reports.book_request(seen, BookStatus.CANCELLING, now)
        self._link.send_request(now, partial(self._on_request_arrived, order_id, BookStatus.CANCELLING, {}))
        return version

    def convert_position(self, asked: Conversion) -> None:
        """Move part of a position to another product, at once and at its cost. Raises ExchangeRefusal."""
        self._validator.check_conversion(asked)
        self.account.convert_position(asked)
        self._log.append_line("conversion", at=self._now(), **msgspec.structs.asdict(asked))

    def book_fill_elsewhere(self, ticket: Ticket, price: Decimal) -> BookOrder:
        """Book an order of the account that another exchange filled completely, and return its first version."""
        order = received_order(self._book.next_order_id(), ticket, self._now())
        self._reports.publish_version(order)
        trade, version = self._book.new_late_fill(order, ticket.quantity, price, self._now())
        self._send_report(trade)
        self._send_report(msgspec.structs.replace(version, pending=ZERO))
        return order

    def latest_orders(self) -> list[BookOrder]:
        """Return the newest version of every order, in the order they were placed."""
        return self._book.latest_versions()

    def order_history(self, order_id: str) -> list[BookOrder]:
        """Return every version of an order, oldest first. Raises ExchangeRefusal for an unknown one."""
        return self._book.version_history(order_id)

    def trade_rows(self) -> list[TradeRow]:
        """Return every fill, oldest first."""
        return self._book.trade_rows()

    def schedule_call(self, after_s: float, call: Callable[[], None]) -> None:
        """Schedule `call` for `after_s` wall seconds from now, at an `advance_to`."""
        self._link.call_after(self._now(), after_s, call)

    def withdraw_order(self, order_id: str, reason: str) -> None:
        """End a working order without a client's request. An ended order stays as it is."""
        self._engine.withdraw_order(order_id, self._now(), reason)

    def fill_ended_order(self, order_id: str, quantity: Decimal) -> None:
        """Fill `quantity` more of an ended order, at its own or the last price; clients do not expect this."""
        seen, now = self._book.latest_version(order_id), self._now()
        assert seen.is_ended, f"{order_id} is {seen.status}"
        price = seen.ticket.price or self._mark(seen.ticket.symbol).last_price
        trade, version = self._book.new_late_fill(seen, quantity, price, now)
        self._link.send_answer(now, lambda _: self._reports.book_fill(trade))
        self._link.send_answer(now, lambda _: self._reports.publish_late_version(version))

    def advance_to(self, until_at: int) -> None:
        """Process everything due until market time `until_at` (ns), in order: requests, prices, matching, answers."""
        closes_at, minute, before = self.source.closes_at, self._at // MINUTE, self._at
        for snapshots in self.source.steps_until(until_at):
            self._end_sessions(snapshots.at - 1)  # not `at`: a row stamped exactly at the close still matches
            self._link.run_until(snapshots.at)
            self._at = max(self._at, snapshots.at)
            self._prices.apply_snapshots(snapshots)
            for listener in self.snapshot_listeners:
                listener(snapshots)
            self._engine.match_snapshots(snapshots)
            self.gtt_book.judge_prices(snapshots)
        self._end_sessions(until_at)
        self._link.run_until(until_at)
        self._at = max(self._at, until_at)
        self.gtt_book.expire_due(self._at)
        if self._at // MINUTE > minute and self.source.opens_at <= until_at < closes_at:
            for hook in self.hooks.on_minute:
                hook(until_at)
        second = max(int(self._clock.speed * SECOND), 1)  # market ns of one wall second
        if (
            self.hooks.on_second
            and self._at // second > before // second
            and self.source.opens_at <= until_at < closes_at
        ):
            for hook in self.hooks.on_second:
                hook(until_at)

    async def run_session(self, *, poll_s: float = POLL_S) -> None:
        """Call `advance_to` by the clock until cancelled or until the source is finished, then `end_session`."""
        reason = "stopped"
        try:
            while True:
                self.advance_to(self._clock.market_ns())
                if self.source.is_finished and not self._link:
                    break
                await self._clock.sleep(poll_s)
            self._engine.end_sessions(self._now(), np.ones(len(self.universe), dtype=np.bool_))
            reason = "finished"
        finally:
            self.end_session(reason)

    def end_session(self, reason: str) -> None:
        """Deliver the pending answers and write the last line of the log. A second call does nothing."""
        if self._link.is_closed:
            return
        self._link.close()
        funds = self.account.margin_summary()
        self._log.append_line(
            "end",
            at=self._now(),
            reason=reason,
            orders=len(self._book.latest_versions()),
            trades=len(self._book.trade_rows()),
            cash=funds.cash,
            charges=funds.charges,
            realised=funds.realised,
        )

    def _now(self) -> int:
        return max(self._clock.market_ns(), self._at)

    def _mark(self, symbol: str) -> InstrumentMark:
        return self._prices.instrument_mark(symbol, self._book.trade_rows() if symbol not in self.universe else ())

    def _is_open(self, symbol: str, at: int) -> bool:
        if self._link.is_closed or not self._engine.is_trading(symbol):
            return False
        return self.source.opens_at <= at < int(self.source.instrument_closes_at[self.universe.id_of(symbol)])

    def _check_open(self, symbol: str, at: int) -> None:
        if not self._is_open(symbol, at):
            raise ExchangeRefusal(RefusalCode.CLOSED)

    def _check_funds(self, order: BookOrder) -> str:
        # Only a new order may be rejected by a fault; a change comes with the exchange's id.
        if not order.exchange_order_id and (reason := self.hooks.rejection_reason(order)):
            return reason
        price = reservation_price(order, self._mark(order.ticket.symbol).last_price)
        short = self.account.funds_shortage(order, price)
        if short is not None:
            required, available = short
            return (
                f"{NO_FUNDS_WORDS} Required margin is {required:.2f} but available margin is {available:.2f}. "
                "Check the orderbook for open orders."
            )
        self.account.reserve_margin(order, price)
        return ""

    def _on_request_arrived(self, order_id: str, request: BookStatus, changes: dict[str, Any], at: int) -> None:
        # For the client the request ends when its answers begin to arrive, so this goes before them.
        self._link.send_answer(at, lambda _: self._book.end_request(order_id, request))
        if request is BookStatus.CANCELLING:
            if self.hooks.swallows_cancel(order_id):
                self._engine.restate_order(order_id, at)
            else:
                self._engine.withdraw_order(order_id, at)
        else:
            self._engine.change_order(order_id, changes, at)

    def _send_report(self, report: BookOrder | TradeRow) -> None:
        if isinstance(report, BookOrder):
            self._link.send_answer(report.changed_at, lambda _: self._reports.publish_version(report))
        else:
            self._link.send_answer(report.traded_at, lambda _: self._reports.book_fill(report))

    def _end_sessions(self, at: int) -> None:
        while self._session_ends and self._session_ends[0] <= at:
            end = self._session_ends.pop(0)
            self._link.run_until(end)
            self._engine.end_sessions(end, self.source.instrument_closes_at <= end)
