"""Turns journal rows into table lines: orders reduced, positions added up, bars in prices. Pure but for looking back.

The same rows give the same lines, however they are cut into batches and however often they come.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import BarBatch
from tradebot.domain.message import names_on_disk
from tradebot.domain.messages import ReconciliationResult, Signals
from tradebot.domain.order import ZERO, Fill, Order, OrderEvent, OrderEventType, Side
from tradebot.domain.order_reducer import apply_event, open_order
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import PositionKey
from tradebot.errors import StateError
from tradebot.journal.recovery import ChargesOf
from tradebot.journal.rows import InstrumentList, JournalRow, RunEnd, RunRecord
from tradebot.markets.debits import DematDebits, UsesDematDebits
from tradebot.store.store import CURSOR_START, Cursor, LineBatch
from tradebot.store.tables import CELL_CONVERTERS, TABLES, without_nul

PROJECTED_KINDS = frozenset({"run", "universe", "close", "signals", "order", "reconciled", "end"})
KEPT_ORDERS = 20_000  # orders in memory; an older one is reduced from the journal again when an event of it comes

LookBack = Callable[[str, int], Iterable[JournalRow]]  # (order_id, seq) -> rows of the order up to that seq


class MarkedPosition(NamedTuple):
    """A position with its last price: that of the last fill or, later, of the last bar."""

    position: Position
    mark: Decimal


class TableState(NamedTuple):
    """The state of the tables at a cursor, enough to continue from: lines of the store, and the current universe."""

    cursor: Cursor = CURSOR_START
    run: Mapping[str, Any] | None = None
    positions: tuple[Mapping[str, Any], ...] = ()
    cash: Mapping[str, Decimal | None] = {}  # account -> the cash that the venue reported last
    universe: Universe | None = None
    delivered: tuple[Mapping[str, Any], ...] = ()  # our delivery fills of the last day; later charges depend on them


class _KeptOrder(NamedTuple):
    order: Order
    run: str
    begun_at: int


class Projection:
    """Turns the rows of one journal into lines, from `state` on.

    `charges_for(universe)` returns the function that computes the charges of a fill.
    """

    def __init__(
        self, journal: str, state: TableState, *, charges_for: Callable[[Universe], ChargesOf], look_back: LookBack
    ) -> None:
        self.cursor = state.cursor
        self._journal, self._charges_for, self._look_back = journal, charges_for, look_back
        self._run: dict[str, Any] = dict(state.run or {})
        self._cash = dict(state.cash)
        self._positions: dict[tuple[str, PositionKey], MarkedPosition] = {}  # (account, key) -> position
        for line in state.positions:
            key = PositionKey("", *(line[name] for name in ("exchange", "symbol", "product", "owner")))
            fields = {name: line[named] for name, named in names_on_disk(Position).items() if name != "key"}
            self._positions[line["account"], key] = MarkedPosition(Position(key, **fields), line["mark"])
        self._orders: dict[str, _KeptOrder] = {}
        self._universe: Universe | None = None
        self._charges_of: ChargesOf | None = None
        self._debits: defaultdict[str, DematDebits] = defaultdict(DematDebits)  # account -> its delivery fills
        for line in state.delivered:
            self._debits[line["account"]].book_delivery(
                symbol=line["symbol"], side=Side(line["side"]), quantity=line["quantity"], traded_at=line["traded_at"],
                key=(line["exchange"], line["execution_id"]),
            )  # fmt: skip
        if state.universe is not None:
            self._list(state.universe)
        # table -> key -> fields (for bars the line itself); a later entry replaces an earlier one of the same key
        self._lines: dict[str, dict[tuple[Any, ...], Any]] = {}

    def project_rows(self, rows: Iterable[JournalRow]) -> LineBatch:
        """Return the lines of the next rows. Raises StateError for a row that does not fit the tables."""
        before = self.cursor
        self._lines = {name: {} for name in TABLES}
        for row in rows:
            if row.kind in PROJECTED_KINDS:
                try:
                    self._apply(row)
                except (LookupError, TypeError, ValueError, ArithmeticError, AssertionError) as error:
                    raise StateError(f"row {row.seq} ({row.kind}) cannot be put into tables: {error!r}") from error
            self.cursor = Cursor(row.seq, row.hash.hex())
        return LineBatch(self._journal, before, self.cursor, dict(self._tables()))

    def _tables(self) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
        # An order has four events or more, and its line is made from the last one.
        for name, found in self._lines.items():
            if name == "bars":
                lines = list(found.values())
            else:
                cells, lines = CELL_CONVERTERS[name], []
                for fields in found.values():
                    try:
                        lines.append(tuple([put(fields[column]) for column, put in cells]))
                    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
                        seq = fields.get("seq")
                        raise StateError(f"row {seq} cannot be put into the table {name}: {error!r}") from error
            if lines:
                yield name, lines

    def _apply(self, row: JournalRow) -> None:
        match message := row.message:
            case RunRecord():
                self._begin_run(row, message)
            case InstrumentList():
                self._list(Universe(message.instruments))
            case BarBatch():
                self._close(row, message)
            case Signals():
                self._signals(row, message)
            case OrderEvent():
                self._project_event(row, message)
            case ReconciliationResult():
                self._reconciled(row, message)
            case RunEnd():
                if self._run:
                    self._run |= {"seq": row.seq, "ended_at": row.at, "end_reason": message.reason}
                    self._add("runs", self._run | {"summary": message.summary})
            case _:
                raise AssertionError(f"no table takes {type(message).__name__}")

    @property
    def _account(self) -> str:
        return str(self._run.get("account", ""))

    def _list(self, universe: Universe) -> None:
        self._universe, self._charges_of = universe, self._charges_for(universe)

    def _begin_run(self, row: JournalRow, run: RunRecord) -> None:
        self._run = {
            "journal": self._journal, "run": run.run_id, "seq": row.seq, "at": row.at, "wall": row.wall_at,
            "account": run.account, "mode": run.mode, "venue": run.venue, "symbols": run.symbols,
            "config_hash": run.config_hash, "versions": run.versions, "pid": run.pid, "ended_at": None,
            "end_reason": None, "summary": None,
        }  # fmt: skip
        self._add("runs", self._run)

    # ---- orders, fills, positions

    def _project_event(self, row: JournalRow, event: OrderEvent) -> None:
        if event.type in (OrderEventType.INTENT, OrderEventType.DENIED):
            kept = _KeptOrder(open_order(event), row.run, event.at)
        else:
            before = self._orders.pop(event.order_id, None) or self._fold_again(event.order_id, row.seq - 1)
            kept = before._replace(order=apply_event(before.order, event))
            if kept.order.filled != before.order.filled and event.fill is not None:
                if event.type is OrderEventType.REVERSED:
                    self._unfill(row, event.fill, kept.order)
                else:
                    self._fill(row, event, event.fill, before.order)
        self._orders[event.order_id] = kept
        if len(self._orders) > KEPT_ORDERS:
            del self._orders[next(iter(self._orders))]
        self._add("order_events", {
            "journal": self._journal, "seq": row.seq, "run": row.run, "order_id": event.order_id, "event": event.type,
            "state": kept.order.state, "at": event.at, "mono": event.mono, "wall": row.wall_at, "reason": event.reason,
            "venue_order_id": event.venue_order_id, "checks": event.checks, "inputs": event.inputs,
        })  # fmt: skip
        self._add("orders", self._order_line(row, kept))

    def _order_line(self, row: JournalRow, kept: _KeptOrder) -> dict[str, Any]:
        order, request = kept.order, kept.order.request
        return {
            "journal": self._journal, "run": kept.run, "seq": row.seq, "account": self._account,
            "order_id": request.order_id, "symbol": request.symbol, "exchange": request.exchange,
            "side": request.side, "kind": request.kind, "quantity": request.quantity, "price": request.price,
            "trigger_price": request.trigger_price, "validity": request.validity, "product": request.product,
            "purpose": request.purpose, "strategy": request.strategy, "signal_id": request.signal_id,
            "state": order.state, "venue_order_id": order.venue_order_id, "filled": order.filled,
            "value": order.value, "average_price": order.average_price, "late_fills": order.irregular.late,
            "changed_at": order.times.changed_at, "reason": order.reason or request.reason, "begun_at": kept.begun_at,
        }  # fmt: skip

    def _fold_again(self, order_id: str, until: int) -> _KeptOrder:
        # For an order that is no longer kept in memory: reduces it from its rows in the journal.
        kept: _KeptOrder | None = None
        for row in self._look_back(order_id, until):
            event = row.message
            if isinstance(event, OrderEvent) and event.order_id == order_id:
                if kept is None:
                    kept = _KeptOrder(open_order(event), row.run, event.at)
                else:
                    kept = kept._replace(order=apply_event(kept.order, event))
        if kept is None:
            raise LookupError(f"no row begins the order {order_id}")
        return kept

    def _fill(self, row: JournalRow, event: OrderEvent, fill: Fill, before: Order) -> None:
        charges = ZERO  # an external order's are not ours, and its position comes from the venue
        if not before.is_external:
            charges = self._charges(before, fill)
            self._hold(row, MarkedPosition(self._at(row, fill).apply_fill(fill, charges), fill.price))
        self._add("fills", {
            "journal": self._journal, "seq": row.seq, "run": row.run, "account": self._account,
            "order_id": event.order_id, "execution_id": fill.execution_id, "venue_order_id": fill.venue_order_id,
            "symbol": fill.symbol, "exchange": fill.exchange, "side": fill.side, "quantity": fill.quantity,
            "price": fill.price, "charges": charges, "product": fill.product, "strategy": before.request.strategy,
            "traded_at": fill.traded_at,
        })  # fmt: skip

    def _unfill(self, row: JournalRow, fill: Fill, after: Order) -> None:
        # The line of the fill stays, as its row does. Its charges are what it would add to the order without it.
        if not after.is_external:
            charges = self._charges(after, fill)
            self._hold(row, MarkedPosition(self._at(row, fill).reverse_fill(fill, charges), fill.price))

    def _charges(self, order: Order, fill: Fill) -> Decimal:
        bill: object = self._charges_of
        if isinstance(bill, UsesDematDebits):  # delivery fills keep counting after a new instrument list
            bill.debits = self._debits[self._account]
        return ZERO if self._charges_of is None else self._charges_of(order, fill)

    def _at(self, row: JournalRow, fill: Fill) -> Position:
        # The position before the fill. Rows of adopted positions name no exchange and product: they get those of the
        # first fill, and the position moves to that key.
        key = PositionKey("", fill.exchange, fill.symbol, fill.product)
        taken = self._positions.get((self._account, _unlined(fill.symbol)))
        if taken is not None and not taken.position.is_flat:
            self._hold(row, taken._replace(position=Position(_unlined(fill.symbol))))
            return msgspec.structs.replace(taken.position, key=key)
        held = self._positions.get((self._account, key))
        return held.position if held else Position(key)

    def _hold(self, row: JournalRow, held: MarkedPosition) -> None:
        p = held.position
        self._positions[self._account, p.key] = held
        self._add("positions", {
            "journal": self._journal, "account": self._account, "exchange": p.key.exchange, "symbol": p.key.symbol,
            "product": p.key.product, "owner": p.key.owner, "seq": row.seq, "at": row.at, "quantity": p.quantity,
            "cost": p.cost, "realized": p.realized, "charges": p.charges, "bought": p.bought, "sold": p.sold,
            "mark": held.mark,
        })  # fmt: skip

    def _reconciled(self, row: JournalRow, report: ReconciliationResult) -> None:
        for symbol, quantity, price in report.adopted:
            held = self._positions.get((self._account, _unlined(symbol)))
            before = held.position if held else Position(_unlined(symbol))
            self._hold(row, MarkedPosition(before.with_quantity(quantity, price), price))
        for part in report.released:
            held = self._positions[self._account, msgspec.structs.replace(part.key, venue="")]
            self._hold(row, held._replace(position=held.position.release_quantity(part.quantity, part.price)))
        self._external(row, report)
        if report.cash is not None:
            self._cash[self._account] = report.cash
            self._equity(row)

    def _external(self, row: JournalRow, report: ReconciliationResult) -> None:
        # Positions that the venue shows beyond ours. One that it no longer shows is flat.
        external = {msgspec.structs.replace(p.key, venue=""): p for p in report.external}
        gone = [key for of, key in self._positions if of == self._account and not key.is_ours and key not in external]
        for key in gone:
            held = self._positions[self._account, key]
            if not held.position.is_flat:
                self._hold(row, held._replace(position=Position(key)))
        for key, p in external.items():
            previous = self._positions.get((self._account, key))
            position = Position(key).with_quantity(p.quantity, p.average_price)
            if previous is None or previous.position != position:
                self._hold(row, MarkedPosition(position, p.average_price if previous is None else previous.mark))

    def _equity(self, row: JournalRow) -> None:
        # In a fixed order: sums are rounded to 28 digits, and must not depend on which position came first.
        held = [h for (account, key), h in self._positions.items() if account == self._account and key.is_ours]
        ours = sorted(held, key=lambda h: (h.position.symbol, *h.position.key.netting_key))
        realized = sum((h.position.realized for h in ours), ZERO)
        charges = sum((h.position.charges for h in ours), ZERO)
        unrealized = sum((h.position.unrealized_pnl(h.mark) for h in ours if not h.position.is_flat), ZERO)
        self._add("equity", {
            "journal": self._journal, "seq": row.seq, "run": row.run, "account": self._account, "at": row.at,
            "cash": self._cash.get(self._account), "realized": realized, "charges": charges, "unrealized": unrealized,
            "net": realized - charges + unrealized,
            "exposure": sum((abs(h.position.quantity * h.mark) for h in ours), ZERO),
        })  # fmt: skip

    # ---- bars and signals

    def _close(self, row: JournalRow, batch: BarBatch) -> None:
        if self._universe is None:
            raise LookupError("no universe says whose bars these are")
        lines = self._lines["bars"]
        columns = (batch.ids, batch.open, batch.high, batch.low, batch.close, batch.volume, batch.ticks)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        fixed = (batch.interval, batch.starts_at)
        for id_, opened, high, low, closed, volume, ticks in rows:
            i = self._universe[id_]
            # The columns in the table's order: three thousand bars at one instant leave no time for dicts.
            key = (self._journal, row.run, i.exchange, i.symbol, *fixed)
            lines[key] = (
                *key, batch.ends_at, row.seq, _digits(opened, i.price_decimals), _digits(high, i.price_decimals),
                _digits(low, i.price_decimals), _digits(closed, i.price_decimals),
                _digits(volume, i.quantity_decimals), ticks,
            )  # fmt: skip
        self._mark(row, batch)
        self._equity(row)

    def _mark(self, row: JournalRow, batch: BarBatch) -> None:
        universe, account = self._universe, self._account
        assert universe is not None, "closes have a universe"
        rows = {id_: n for n, id_ in enumerate(batch.ids.tolist())}
        for (owner, key), held in list(self._positions.items()):
            symbol = key.symbol
            if owner == account and not held.position.is_flat and symbol in universe:
                i: Instrument = universe.instrument_of(symbol)
                if i.exchange != (key.exchange or i.exchange):
                    continue
                if (n := rows.get(universe.id_of(symbol))) is not None and (
                    mark := i.price_from_units(batch.close[n])
                ) != held.mark:
                    self._hold(row, held._replace(mark=mark))

    def _signals(self, row: JournalRow, signals: Signals) -> None:
        for place, signal in enumerate(signals.signals):
            line: dict[str, Any] = {"journal": self._journal, "seq": row.seq, "place": place, "run": row.run}
            names = (
                "signal_id", "strategy", "symbol", "action", "bar_at", "close", "quantity", "stop_loss", "trail_by",
                "target", "inputs",
            )  # fmt: skip
            self._add("signals", line | {name: getattr(signal, name) for name in names})

    def _add(self, table: str, fields: Mapping[str, Any]) -> None:
        self._lines[table][tuple([without_nul(fields[name]) for name in TABLES[table].key])] = fields


def _unlined(symbol: str) -> PositionKey:
    return PositionKey("", "", symbol, "")


def _digits(units: int, decimals: int) -> str:
    if not decimals:
        return str(units)
    sign, digits = ("-", str(-units)) if units < 0 else ("", str(units))
    digits = digits.zfill(decimals + 1)
    return without_nul(f"{sign}{digits[:-decimals]}.{digits[-decimals:]}")
