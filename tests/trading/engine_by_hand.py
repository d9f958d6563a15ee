"""An engine on virtual time: feed, venue, journal and analysis are in the hand of a test, the desk is a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from tests.told import Told
from tests.trading.desk.desk_rig import gate
from tests.trading.quotes_by_hand import OPEN, OneDay
from tradebot.clock import SECOND, LoopClock
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import BarBatch, Quotes
from tradebot.domain.message import Message
from tradebot.domain.messages import Action, LinkDown, LinkUp, MarketMessage, Signal, Signals
from tradebot.domain.order import (
    Fill,
    OrderEvent,
    OrderEventType,
    OrderRequest,
    VenueOrder,
    VenueOrderStatus,
    VenuePosition,
)
from tradebot.domain.venue_rows import VenueRows
from tradebot.simulation.loop import VirtualLoop
from tradebot.simulation.process import Process
from tradebot.simulation.seeded_random import SeededRandom
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.desk import build_desk
from tradebot.trading.desk.settings import DeskSettings
from tradebot.trading.engine import Engine, EngineSettings, EngineStages, Telemetry
from tradebot.trading.order_sender import SendRules
from tradebot.trading.poll_schedule import PollPace
from tradebot.venues.venue import Accepted, Reply

UNIVERSE = Universe([Instrument(symbol="AAA", token=256), Instrument(symbol="BBB", token=512)])
AN_HOUR_S = 3600.0
D = Decimal


class FeedByHand:
    """Says in its own task what the test lets it say, as a stream does."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[Callable[[], None]] = asyncio.Queue()
        self.dropped_counts: dict[str, int] = {}
        self.is_over = False
        self.again: list[list[int]] = []

    async def run(self, on_market: Callable[[MarketMessage], None], on_order: Callable[[VenueOrder], None]) -> None:
        self._on_market, self._on_order = on_market, on_order
        try:
            while True:
                (await self._said.get())()
        finally:
            self.is_over = True

    def says(self, message: MarketMessage) -> None:
        self._said.put_nowait(lambda: self._on_market(message))

    def tells(self, order: VenueOrder) -> None:
        self._said.put_nowait(lambda: self._on_order(order))

    def breaks(self, error: Exception) -> None:
        def fail() -> None:
            raise error

        self._said.put_nowait(fail)

    async def resubscribe(self, ids: Sequence[int]) -> None:
        self.again.append(list(ids))


class VenueByHand:
    """Keeps an order book that fills nothing by itself. `did` is what was asked of it, in order."""

    def __init__(self, did: list[str]) -> None:
        self.did = did
        self.book: dict[str, VenueOrder] = {}  # venue_order_id -> order
        self.trades: list[Fill] = []
        self.polled: Callable[[], Quotes] | None = None
        self.answers = asyncio.Event()  # while it is clear no request and no look is answered
        self.answers.set()
        self.error: Exception | None = None  # what every request and look raises

    async def _asked(self, what: str) -> None:
        self.did.append(what)
        await self.answers.wait()
        if self.error is not None:
            raise self.error

    async def submit(self, request: OrderRequest) -> Reply:
        await self._asked(f"submit {request.symbol}")
        id_ = f"V{len(self.book) + 1}"
        self.book[id_] = VenueOrder(
            venue_order_id=id_, tag=request.order_id, symbol=request.symbol, exchange=request.exchange,
            side=request.side, kind=request.kind, status=VenueOrderStatus.OPEN, quantity=request.quantity, filled=D(0),
        )  # fmt: skip
        return Accepted(venue_order_id=id_)

    async def cancel(self, *, order_id: str, venue_order_id: str) -> Reply:
        order = self.book.get(venue_order_id)
        await self._asked(f"cancel {order.symbol if order is not None else venue_order_id}")
        if order is not None:
            self.book[venue_order_id] = msgspec.structs.replace(order, status=VenueOrderStatus.CANCELED)
        return Accepted(venue_order_id=venue_order_id)

    def fill(self, venue_order_id: str, price: str) -> VenueOrder:
        order = self.book[venue_order_id]
        filled = msgspec.structs.replace(
            order, status=VenueOrderStatus.FILLED, filled=order.quantity, average_price=D(price)
        )  # fmt: skip
        self.book[venue_order_id] = filled
        self.trades.append(
            Fill(
                execution_id=str(len(self.trades) + 1), venue_order_id=venue_order_id, symbol=order.symbol,
                exchange=order.exchange, side=order.side, quantity=order.quantity, price=D(price), traded_at=OPEN,
            )
        )  # fmt: skip
        return filled

    async def fetch_orders(self) -> VenueRows[VenueOrder]:
        await self._asked("orders")
        return VenueRows(self.book.values())

    async def fetch_fills(self) -> VenueRows[Fill]:
        await self._asked("executions")
        return VenueRows(self.trades)

    async def fetch_positions(self) -> VenueRows[VenuePosition]:
        net: dict[str, Decimal] = {}
        for trade in self.trades:
            net[trade.symbol] = net.get(trade.symbol, D(0)) + trade.side.sign * trade.quantity
        return VenueRows(
            VenuePosition(symbol=s, exchange="NSE", product="MIS", quantity=q, average_price=D(100))
            for s, q in net.items()
        )

    async def fetch_holdings(self) -> VenueRows[Any]:
        return VenueRows()

    async def fetch_cash(self) -> Decimal:
        return D(100_000)

    async def fetch_account_id(self) -> str:
        self.did.append("login")
        return "AB1234"

    async def fetch_quotes(self, universe: Universe) -> Quotes:
        self.did.append("quotes")
        assert self.polled is not None
        return self.polled()


