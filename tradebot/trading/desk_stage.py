"""The desk stage: gives the desk one message at a time, journals its events, then hands orders to the order sender."""

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
    LimitsReloaded,
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
    """Reads the desk's inbox. `beat()` is called after each tick."""

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
        self._queues, self._desk, self._clock = queues, desk, clock
        self._journal, self._orders, self._beat = journal, orders, beat
        self._reconciliation_log = ReconciliationLog(desk.account)
        self._commands: list[
            tuple[Command | LimitsReloaded, asyncio.Event]
        ] = []  # commands not applied yet, each with the event to set
        self._is_running = self._is_stopping = False

    async def take_first_tick(self) -> None:
        """Give the desk the first tick of a start, before any task runs."""
        await self._route(
            self._desk.apply_message(ClockTick(at=self._clock.market_ns(), mono=self._clock.monotonic_ns()))
        )

    async def adopt_snapshot(self, snapshot: AccountSnapshot) -> None:
        """Give the desk the account snapshot of a start. Returns once the rows that follow from it are on disk."""
        await self._route(self._desk.adopt_snapshot(snapshot))
        await self._journal.wait_durable()

    def start_processing(self) -> None:
        """Note that `process_messages` reads the inbox from now on: commands go through it."""
        self._is_running = True

    def announce_stop(self) -> None:
        """Tell the desk that the run ends. Every further reconciliation gets a row in the journal."""
        self._is_stopping = True
        self._queues.updates.put_or_fail(Command(verb=CommandVerb.STOP))

    async def execute_command(self, command: Command | LimitsReloaded) -> None:
        """Give the desk a command, or other limits.

        Returns once it is applied and the rows that follow from it are on disk.
        """
        if self._is_running:
            applied = asyncio.Event()
            self._commands.append((command, applied))
            self._queues.updates.put_or_fail(command)
            await applied.wait()
        else:  # no task reads the inbox yet, so the desk is the caller's alone
            await self._route(self._desk.apply_message(command))
        await self._journal.wait_durable()

    async def process_messages(self) -> None:
        """Process the messages of the desk's inbox for ever."""
        inbox = self._queues.desk_inbox
        async for message in inbox:
            await self._route(self._desk.apply_message(message))
            kind = type(message)
            if kind is Signals:
                inbox.end_time_slice()  # else a burst of signals would block the loop
            elif kind is ClockTick:
                self._beat()
            elif kind is Command or kind is LimitsReloaded:
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
                    if self._reconciliation_log.needs_row(output, is_stopping=self._is_stopping):
                        self._journal.append("reconciled", output, at=output.at)
                case Command():
                    self._journal.append(output.verb.value, output, at=self._clock.market_ns())
                case LimitsReloaded():
                    self._journal.append("limits", output, at=self._clock.market_ns())
                case TrailingStopPrices():
                    self._journal.append("trailing", output, at=output.at)
                case Incident():
                    self._journal.append("incident", output, at=output.at)
                case _:
                    raise AssertionError(f"nobody takes {type(output).__name__} from the desk")
