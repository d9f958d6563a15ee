"""Positions, orders, profit, risk, symbols, strategies and session of a run for the operator, from its account view."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice

import msgspec

from tradebot.control.answers import (
    DenialRow,
    HaltRow,
    LimitRow,
    ListedPosition,
    OrderList,
    OrderRow,
    PositionList,
    ProfitAnswer,
    RiskAnswer,
    SessionAnswer,
    StrategyList,
    StrategyRow,
    SymbolList,
    SymbolRow,
    UsedLimits,
)
from tradebot.control.run_parts import RunParts
from tradebot.control.status_snapshot import halt_rows, position_rows
from tradebot.domain.instrument import Instrument
from tradebot.domain.message import Message
from tradebot.domain.order import ZERO, Order


class AccountLists:
    """The account of a run as answers of the API."""

    def __init__(self, parts: RunParts) -> None:
        self._parts, self._account = parts, parts.account

    def list_positions(self) -> PositionList:
        """Return the open positions."""
        return PositionList(tuple(ListedPosition(**row) for row in position_rows(self._account)))

    def list_orders(self, *, live: bool, limit: int, before: str) -> OrderList:
        """Return the orders that the desk remembers, newest first; with `live` only those that may still trade."""
        kept = reversed(tuple(self._account.kept_orders().values()))
        if before:
            for order in kept:
                if order.order_id == before:
                    break
        found = list(islice((o for o in kept if o.is_live or not live), limit + 1))
        rest = found[limit - 1].order_id if len(found) > limit else ""
        return OrderList(tuple(map(_order_row, found[:limit])), rest)

    def read_profit(self) -> ProfitAnswer:
        """Return profit and charges by span of time."""
        money = self._parts.money()
        names = ProfitAnswer.__struct_fields__
        return ProfitAnswer(
            **{name: money[name] for name in names if name in money}, unrealized=self._account.unrealized_profit()
        )

    def read_risk(self) -> RiskAnswer:
        """Return the halts, the limits, what is used of them and what the gate denied."""
        account, gross = self._account, ZERO
        for symbol, quantity in account.open_quantities().items():
            gross += abs(quantity) * (account.last_price(symbol) or ZERO)
        used = UsedLimits(
            day_profit=account.day_profit(),
            open_orders=sum(1 for _ in account.live_orders()),
            open_positions=len(account.open_symbols),
            gross_notional=gross,
        )
        halts = (HaltRow(**row) for row in halt_rows(account, killed=self._parts.killed()))
        denied = (DenialRow(d.control, d.strategy, d.count, d.reason) for d in account.denials)
        limits = () if account.limits is None else limit_rows(account.limits)
        return RiskAnswer(tuple(halts), limits, used, tuple(denied))

    def list_symbols(self) -> SymbolList:
        """Return the symbols of the run."""
        held = self._account.open_quantities()
        return SymbolList(tuple(self._symbol_row(one, held.get(one.symbol, ZERO)) for one in self._parts.universe))

    def list_strategies(self) -> StrategyList:
        """Return the strategies of the run. A pause is a halt that covers the strategy."""
        denied: dict[str, int] = {}
        for one in self._account.denials:
            denied[one.strategy] = denied.get(one.strategy, 0) + one.count
        working: dict[str, int] = {}
        for order in self._account.live_orders():
            working[order.request.strategy] = working.get(order.request.strategy, 0) + 1
        return StrategyList(
            tuple(
                StrategyRow(name, symbols, self._blocked("", name), working.get(name, 0), denied.get(name, 0))
                for name, symbols in self._parts.strategies
            )
        )

    def read_session(self) -> SessionAnswer:
        """Return the session in force or next to come."""
        state, vitals, session = self._parts.read_state(), self._parts.vitals(), self._account.conditions.times.session
        return SessionAnswer(
            market_time=state.market_time,
            is_open=state.session["is_open"],
            opens_at=None if session is None else session.opens_at,
            closes_at=None if session is None else session.closes_at,
            entries_until=None if session is None else session.entries_until,
            square_off_at=None if session is None else session.square_off_at,
            early_symbols=0 if session is None else sum(len(one.symbols) for one in session.early_ends),
            clock_offset_s=vitals["clock_offset_s"],
            login=vitals["login"],
        )

    def _symbol_row(self, instrument: Instrument, held: Decimal) -> SymbolRow:
        symbol, conditions = instrument.symbol, self._account.conditions
        blocked = (
            self._blocked(symbol, "")
            or conditions.unaccounted.get(symbol, "")
            or conditions.unprotected.get(symbol, "")
        )
        return SymbolRow(
            symbol,
            instrument.exchange,
            instrument.kind.value,
            instrument.tick_size,
            instrument.lot_size,
            self._account.last_price(symbol),
            held,
            blocked,
        )

    def _blocked(self, symbol: str, strategy: str) -> str:
        for command in self._account.conditions.halts.active_commands:
            if command.scope.covers_order(symbol, strategy):
                return command.reason or "halted"
        return self._parts.killed()


def limit_rows(limits: Message) -> tuple[LimitRow, ...]:
    """Return the limits of the gate as rows; values as people write them, of many symbols only their number."""
    rows = []
    for name, value in msgspec.structs.asdict(limits).items():
        if isinstance(value, tuple):
            value = ", ".join(map(str, value))
        elif isinstance(value, dict):
            value = f"{len(value)} symbols"
        rows.append(LimitRow(name, "none" if value is None else str(value)))
    return tuple(rows)


def _order_row(order: Order) -> OrderRow:
    request = order.request
    return OrderRow(
        order_id=order.order_id,
        symbol=request.symbol,
        side=request.side.value,
        kind=request.kind.value,
        quantity=order.quantity,
        filled=order.filled,
        price=order.price,
        trigger=order.trigger_price,
        state=order.state.value,
        purpose=request.purpose.value,
        strategy=request.strategy,
        venue_order_id=order.venue_order_id,
        changed_at=order.times.changed_at,
        reason=order.reason,
    )