class JournalByHand:
    """Keeps rows; they are on disk while `disk` is set. `did` hears of the rows of orders, in order."""

    def __init__(self, did: list[str]) -> None:
        self.did = did
        self.rows: list[tuple[str, Message]] = []
        self.disk = asyncio.Event()
        self.disk.set()
        self.error: Exception | None = None

    def append(self, kind: str, message: Message, *, at: int) -> int:
        if self.error is not None:
            raise self.error
        self.rows.append((kind, message))
        if isinstance(message, OrderEvent):
            self.did.append(f"row {message.type}")
        return len(self.rows)

    async def wait_durable(self, ticket: int | None = None) -> None:
        await self.disk.wait()

    def of(self, kind: str) -> list[Any]:
        return [message for name, message in self.rows if name == kind]

    def event_types(self) -> list[OrderEventType]:
        return [event.type for event in self.of("order")]


class AnalysisByHand:
    """Answers each close with the signals that the test gave for it."""

    withheld = 0

    def __init__(self) -> None:
        self.asked: list[BarBatch] = []
        self.answers: list[Signals] = []  # of the next close
        self.thinks = asyncio.Event()  # while it is clear no close is answered
        self.thinks.set()
        self.dies = asyncio.Event()
        self.changes: list[Any] = []  # the parameters that it was given, with the number of closes before

    async def change_params(self, strategies: Any) -> None:
        self.changes.append((strategies, len(self.asked)))

    async def compute_signals(self, batch: BarBatch, holdings: object) -> AnalysisByHand:
        self.asked.append(batch)
        await self.thinks.wait()
        return self

    def message_chunks(self) -> list[Signals]:
        answers, self.answers = self.answers, []
        return answers

    async def replace_workers(self) -> None:
        await self.dies.wait()
        raise RuntimeError("a worker broke")

    def prewarm_workers(self) -> None:
        """There is nothing to wake."""


