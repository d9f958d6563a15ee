"""The desk stage: messages into the desk one at a time; its facts to the journal, then the orders to execution."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from tradebot.clock import Clock
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import (
    AccountSnapshot,
    Cancel,
    ClockTick,
    Command,
    Incident,
    Modify,
    ReconciliationResult,
    Signals,
    Submit,
    TrailingStopPrices,
)
from tradebot.domain.order import OrderEvent
from tradebot.trading.desk.decisions import DeskOutput
from tradebot.trading.order_queue import OrderQueue
from tradebot.trading.order_sender import JournalAppender
from tradebot.trading.queues import StageQueues
from tradebot.trading.reconciliation_log import ReconciliationLog
from tradebot.trading.trading_desk import TradingDesk


class DeskStage:
    """Reads the desk's inbox. `beat` is called with each tick that came through."""

    def __init__(
        self,
        *,
        queues: StageQueues,
        desk: TradingDesk,
        clock: Clock,
        journal: JournalAppender,
        orders: OrderQueue,
        beat: Callable[[], None],
    ) -> None:
        self._lanes, self._desk, self._clock = queues, desk, clock
        self._journal, self._orders, self._beat = journal, orders, beat
        self._looks = ReconciliationLog(desk.account)
        self._commands: list[tuple[Command, asyncio.Event]] = []  # given from outside, not applied yet
        self._is_running = self._is_stopping = False

    async def take_first_tick(self) -> None:
        """Take the first tick of a start, before anything runs."""
        await self._route(
            self._desk.apply_message(ClockTick(at=self._clock.market_ns(), mono=self._clock.monotonic_ns()))
        )

    async def adopt_snapshot(self, books: AccountSnapshot) -> None:
        """Take the venue's books of a start; returns when what followed is on disk."""
        await self._route(self._desk.adopt_snapshot(books))
        await self._journal.wait_durable()

    def start_processing(self) -> None:
        """From here on `process_messages` reads the inbox, and commands go through it."""
        self._is_running = True

    def announce_stop(self) -> None:
        """Tell the desk that the run ends: every look at the books is evidence from now on."""
        self._is_stopping = True
        self._lanes.updates.put_or_fail(Command(verb=CommandVerb.STOP))

    async def execute_command(self, command: Command) -> None:
        """Give the desk a command; returns when it was applied and what followed from it is on disk."""
        if self._is_running:
            applied = asyncio.Event()
            self._commands.append((command, applied))
            self._lanes.updates.put_or_fail(command)
            await applied.wait()
        else:  # nobody reads the inbox yet; the desk is the caller's alone
            await self._route(self._desk.apply_message(command))
        await self._journal.wait_durable()

    async def process_messages(self) -> None:
        """Serve the inbox for ever."""
        inbox = self._lanes.desk_inbox
        async for message in inbox:
            await self._route(self._desk.apply_message(message))
            kind = type(message)
            if kind is Signals:
                inbox.end_time_slice()  # after a burst of them the loop would stand still
            elif kind is ClockTick:
                self._beat()
            elif kind is Command:
                for waiting in [w for w in self._commands if w[0] is message]:
                    self._commands.remove(waiting)
                    waiting[1].set()

    async def _route(self, outputs: Iterable[DeskOutput]) -> None:
        for output in outputs:
            match output:
                case Submit() | Modify() | Cancel():
                    await self._orders.enqueue_message(output)
                case OrderEvent():
                    self._journal.append("order", output, at=output.at)
                case ReconciliationResult():
                    if self._looks.needs_row(output, is_stopping=self._is_stopping):
                        self._journal.append("reconciled", output, at=output.at)
                case Command():
                    self._journal.append(output.verb.value, output, at=self._clock.market_ns())
                case TrailingStopPrices():
                    self._journal.append("trailing", output, at=output.at)
                case Incident():
                    self._journal.append("incident", output, at=output.at)
                case _:
                    raise AssertionError(f"nobody takes {type(output).__name__} from the desk")
