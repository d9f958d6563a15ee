"""The client of the tiny venue: its rows to messages, a reader, a broker that sends once, and a feed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, Self, TypeVar

import aiohttp
import numpy as np
import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.venues.tiny.tiny_adapter import TINY
from tradebot.clock import Clock
from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.domain.market import QUOTE_COLUMNS, SERIES_COLUMNS, BarSeries, Quotes
from tradebot.domain.messages import LinkDown, LinkUp, MarketMessage
from tradebot.domain.order import (
    Fill,
    OrderKind,
    OrderRequest,
    Refusal,
    Side,
    VenueHolding,
    VenueOrder,
    VenueOrderStatus,
    VenuePosition,
)
from tradebot.domain.venue_reports import AccountProfile
from tradebot.domain.venue_rows import UnreadRow, VenueRows
from tradebot.errors import AccessDenied, DataError, LinkLost, LoginLost, OutcomeUnknown
from tradebot.venues.adapter import VenueAccess
from tradebot.venues.link import Backoff, Throttled, read_frames, run_with_reconnect
from tradebot.venues.venue import ACCESS_DENIED, LOGIN_LOST, Accepted, NotSent, Refused, Reply, VenueRules

LARGEST = 4 << 20
READ_S, WRITE_S = 5.0, 8.0
ODD = (LookupError, TypeError, ValueError, InvalidOperation)
STATES = {
    **dict.fromkeys(("received", "checking", "opening"), VenueOrderStatus.ACKED),
    **dict.fromkeys(("open", "checking change", "changing", "changed", "cancelling"), VenueOrderStatus.OPEN),
    "awaiting trigger": VenueOrderStatus.PENDING_TRIGGER, "filled": VenueOrderStatus.FILLED,
    "rejected": VenueOrderStatus.REJECTED, "cancelled": VenueOrderStatus.CANCELED,
}  # fmt: skip
REFUSED = frozenset({"funds", "closed", "order", "unknown", "busy"})  # codes that are a no for good
Row = Mapping[str, Any]
Parsed = TypeVar("Parsed")


def decimal(row: Row, name: str) -> Decimal:
    value = Decimal(row[name])
    if not value.is_finite():
        raise ValueError(f"{name} is {value}")
    return value


def order_of(row: Row) -> VenueOrder:
    status = STATES[row["state"]]
    filled = decimal(row, "filled")
    funds = Refusal.FUNDS if row["no_funds"] else Refusal.ORDER
    return VenueOrder(
        venue_order_id=str(row["id"]), tag=str(row["tag"]), symbol=row["symbol"], exchange=row["exchange"],
        side=Side(row["side"]), kind=OrderKind(row["kind"]), status=status, quantity=decimal(row, "quantity"),
        filled=filled, price=decimal(row, "price") or None, trigger_price=decimal(row, "trigger") or None,
        average_price=decimal(row, "average") if filled else None, product=row["product"], reason=row["why"],
        changed_at=int(row["at"]), refusal=funds if status is VenueOrderStatus.REJECTED else None,
    )  # fmt: skip


def execution_of(row: Row) -> Fill:
    return Fill(
        execution_id=str(row["id"]), venue_order_id=str(row["order"]), symbol=row["symbol"], exchange=row["exchange"],
        side=Side(row["side"]), quantity=decimal(row, "quantity"), price=decimal(row, "price"),
        traded_at=int(row["at"]), product=row["product"],
    )  # fmt: skip


def position_of(row: Row) -> VenuePosition:
    return VenuePosition(
        symbol=row["symbol"], exchange=row["exchange"], product=row["product"], quantity=decimal(row, "quantity"),
        average_price=decimal(row, "average"),
    )  # fmt: skip


def holding_of(row: Row) -> VenueHolding:
    return VenueHolding(
        symbol=row["symbol"], exchange=row["exchange"], quantity=decimal(row, "quantity"),
        average_price=decimal(row, "average"),
    )  # fmt: skip


def instrument_of(row: Row) -> Instrument:
    return Instrument(
        symbol=row["symbol"], exchange=row["exchange"], token=int(row["token"]), kind=InstrumentKind(row["kind"]),
        tick_size=decimal(row, "tick"), lot_size=decimal(row, "lot"), has_derivatives=row["has_derivatives"],
    )  # fmt: skip


def listed(book: str, rows: Any, parse: Callable[[Row], Parsed]) -> VenueRows[Parsed]:
    """Return each row once that can be read, and what is known of the others."""
    found: list[Parsed] = []
    odd: list[UnreadRow] = []
    for row in rows if isinstance(rows, list) else no_list(book):
        try:
            one = parse(row)
        except ODD as error:
            odd.append(UnreadRow(book=book, reason=f"{type(error).__name__}: {error}"))
        else:
            if one not in found:
                found.append(one)
    return VenueRows(found, odd)


def no_list(book: str) -> Iterable[Row]:
    raise LinkLost(f"the answer for {book} is no list")


def quotes_of(rows: Iterable[Row], universe: Universe, *, source: str, seen_at: int) -> Quotes:
    known = [row for row in rows if row["symbol"] in universe]
    columns: dict[str, list[int]] = {name: [] for name in QUOTE_COLUMNS}
    for row in known:
        instrument = universe.instrument_of(row["symbol"])
        price = lambda name, row=row, i=instrument: i.price_to_units(decimal(row, name))  # noqa: E731
        values = (
            universe.id_of(row["symbol"]), int(row["at"]), price("last"), int(row["volume"]), price("bid"),
            price("ask"), int(row["bids"]), int(row["asks"]),
        )  # fmt: skip
        for name, value in zip(QUOTE_COLUMNS, values, strict=True):
            columns[name].append(value)
    arrays = {name: np.array(column, dtype=np.int64) for name, column in columns.items()}
    return Quotes(source=source, seen_at=seen_at, **arrays)


class TinyReader:
    """Reads; a read is tried once and raises LinkLost or AccessDenied."""

    venue_rules: VenueRules = TINY

    def __init__(self, access: VenueAccess, clock: Clock) -> None:
        self._access, self._clock = access, clock
        self._session: aiohttp.ClientSession | None = None

    async def fetch_account_id(self) -> str:
        found = await self._read("/books/account")
        return str(found["id"]) if isinstance(found, dict) and "id" in found else lost("no account")

    async def fetch_profile(self) -> AccountProfile:
        return AccountProfile(account_id=await self.fetch_account_id())

    async def fetch_instruments(self, symbols: Sequence[str]) -> VenueRows[Instrument]:
        rows = await self._read("/market/instruments")
        known = {i.symbol: i for i in listed("instruments", rows, instrument_of)}
        if missing := [symbol for symbol in symbols if symbol not in known]:
            raise DataError(f"tiny does not list {', '.join(missing)}")
        return VenueRows(known[symbol] for symbol in symbols)

    async def fetch_orders(self) -> VenueRows[VenueOrder]:
        return listed("orders", await self._read("/books/orders"), order_of)

    async def fetch_fills(self) -> VenueRows[Fill]:
        return listed("trades", await self._read("/books/fills"), execution_of)

    async def fetch_positions(self) -> VenueRows[VenuePosition]:
        return listed("positions", await self._read("/books/positions"), position_of)

    async def fetch_holdings(self) -> VenueRows[VenueHolding]:
        return listed("holdings", await self._read("/books/holdings"), holding_of)

    async def fetch_cash(self) -> Decimal:
        found = await self._read("/books/cash")
        return decimal(found, "free") if isinstance(found, dict) and "free" in found else lost("no cash")

    async def fetch_quotes(self, universe: Universe) -> Quotes:
        rows = await self._read("/market/quotes", symbols=",".join(universe.symbols))
        try:
            return quotes_of(rows, universe, source="tiny-rest", seen_at=self._clock.monotonic_ns())
        except ODD as error:
            raise LinkLost(f"odd quotes: {error}") from error

    async def fetch_history(self, instrument: Instrument, *, interval: int, start: int, end: int) -> BarSeries:
        rows = await self._read(
            "/market/past", symbol=instrument.symbol, interval=str(interval), start=str(start), end=str(end)
        )
        try:
            sound = [
                [int(row[0]), *(instrument.price_to_units(Decimal(p)) for p in row[1:5]), int(row[5])] for row in rows
            ]
        except ODD as error:
            raise LinkLost(f"odd bars: {error}") from error
        table = np.array(sorted({row[0]: row for row in sound}.values()), dtype=np.int64).reshape(-1, 6)
        columns = dict(zip(SERIES_COLUMNS, table.T, strict=True))
        series = BarSeries(symbol=instrument.symbol, interval=interval, **columns)
        return series.select_bars(series.starts + interval <= self._clock.market_ns())

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _read(self, path: str, **params: str) -> Any:
        try:
            status, found = await self._ask("GET", path, READ_S, params=params)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise LinkLost(f"GET {path}: {type(error).__name__}") from error
        if status == 200 and isinstance(found, dict) and found.get("ok") is not None:
            return found["ok"]
        code = found.get("no", "") if isinstance(found, dict) else ""
        if status == 401 and code:
            raise LoginLost("tiny does not know our key any more")
        if status == 403 and code:
            raise AccessDenied(f"GET {path}: {found['why']}")
        raise (Throttled if status == 429 else LinkLost)(f"GET {path}: HTTP {status} {code}")

    async def _ask(
        self, method: str, path: str, within_s: float, *, params: Mapping[str, str], body: bytes | None = None
    ) -> tuple[int, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        headers = {"Key": self._access.credentials["key"], "Content-Type": "application/json"}
        limit = aiohttp.ClientTimeout(total=within_s)
        address = self._access.addresses["rest"] + path
        async with self._session.request(
            method, address, params=params, data=body, headers=headers, timeout=limit, allow_redirects=False
        ) as response:
            content = await response.content.read(LARGEST) if response.status != 204 else b""
            while more := await response.content.read(LARGEST):
                content += more
            try:
                return response.status, orjson.loads(content)
            except orjson.JSONDecodeError:
                return response.status, None


def lost(what: str) -> Any:
    raise LinkLost(f"the answer holds {what}")


class TinyBroker(TinyReader):
    """Sends as well, once: POST alone, which no library repeats."""

    def resume_day(self, sent: int) -> None:
        """The venue's limit of a day is beyond what anybody sends."""

    async def submit(self, request: OrderRequest) -> Reply:
        body = {
            "tag": request.order_id, "exchange": request.exchange, "symbol": request.symbol, "side": request.side,
            "product": request.product,
        } | change_of(request)  # fmt: skip
        return await self._write("/orders/new", {}, body)

    async def modify(self, request: OrderRequest, *, venue_order_id: str) -> Reply:
        return await self._write("/orders/change", {"id": venue_order_id}, change_of(request))

    async def cancel(self, *, order_id: str, venue_order_id: str) -> Reply:
        return await self._write("/orders/cancel", {"id": venue_order_id}, {})

    async def _write(self, path: str, params: Mapping[str, str], body: Mapping[str, Any]) -> Reply:
        if "id" in params and not params["id"].isdigit():
            return NotSent(reason=f"{params['id']!r} is no number of an order")
        try:
            status, found = await self._ask("POST", path, WRITE_S, params=params, body=orjson.dumps(body))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise OutcomeUnknown(f"POST {path}: {type(error).__name__}") from error
        code, why = (found.get("no", ""), str(found.get("why", ""))) if isinstance(found, dict) else ("", "")
        if status == 200 and isinstance(found, dict) and isinstance(found.get("ok"), dict):
            number = found["ok"].get("id")
            if isinstance(number, str) and number.isdigit() and number == params.get("id", number):
                return Accepted(venue_order_id=number)
        if status == 401 and code:
            return Refused(reason=why, code=LOGIN_LOST)
        if status == 403 and code:
            return Refused(reason=why, code=ACCESS_DENIED)
        if status == 429 or (status == 422 and code in REFUSED):
            refusal = Refusal.FUNDS if code == "funds" else Refusal.ORDER
            return Refused(reason=why or "too many requests", code=code or "slow", refusal=refusal)
        raise OutcomeUnknown(f"POST {path}: HTTP {status} {code}")