class EngineRig:
    """The engine and everything around it; bars of `interval_s` from `OPEN` on, which is now."""

    def __init__(
        self,
        clock: LoopClock,
        *,
        venue: VenueByHand | None = None,
        analysis: Any = None,
        interval_s: int = 60,
        **rules: Any,
    ) -> None:
        self.clock, self.did = clock, list[str]() if venue is None else venue.did
        self.feed, self.venue = FeedByHand(), venue or VenueByHand(self.did)
        self.analysis = AnalysisByHand() if analysis is None else analysis
        self.journal = JournalByHand(self.did)
        self.told = Told()
        self.beats: list[int] = []  # monotonic times
        self.stop = asyncio.Event()
        self.signalled = 0
        own = DeskSettings(order_notional=D(10_000), protection_pct=D("0.5"))
        book = Book(UNIVERSE, own, lambda order, fill: D(1))
        self.desk = build_desk(book, gate=gate(), id_prefix="T", absent_after_s=60.0)
        bars = BarBuilder(len(UNIVERSE), interval_ns=interval_s * SECOND, grace_ns=0, sessions=OneDay(len(UNIVERSE)))
        self.engine = Engine(
            feed=self.feed, broker=self.venue, universe=UNIVERSE, clock=clock,
            stages=EngineStages(bars=bars, analysis=self.analysis, desk=self.desk), journal=self.journal,
            telemetry=Telemetry(
                measure=lambda name, ns: None, tell=self.told,
                beat=lambda: self.beats.append(clock.monotonic_ns()),
            ),
            settings=EngineSettings(
                stale_after_s=AN_HOUR_S, poll_every_s=1.0, poll_pace=PollPace(live_s=AN_HOUR_S, idle_s=AN_HOUR_S),
                send_rules=SendRules(**rules),
            ),
        )  # type: ignore[arg-type]  # fmt: skip

    @asynccontextmanager
    async def trading(self, *, is_warm: bool = True) -> AsyncIterator[asyncio.Task[None]]:
        """Start and run the engine; at the end it is stopped as a person stops it, if it runs still."""
        await self.engine.reconcile_at_start()
        if is_warm:
            self.engine.warmup_done.set()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.engine.run(self.stop), name="engine")
            await self.clock.sleep(1.0)
            yield running
            self.stop.set()

    def quotes(self, **prices: str) -> Quotes:
        """Return a frame of now, whose spread is a tenth of a rupee."""
        units = np.array(
            [UNIVERSE.instrument_of(symbol).price_to_units(D(price)) for symbol, price in prices.items()],
            dtype=np.int64,
        )
        ids = np.array([UNIVERSE.id_of(symbol) for symbol in prices], dtype=np.int64)
        sizes = np.full(len(ids), 100, dtype=np.int64)
        return Quotes(
            source="hand", seen_at=self.clock.monotonic_ns(), ids=ids, last=units, bid=units - 5, ask=units + 5,
            sent_at=np.full(len(ids), self.clock.market_ns(), dtype=np.int64), volume=sizes, bid_size=sizes,
            ask_size=sizes,
        )  # fmt: skip

    def wish(self, symbol: str, action: Action = Action.ENTER_LONG) -> Signals:
        """Return what a strategy says at a close of now."""
        self.signalled += 1
        mono = self.clock.monotonic_ns()
        signal = Signal(
            signal_id=f"{symbol}-{self.signalled}", strategy="s", symbol=symbol, action=action,
            bar_at=self.clock.market_ns(), quoted_at=mono, made_at=mono,
        )  # fmt: skip
        return Signals(at=self.clock.market_ns(), interval=60 * SECOND, signals=(signal,))

    async def enter(self, symbol: str = "AAA", price: str = "100") -> None:
        """Let a quote come, then a signal to buy, and wait for what follows from it."""
        self.feed.says(self.quotes(**{symbol: price}))
        await self.clock.sleep(0.2)
        await self.engine.queues.signals.put(self.wish(symbol))
        await self.clock.sleep(0.2)

    def link(self, kind: type[LinkDown] | type[LinkUp]) -> None:
        """Let the stream go down or come up."""
        more = {"reason": "cut"} if kind is LinkDown else {}
        self.feed.says(kind(source="hand", mono=self.clock.monotonic_ns(), **more))

    def events(self) -> list[str]:
        return [event for event, _ in self.told]


def on_virtual_time(test: Callable[[LoopClock], Awaitable[None]]) -> Callable[[], None]:
    """Run a test on a loop on which an hour of sleep takes no time; it is given the clock."""

    def run() -> None:
        loop = VirtualLoop(SeededRandom(1))
        clock = LoopClock(loop, wall_offset_ns=OPEN)

        async def work() -> None:
            await test(clock)

        try:
            loop.run_until_complete(loop.spawn_process(Process("test"), work))
        finally:
            loop.abandon_loop()

    run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__  # type: ignore[attr-defined]
    return run
