"""One session of a seed: exchange and daemon as processes on one virtual loop, faults, kills, healing, and the end.

    exchange ▶ daemon, killed and started again ▶ faults are over ▶ the books agree or it halted ▶ stop ▶ judgement

The daemon is `app.run` as it stands; only the machine below it is simulated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from tradebot.app import Options, run, run_id
from tradebot.clock import LoopClock
from tradebot.control.halt_file import HaltFile
from tradebot.daemon.embedded import embedded
from tradebot.errors import AccessDenied, TradebotError
from tradebot.exchange.door import SET_KEYS
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.faults.plan import FaultPlan
from tradebot.ops.events.bus import EventBus
from tradebot.ops.events.event import Event
from tradebot.ops.events.rehearsal import (
    BooksAgreed,
    BooksDisagreed,
    DaemonKilled,
    FaultsEnded,
    LifeEnded,
    NightFallen,
    OperatorActed,
)
from tradebot.ops.events.run import TradingStarted
from tradebot.ops.systemd import Notifier
from tradebot.simulation.agreement import Findings, compare
from tradebot.simulation.dice import Dice
from tradebot.simulation.disk import SimulatedHand
from tradebot.simulation.hands import Hands
from tradebot.simulation.lives import Lives, StateFolders
from tradebot.simulation.loop import VirtualLoop
from tradebot.simulation.night import CLOSED_S, EVENING, MORNING_S, QUIET_S, SQUARE_OFF_S, Night, close_day
from tradebot.simulation.output import SimulatedOutput
from tradebot.simulation.process import Process
from tradebot.simulation.scenario import BEGINS, Scenario
from tradebot.simulation.tape import Tape
from tradebot.venues.room import Room

POLL_S = 0.04  # how often the exchange looks at its clock
# How often the books are compared once the faults are over, and while in doubt; not in step with the bars, at whose
# closes orders are on their way.
LOOK_S, LONG_LOOK_S = 0.47, 1.43
AGREE_S = 60.0  # after the last fault, a kill among them, the books agree
STOP_S = 35.0
RESTART_S = (0.2, 3.0)
OPERATOR_S, OPERATOR_TRIES = 40.0, 30
LIVES = 40
LOG = "exchange.jsonl"
Heard = Callable[[float, Event], None]  # of an event and its simulated second
MEANT = ("token-death", "address-refused")  # faults with which a venue does refuse us: then no life begins


class Session:
    """One session in `folder`; after `direct` `found` says what became of it. What the records show is not judged."""

    def __init__(
        self, scenario: Scenario, plan: FaultPlan, *, loop: VirtualLoop, dice: Dice, folder: Path, tell: Heard,
        room: Room,
    ) -> None:  # fmt: skip
        self.scenario, self.plan = scenario, plan
        self._loop, self._dice = loop, dice
        self._heard = tell
        self.clock = LoopClock(loop, origin=BEGINS)
        self.tape = Tape(loop.network, room.marks)
        self._room = room
        self.exchange: Exchange
        self._addresses: dict[str, Any] = {}
        self.files = StateFolders(scenario, folder, loop)
        self.found = Findings()
        self._lives, self._night = Lives(), Night(loop)

    def _tell(self, event: Event) -> None:
        self._heard(self._loop.time(), event)

    @property
    def log(self) -> Path:
        return self.files.folder / LOG

    async def direct(self) -> None:
        """Play the session to its end."""
        loop, opened = self._loop, self._loop.create_future()
        over = asyncio.Event()
        trading = loop.spawn(Process("exchange"), lambda: self._exchange(opened, over))
        await opened
        supervising = loop.spawn(Process("supervisor"), self._supervise)
        operating = loop.spawn(Process("operator"), self._operate)
        hands = Hands(self.plan, self, self._dice, self._tell)
        handling = loop.spawn(Process("hands"), lambda: hands.work(lambda: self.plan.is_over))
        for kill in self.scenario.kills:
            loop.call_later(kill.at_s, self.end_daemon, kill.events)
        loop.call_later(self.scenario.faulty_s / 2, self._step_clock)
        if self.scenario.night:
            loop.spawn(Process("night"), self._pass_night)
        await self.clock.sleep(self.scenario.faulty_s)
        while not self.plan.is_over:
            await self.clock.sleep(LOOK_S)
        healed_at = self._loop.time()
        if self._lives.hand is not None:
            self._lives.hand.heal()
        self.found.troubled_at = max(self.found.troubled_at, healed_at)
        self._tell(FaultsEnded(struck=dict(self.plan.strikes)))
        await asyncio.wait((operating, handling), timeout=OPERATOR_S)
        for working in (operating, handling):
            if working.done():
                working.result()
        await self._agree(supervising)
        await self._stop(supervising)
        over.set()
        await asyncio.wait((trading,), timeout=STOP_S)
        if not trading.done():
            self.found.fail("the exchange did not end")
        else:
            trading.result()
        self._note_uncaught()

    async def _exchange(self, opened: asyncio.Future[None], over: asyncio.Event) -> None:
        def keep(exchange: Exchange) -> None:
            self.exchange = exchange

        seen_until, days = 0, 2 if self.scenario.night else 1
        for day in range(days):
            # The books go on, the token of yesterday does not.
            keys = msgspec.structs.replace(SET_KEYS, access_token=f"{SET_KEYS.access_token}{day or ''}")
            async with embedded(
                self.files.config, symbols=self.files.config.app.symbols, seen_until=seen_until, log=self.log,
                on_end=lambda _: None, faults=self.plan, tell=self._tell, wall=self.clock, poll_s=POLL_S, on_open=keep,
                keys=keys, holdings=self.scenario.holdings, room=self._room,
            ) as (addresses, clock):  # fmt: skip
                clock.release()
                self._addresses = addresses.render()
                if not day:
                    opened.set_result(None)
                if day == days - 1:
                    self._night.opened.set()
                await (over if day == days - 1 else self._night.evening).wait()
            seen_until = self.exchange.source.closes_at - 1
            if day < days - 1:
                await self.clock.sleep(CLOSED_S)

    async def _pass_night(self) -> None:
        """Let the evening come, the exchange close and open as another day, and the daemon start on that."""
        await self.clock.sleep(self.scenario.faulty_s * EVENING)
        # What is in doubt when the books of the day are gone stays so for ever: nobody who could tell is left.
        self.plan.is_paused = True
        await self.clock.sleep(QUIET_S)
        self._night.is_on = True
        if self.scenario.night == "stopped":
            self.end_daemon(0)
            await self.clock.sleep(SQUARE_OFF_S)
        close_day(self.exchange, self.scenario.symbols[0])
        await self.clock.sleep(SQUARE_OFF_S)
        self._tell(NightFallen(daemon=self.scenario.night))
        self._night.evening.set()
        await self._night.opened.wait()
        self.plan.is_paused = False
        await self.clock.sleep(MORNING_S)
        self.end_daemon(0)
        self.found.troubled_at = self._loop.time()
        self._night.end()

    # ---- the daemon's lives

    async def _supervise(self) -> None:
        """Start the daemon again whenever it is killed or could not go on, as a supervisor does."""
        lives, found = self._lives, self.found
        while True:
            if len(lives.processes) == LIVES:
                found.fail(f"the daemon was started {LIVES} times")
                return
            process = lives.begin()
            died = self._loop.create_future()
            process.on_death.append(lambda died=died: died.set_result(None))  # type: ignore[misc]
            main = self._loop.spawn(process, self._live)
            await asyncio.wait((main, died), return_when=asyncio.FIRST_COMPLETED)
            if not process.is_alive:
                found.kills += 1
                found.troubled_at = self._loop.time()
                self._tell(DaemonKilled(events=self._loop.turns))
                self.files.leave_crashed(len(lives.processes))
            elif (error := main.exception()) is not None:
                self._on_error(error)
            if not lives.is_over:
                await self.clock.sleep(self._dice.between(*RESTART_S))
            if self._night.is_on:
                await self._night.dawn.wait()
            if lives.is_over:
                return

    async def _live(self) -> dict[str, Any]:
        commits = self.scenario.commits if len(self._lives.processes) == 1 and not self.scenario.night else 0
        hand = SimulatedHand(self._loop, self._dice, self.tape.on_synced, commits=commits)
        output = SimulatedOutput(self._loop)
        self._lives.run_on(hand, output, self._addresses)
        bus = EventBus()
        bus.subscribe(self._lives.note_ready, TradingStarted)
        bus.subscribe(output.say)
        bus.subscribe(self._tell)
        options = Options(run_id=run_id(self.clock), exchange=self._addresses)
        return await run(self.files.config, options, bus=bus, notifier=Notifier({}), wall=self.clock, hand=hand)

    # ---- what hands can reach

    def end_daemon(self, events: int) -> None:
        """Kill the daemon `events` of it from now; with 0 ask it to stop."""
        daemon = self._lives.last
        if daemon is None or not daemon.is_alive or self._lives.is_over:
            return
        if events and self._is_calm:
            daemon.fuse = events
        else:
            self._lives.terminate()

    @property
    def is_resting(self) -> bool:
        """True in the night and early in the morning, when no person looks."""
        return self._night.is_resting

    @property
    def _is_calm(self) -> bool:
        # Who is killed on the evening of a night learns of nothing that its orders did then: no book has it any more.
        return not self.scenario.night or self._night.dawn.is_set()

    def break_disk(self, reason: str, *, slow_s: float = 0.0) -> None:
        """Let the next commit fail for `reason`, or all of some seconds take long."""
        if self._lives.hand is not None and slow_s:
            self._lives.hand.slow_down(slow_s)
        elif self._lives.hand is not None:
            self._lives.hand.fail(reason)

    def fill_disk(self, seconds: float) -> None:
        """Let the disk be full, and the journal's reserve used up some seconds later."""
        if self._lives.hand is not None:
            self._lives.hand.fill(seconds)

    def break_pipe(self, *, unread_s: float = 0.0) -> None:
        """Let nobody read the daemon's log for some seconds, or never again."""
        if self._lives.output is not None and unread_s:
            self._lives.output.stop_reading(unread_s)
        elif self._lives.output is not None:
            self._lives.output.leave()

    def hold_lock(self, seconds: float) -> None:
        """Let another process hold the lock of the next life for a while."""
        self.files.hold_lock(seconds)

    def halt_file(self) -> HaltFile:
        """Return the HALT file of the life that is."""
        return HaltFile(self.files.newest)

    def _step_clock(self) -> None:
        self.clock.origin += self.scenario.step

    async def _operate(self) -> None:
        for act in self.scenario.acts:
            await self.clock.sleep(max(act.at_s - self._loop.time(), 0))
            for _ in range(OPERATOR_TRIES):
                if await self.ask(act.verb, act.body) is not None:
                    self._tell(OperatorActed(verb=act.verb, body=act.body))
                    break
                await self.clock.sleep(1.0)

    def _on_error(self, error: BaseException) -> None:
        causes = list(_leaves(error))
        is_refused = any(map(self.plan.strikes.get, MEANT)) or self._lives.known is not self._addresses
        is_meant = is_refused and not self._lives.was_ready
        if any(isinstance(cause, AccessDenied) for cause in causes) and not is_meant:
            self.found.fail(f"the daemon ended for a refusal that means nothing: {causes[0]}")
        self._tell(LifeEnded(reason="; ".join(map(repr, causes))))
        if any(not isinstance(cause, TradebotError) for cause in causes):
            self.found.fail(f"the daemon raised {causes[0]!r}")
        self.found.agreement = self.found.agreement._replace(ended=str(causes[0]))

    # ---- the end

    async def _agree(self, supervising: asyncio.Task[Any]) -> None:
        found, agreed = self.found, 0
        passed = self._loop.time() - found.troubled_at
        while not supervising.done() and not found.failure:
            await self.clock.sleep(LONG_LOOK_S if found.agreement.in_doubt and passed > 5 else LOOK_S)
            passed = self._loop.time() - found.troubled_at
            if passed > AGREE_S:
                break
            picture = await self.ask("status")
            found.agreement = compare(picture, self.exchange)
            agreed = agreed + 1 if found.agreement.is_whole else 0
            if agreed == 2:
                found.agreed_after_s = passed
                self._tell(BooksAgreed(after_s=round(passed, 1)))
                return
        self._tell(BooksDisagreed(**found.agreement._asdict()))

    async def ask(self, verb: str, body: dict[str, str] | None = None) -> dict[str, Any] | None:
        """Return what the daemon answers on its control socket, None when nobody does or it refuses."""
        path = str(self.files.newest / "control.sock")
        with suppress(aiohttp.ClientError, OSError):
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(path, force_close=True)) as session,
                session.request(
                    "GET" if body is None else "POST", f"http://localhost/{verb}", json=body,
                    timeout=aiohttp.ClientTimeout(total=5),
                ) as answer,
            ):  # fmt: skip
                said: dict[str, Any] = await answer.json()
                return said if answer.status == 200 else None
        return None

    async def _stop(self, supervising: asyncio.Task[Any]) -> None:
        self._lives.is_over = True
        if self._lives.last is not None:
            self._lives.last.fuse = 0
        self._lives.terminate()
        await asyncio.wait((supervising,), timeout=STOP_S)
        if not supervising.done():
            self.found.fail(f"the daemon did not end {STOP_S:g} s after SIGTERM")

    def _note_uncaught(self) -> None:
        for fault in self._loop.faults:
            self.found.fail(f"nobody caught: {fault.get('message')} {fault.get('exception')!r}")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