def change_of(request: OrderRequest) -> dict[str, Any]:
    wanted = {
        "kind": request.kind, "quantity": request.quantity, "price": request.price, "trigger": request.trigger_price,
        "protection": request.protection_pct, "validity": request.validity,
    }  # fmt: skip
    return {name: str(value) for name, value in wanted.items() if value is not None}


class TinyFeed:
    """One stream of the universe, kept for ever."""

    def __init__(self, universe: Universe, access: VenueAccess, clock: Clock, silent_after_s: float) -> None:
        self._universe, self._access, self._clock, self._silent_after_s = universe, access, clock, silent_after_s
        self._odd: Counter[str] = Counter()
        self._rng = np.random.default_rng(0)
        self._wire: Any = None

    @property
    def dropped_counts(self) -> dict[str, int]:
        return dict(self._odd)

    async def run(self, on_market: Callable[[MarketMessage], None], on_order: Callable[[VenueOrder], None]) -> None:
        clock = self._clock

        async def session(up: Callable[[], None]) -> None:
            is_up = False

            def on_frame(frame: str | bytes) -> None:
                nonlocal is_up
                if not is_up:
                    is_up = True
                    up()
                self._frame(frame, on_market, on_order)

            address = f"{self._access.addresses['stream']}/stream?key={self._access.credentials['key']}"
            try:
                async with connect(
                    address, compression=None, proxy=None, max_size=LARGEST, open_timeout=10, close_timeout=1,
                    ping_timeout=None,
                ) as wire:  # fmt: skip
                    await wire.send(orjson.dumps({"sub": list(self._universe.symbols)}).decode())
                    self._wire = wire
                    await read_frames(wire.recv, on_frame, silent_after_s=self._silent_after_s, clock=clock)
            except (WebSocketException, OSError, EOFError) as error:
                raise LinkLost(f"the stream broke: {type(error).__name__}") from error

        await run_with_reconnect(
            session,
            lambda: on_market(LinkUp(source="tiny", mono=clock.monotonic_ns())),
            lambda reason: on_market(LinkDown(source="tiny", mono=clock.monotonic_ns(), reason=reason)),
            clock=clock,
            rng=self._rng,
            backoff=Backoff(first_s=0.2, longest_s=4.0, throttled_s=2.0),
        )

    async def resubscribe(self, ids: Sequence[int]) -> None:
        try:
            async with asyncio.timeout(1):
                if self._wire is not None:
                    await self._wire.send(orjson.dumps({"sub": [self._universe[i].symbol for i in ids]}).decode())
        except (WebSocketException, OSError, TimeoutError):
            return  # its own task sees what broke

    def _frame(
        self, frame: str | bytes, on_market: Callable[[MarketMessage], None], on_order: Callable[[VenueOrder], None]
    ) -> None:
        try:
            content = orjson.loads(frame)
            if "o" in content:
                on_order(order_of(content["o"]))
            elif "q" in content:
                now = self._clock.monotonic_ns()
                quotes = quotes_of(content["q"], self._universe, source="tiny", seen_at=now)
                if len(quotes):
                    on_market(quotes)
        except ODD:
            self._odd["malformed"] += 1


Reading = TypeVar("Reading", bound=TinyReader)


class _Tiny(Generic[Reading]):
    venue_rules: VenueRules = TINY
    opens: type[Reading]

    def __init__(self, access: VenueAccess, clock: Clock, silent_after_s: float = 10.0) -> None:
        self._access, self._clock, self._silent_after_s = access, clock, silent_after_s
        self.broker: Reading = self.opens(access, clock)

    def create_feed(self, universe: Universe, **_: Any) -> TinyFeed:
        return TinyFeed(universe, self._access, self._clock, self._silent_after_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.broker.close()


class TinySource(_Tiny[TinyReader]):
    """The venue without an order route."""

    opens = TinyReader


class TinyVenue(_Tiny[TinyBroker]):
    """The venue with its order routes."""

    opens = TinyBroker

    def resume_day(self, sent_before: int) -> None:
        self.broker.resume_day(sent_before)
