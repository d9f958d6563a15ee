"""What is left of a day: after a warm-up no order leaves memory behind, whatever becomes of it.

Real desk, gate, blotter, journal and narrator in virtual time; each order is entered, filled, sometimes in parts, in
doubt, refused or cancelled, and closed. The bounds are lowered to make the warm-up short. TRADEBOT_ORDERS=n: n orders.
"""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import tracemalloc
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from test_desk import OPEN, Room, submitted

from tradebot.clock import SECOND, ManualClock
from tradebot.domain.messages import Action, Books, Command, OrderSeen, SessionBegins
from tradebot.domain.order import OrderEvent, OrderFact, OrderRequest, VenueStatus
from tradebot.journal import schema
from tradebot.journal.writer import Journal
from tradebot.ops import narrator as narrator_file
from tradebot.ops.narrator import Narrator
from tradebot.stages import blotter as blotter_file
from tradebot.stages.gate import flow_controls

E, D = OrderEvent, Decimal
ORDERS = int(os.environ.get("TRADEBOT_ORDERS", "0")) or 2_000
WARM = 2_500  # more than every lowered bound, and than the orders of a day
LEFT_PER_ORDER = (1 << 20) / 100_000  # bytes: 1 MiB for 100,000 orders
pytestmark = pytest.mark.timeout(120 + ORDERS // 50)


def session(day: int) -> SessionBegins:
    """The same day again; nothing here knows dates, but a session that begins at another time begins a new profit."""
    return SessionBegins(
        opens_at=OPEN - day, closes_at=OPEN + 22_500 * SECOND, entries_until=OPEN + 20_000 * SECOND,
        square_off_at=OPEN + 21_000 * SECOND,
    )  # fmt: skip


class Day:
    """A desk that trades without end; every fact goes to a journal and into log lines that nobody reads."""

    def __init__(self, journal: Journal) -> None:
        self.room, self.journal, self.n, self.days, self.lines = Room(), journal, 0, 0, 0
        self.narrator = Narrator(self._tell)

    def _tell(self, event: str, **fields: Any) -> None:
        self.lines += 1

    def write(self, outputs: list[Any]) -> list[Any]:
        for output in outputs:
            if isinstance(output, OrderFact):
                seq = self.journal.append("order", output, at=output.at)
                self.narrator.on_durable([(seq, "order", output)])
        return outputs

    def outcome(self, request: OrderRequest, event: OrderEvent, venue_order_id: str = "") -> None:
        self.write(self.room.outcome(request, event, venue_order_id))

    async def trade(self, orders: int) -> None:
        """Trade at least `orders` orders, each to its end."""
        room, until = self.room, self.n + orders
        while self.n < until:
            room.tick(150)  # below the orders of a day that the gate allows
            if room.at > OPEN + 19_000 * SECOND:
                room.at, self.days = OPEN, self.days + 1
                room.desk.apply(session(self.days))
            room.quote("AAA", "1000")
            (entry,) = submitted(self.write(room.signal("AAA", Action.ENTER_LONG, n=self.n, stop_loss=990.0)))
            await self.live(entry)
            if self.n % 8 < 2:  # the writer keeps hold of the last group: a short one weighs little
                await self.journal.durable()

    async def settle(self) -> None:
        await self.journal.durable()
        gc.collect()

    async def live(self, entry: OrderRequest) -> None:
        room, self.n = self.room, self.n + 1
        venue_id = f"V{self.n}"
        self.outcome(entry, E.SENDING)
        match self.n % 8:
            case 0:
                self.outcome(entry, E.REFUSED)
                room.desk.apply(Command(verb="resume"))
                return
            case 1:  # in doubt, and found filled in the books
                self.outcome(entry, E.AMBIGUOUS)
            case 2:  # cancelled before anything filled
                self.outcome(entry, E.ACCEPTED, venue_id)
                room.tick(4)
                self.seen(entry, venue_id, VenueStatus.CANCELED, 0)
                return
            case _:
                self.outcome(entry, E.ACCEPTED, venue_id)
        await self.fill(entry, venue_id)
        (exit_,) = submitted(self.write(room.quote("AAA", "989")))
        self.n += 1
        self.outcome(exit_, E.SENDING)
        self.outcome(exit_, E.ACCEPTED, f"V{self.n}")
        await self.fill(exit_, f"V{self.n}")

    async def fill(self, request: OrderRequest, venue_id: str) -> None:
        parts = (4, 6) if self.n % 3 else (10,)
        executions = tuple(self.room.execution(request, q, "1000", venue_id) for q in parts)
        shown = self.order(request, venue_id, VenueStatus.FILLED, 10)
        self.write(self.room.desk.apply(
            Books(asked_at=self.room.mono, orders=(shown,), executions=executions, positions=(), cash=D(0))
        ))  # fmt: skip

    def seen(self, request: OrderRequest, venue_id: str, status: VenueStatus, filled: int) -> None:
        order = self.order(request, venue_id, status, filled)
        self.write(self.room.desk.apply(OrderSeen(order=order, mono=self.room.mono)))

    def order(self, request: OrderRequest, venue_id: str, status: VenueStatus, filled: int) -> Any:
        order = self.room.venue_order(request, status, filled=filled)
        fields = {name: getattr(order, name) for name in order.__struct_fields__}
        return type(order)(**(fields | {"venue_order_id": venue_id}))


async def test_orders_leave_no_memory_no_descriptor_no_task_and_no_thread_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blotter_file, "ENDED_KEPT", 300)
    monkeypatch.setattr(narrator_file, "REMEMBERED", 300)
    monkeypatch.setattr(flow_controls.NoDuplicate, "REMEMBERED", 300)
    monkeypatch.setattr(schema, "LOG_BYTES", 1 << 16)
    async with Journal(tmp_path, run="leaks", clock=ManualClock(OPEN)) as journal:
        day = Day(journal)
        tracemalloc.start()
        await day.trade(WARM)
        await day.settle()
        before = counted()
        held, orders = tracemalloc.get_traced_memory()[0], day.n
        await day.trade(ORDERS)
        await day.settle()
        slope = (tracemalloc.get_traced_memory()[0] - held) / (day.n - orders)
        tracemalloc.stop()
        assert counted() == before
    assert len(day.room.desk.blotter.orders) <= 301
    assert slope < LEFT_PER_ORDER + 30_000 / ORDERS, f"{slope:.1f} bytes stay for each order"


def counted() -> tuple[int, int, int]:
    """File descriptors, tasks and threads."""
    return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks()), threading.active_count()
