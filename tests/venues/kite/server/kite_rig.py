"""A small market behind the Kite face, moved by hand: what the tests of the face share."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp

from tradebot.clock import IST, SECOND, ManualClock, parse_iso
from tradebot.exchange.account import DematHolding, OpeningBalance
from tradebot.exchange.event_log import EventLog
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.latency import NO_LATENCY, Latency
from tradebot.exchange.order_rules import OrderRules
from tradebot.exchange.prices.synthetic import SyntheticPrices
from tradebot.exchange.rate_limits import RateLimits
from tradebot.exchange.server import serve_exchange
from tradebot.markets.listing import universe_for
from tradebot.venues.kite.server.kite_server import KiteServer

OPENS_AT = parse_iso("2026-11-23T09:15:00", IST)
CLOSES_AT = parse_iso("2026-11-23T15:30:00", IST)
SYMBOLS = ("RELIANCE", "TCS", "NIFTY 50")
CASH = Decimal(50_000)


class Rig:
    """The exchange, its clock, and a client that keeps clear of the rate limits by moving the clock."""

    def __init__(
        self, exchange: Exchange, clock: ManualClock, at: SimpleNamespace, client: aiohttp.ClientSession
    ) -> None:
        self.exchange, self.clock, self.at, self.client = exchange, clock, at, client
        self.headers = {
            "X-Kite-Version": "3",
            "Authorization": f"token {at.api_key}:{at.access_token}",
        }

    def step(self, seconds: float = 1.0) -> None:
        self.clock.now_ns += int(seconds * SECOND)
        self.exchange.advance_to(self.clock.now_ns)

    async def ask(self, method: str, path: str, *, patient: bool = True, **kw: Any) -> tuple[int, Any]:
        if patient:
            self.step()
        headers = kw.pop("headers", self.headers)
        async with self.client.request(method, self.at.rest + path, headers=headers, **kw) as response:
            body = await response.json()
        return response.status, body

    async def data(self, method: str, path: str, **kw: Any) -> Any:
        status, body = await self.ask(method, path, **kw)
        assert (status, body["status"]) == (200, "success"), body
        return body["data"]

    async def refusal(self, method: str, path: str, **kw: Any) -> tuple[int, str, str]:
        status, body = await self.ask(method, path, **kw)
        assert body["status"] == "error", body
        return status, body["error_type"], body["message"]

    async def place(self, **kw: Any) -> str:
        answer = await self.data("POST", "/orders/regular", data=order(**kw))
        return str(answer["order_id"])


def order(**kw: Any) -> dict[str, str]:
    plain = {
        "exchange": "NSE",
        "tradingsymbol": "TCS",
        "transaction_type": "BUY",
        "order_type": "MARKET",
        "quantity": "1",
        "product": "MIS",
        "validity": "DAY",
        "market_protection": "-1",
        "tag": "t1",
    }
    return {name: str(value) for name, value in (plain | kw).items() if value is not None}


def split(frame: bytes) -> list[bytes]:
    """Return the bodies of a frame; nothing may be left over."""
    (count,) = struct.unpack_from(">H", frame)
    bodies, at = [], 2
    for _ in range(count):
        (length,) = struct.unpack_from(">H", frame, at)
        bodies.append(frame[at + 2 : at + 2 + length])
        at += 2 + length
    assert at == len(frame)
    return bodies


@asynccontextmanager
async def rig(
    *,
    symbols: Sequence[str] = SYMBOLS,
    holdings: Sequence[DematHolding] = (),
    log: EventLog | None = None,
    latency: Latency = NO_LATENCY,
    resume: Path | None = None,
    later: int = 0,
    early: int = 0,
    rules: OrderRules | None = None,
    limits: RateLimits | None = None,
    **options: Any,
) -> AsyncIterator[Rig]:
    # `resume` goes on with the books of a log, `later` ns after the first day; the clock begins `early` ns before it.
    clock = ManualClock(OPENS_AT + later - early)
    source = SyntheticPrices(
        universe_for(symbols), seed=7, opens_at=OPENS_AT + later, closes_at=CLOSES_AT + later
    )  # fmt: skip
    balance = OpeningBalance(cash=CASH, holdings=tuple(holdings))
    exchange = Exchange(source, clock, seed=7, balance=balance, latency=latency, log=log, resume=resume, rules=rules)
    exchange.advance_to(clock.now_ns)
    face = partial(KiteServer, limits=limits)
    async with serve_exchange(exchange, clock, face, log=log, **options) as at, aiohttp.ClientSession() as client:
        yield Rig(exchange, clock, SimpleNamespace(render=at.to_json, **at.entry), client)
