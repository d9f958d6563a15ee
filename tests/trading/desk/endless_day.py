"""A day of orders without end: real desk, gate, blotter, journal, narrator and outbox, in virtual time.

Each order is entered, filled, sometimes in parts, in doubt, refused or cancelled, and closed. Run as a program it says
after how many orders how much memory the process holds: `endless_day.py ORDERS FOLDER`.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from enum import StrEnum, auto
from pathlib import Path
from typing import Any, NamedTuple

from tests.trading.desk.desk_rig import OPEN, DeskRig, submitted
from tradebot.clock import SECOND, ManualClock, WallClock
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import AccountSnapshot, Action, Command, OrderReport, SessionBegins
from tradebot.domain.order import OrderEvent, OrderEventType, OrderRequest, VenueOrderStatus
from tradebot.journal import schema
from tradebot.journal.rows import InstrumentList, RunRecord
from tradebot.journal.writer import Journal
from tradebot.ops import journal_logger as narrator_file
from tradebot.ops.events.event import Event, drop_event
from tradebot.ops.journal_logger import JournalLogger
from tradebot.store import projection as projection_file
from tradebot.store.outbox import Outbox
from tradebot.store.sqlite import SqliteStore
from tradebot.trading.desk.book import blotter as blotter_file
from tradebot.trading.desk.gate import flow_controls

E, D = OrderEventType, Decimal
LOWERED = (
    (blotter_file, "MAX_ENDED_ORDERS", 300), (narrator_file, "REQUESTS_REMEMBERED", 300),
    (projection_file, "KEPT_ORDERS", 300), (flow_controls.NoDuplicate, "MAX_REMEMBERED", 300),
    (schema, "WAL_BYTES", 1 << 16),
)  # fmt: skip
WARM = 4_000  # more than every lowered bound, than the orders of a day, and than fills the caches of three databases
SAMPLES = 20


class Fate(StrEnum):
    """What becomes of an entry."""

    REFUSED = auto()
    IN_DOUBT = auto()  # and found filled in the lists
    CANCELLED = auto()  # before anything filled
    FILLED = auto()


FATES = (Fate.REFUSED, Fate.IN_DOUBT, Fate.CANCELLED, *[Fate.FILLED] * 5)  # of one order after the other


class Counted(NamedTuple):
    """What must be as many afterwards as before."""

    descriptors: int
    tasks: int
    threads: int
    timers: int


def session(day: int) -> SessionBegins:
    """The same day again; nothing here knows dates, but a session that begins at another time begins a new profit."""
    return SessionBegins(
        opens_at=OPEN - day, closes_at=OPEN + 22_500 * SECOND, entries_until=OPEN + 20_000 * SECOND,
        square_off_at=OPEN + 21_000 * SECOND,
    )  # fmt: skip


class Day:
    """A desk that trades without end; every event goes to a journal and into log lines without a reader."""

    def __init__(self, journal: Journal) -> None:
        self.rig, self.journal, self.n, self.days, self.lines = DeskRig(), journal, 0, 0, 0
        self.journal_logger = JournalLogger(self._tell, ManualClock(OPEN))

    def _tell(self, event: Event) -> None:
        self.lines += 1

    def write(self, outputs: list[Any]) -> list[Any]:
        for output in outputs:
            if isinstance(output, OrderEvent):
                seq = self.journal.append("order", output, at=output.at)
                self.journal_logger.log_rows([(seq, "order", output)])
        return outputs

    def outcome(self, request: OrderRequest, event_type: OrderEventType, venue_order_id: str = "") -> None:
        self.write(self.rig.outcome(request, event_type, venue_order_id))

    async def trade(self, orders: int) -> None:
        """Trade at least `orders` orders, each to its end."""
        rig, until = self.rig, self.n + orders
        while self.n < until:
            rig.tick(150)  # below the orders of a day that the gate allows
            if rig.at > OPEN + 19_000 * SECOND:
                rig.at, self.days = OPEN, self.days + 1
                rig.desk.apply_message(session(self.days))
            rig.quote("AAA", "1000")
            (entry,) = submitted(self.write(rig.signal("AAA", Action.ENTER_LONG, n=self.n, stop_loss=990.0)))
            await self.live(entry)
            if self.n % 8 < 2:  # the writer keeps hold of the last group: a short one weighs little
                await self.journal.wait_durable()

    async def settle(self) -> None:
        await self.journal.wait_durable()
        gc.collect()

    async def live(self, entry: OrderRequest) -> None:
        rig, self.n = self.rig, self.n + 1
        venue_id = f"V{self.n}"
        self.outcome(entry, E.SENDING)
        match FATES[self.n % len(FATES)]:
            case Fate.REFUSED:
                self.outcome(entry, E.REFUSED)
                rig.desk.apply_message(Command(verb=CommandVerb.RESUME))
                return
            case Fate.IN_DOUBT:
                self.outcome(entry, E.AMBIGUOUS)
            case Fate.CANCELLED:
                self.outcome(entry, E.ACCEPTED, venue_id)
                rig.tick(4)
                self.seen(entry, venue_id, VenueOrderStatus.CANCELED, 0)
                return
            case Fate.FILLED:
                self.outcome(entry, E.ACCEPTED, venue_id)
        await self.fill(entry, venue_id)
        (exit_,) = submitted(self.write(rig.quote("AAA", "989")))
        self.n += 1
        self.outcome(exit_, E.SENDING)
        self.outcome(exit_, E.ACCEPTED, f"V{self.n}")
        await self.fill(exit_, f"V{self.n}")

    async def fill(self, request: OrderRequest, venue_id: str) -> None:
        parts = (4, 6) if self.n % 3 else (10,)
        fills = tuple(self.rig.execution(request, q, "1000", venue_id) for q in parts)
        shown = self.order(request, venue_id, VenueOrderStatus.FILLED, 10)
        self.write(self.rig.desk.apply_message(
            AccountSnapshot(asked_at=self.rig.mono, orders=(shown,), fills=fills, positions=(), cash=D(0))
        ))  # fmt: skip

    def seen(self, request: OrderRequest, venue_id: str, status: VenueOrderStatus, filled: int) -> None:
        order = self.order(request, venue_id, status, filled)
        self.write(self.rig.desk.apply_message(OrderReport(order=order, mono=self.rig.mono)))

    def order(self, request: OrderRequest, venue_id: str, status: VenueOrderStatus, filled: int) -> Any:
        order = self.rig.venue_order(request, status, filled=filled)
        fields = {name: getattr(order, name) for name in order.__struct_fields__}
        return type(order)(**(fields | {"venue_order_id": venue_id}))


def counted() -> Counted:
    """Count what the process has open and waiting."""
    timers: Any = getattr(asyncio.get_running_loop(), "_scheduled", ())  # which uvloop does not show
    return Counted(len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks()), threading.active_count(), len(timers))


def resident() -> int:
    """Return the bytes of memory that the process holds, what it may give back given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def measure(orders: int, folder: Path) -> dict[str, Any]:
    """Trade `orders` orders after a warm-up; returns samples of (orders, bytes) and the counts before and after."""
    samples = []
    # The loop's own pool takes another thread whenever all of its threads are busy, which depends on the machine.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    async with Journal(folder, run="leaks", clock=ManualClock(OPEN)) as journal:
        day = Day(journal)
        store = SqliteStore(folder / "store.sqlite3", clock=WallClock())
        outbox = Outbox(store, journal.path, clock=WallClock(), tell=drop_event, charges_for=lambda _: lambda *_: D(1))
        journal.append("run", RunRecord(run_id="leaks", mode="paper", account="A1"), at=OPEN)
        journal.append("universe", InstrumentList(instruments=day.rig.universe.instruments), at=OPEN)
        for n in range(SAMPLES + 1):
            for _ in range(WARM // 200 if not n else max(orders // SAMPLES // 200, 1)):
                await day.trade(200)
                await day.settle()
                await outbox.feed_remaining()
            if not n:
                before = counted()
            samples.append((day.n, resident()))
        after = counted()
        assert outbox.rows_behind == 0
        await outbox.finish_and_close()
    return {"samples": samples, "before": before, "after": after, "kept": len(day.rig.desk.book.blotter.orders)}


if __name__ == "__main__":
    for owner, name, value in LOWERED:
        setattr(owner, name, value)
    sys.stdout.write(json.dumps(asyncio.run(measure(int(sys.argv[1]), Path(sys.argv[2])))))
