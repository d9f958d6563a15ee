"""One session of a seed: exchange and daemon as processes on one virtual loop, with faults and kills, up to the stop.

    exchange ▶ daemon, killed and restarted ▶ faults end ▶ the books agree, or it halted ▶ stop ▶ the checker's verdicts

The daemon is the real `app.run`; only the machine below it is simulated.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tradebot.app import RunOptions, run, run_id
from tradebot.clock import LoopClock
from tradebot.control.halt_file import HaltFile
from tradebot.daemon.venue.embedded_exchange import open_embedded_exchange
from tradebot.errors import AccessDenied, TradebotError
from tradebot.exchange.access import FIXED_KEYS
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.faults.fault_plan import FaultPlan
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
from tradebot.ops.events.run import ConfigReloaded, ProcessSignalIgnored, ReloadRefused, TradingStarted
from tradebot.ops.systemd import Notifier
from tradebot.simulation.books_comparison import SessionFindings, compare_books
from tradebot.simulation.config_edits import EDITS_FAULT
from tradebot.simulation.control_request import ask_control_socket
from tradebot.simulation.daemon_processes import DaemonProcesses, StateFolders, leaf_errors
from tradebot.simulation.disk import SimulatedDiskWriter
from tradebot.simulation.loop import VirtualLoop
from tradebot.simulation.machine_faults import RESUME_TRIES, MachineFaults
from tradebot.simulation.night import (
    CLOSED_S,
    EVENING_SHARE,
    MORNING_S,
    MORNING_WITH_LOGIN_S,
    QUIET_S,
    SQUARE_OFF_S,
    Night,
    close_exchange_day,
)
from tradebot.simulation.output import SimulatedOutput
from tradebot.simulation.person import PERSON_STREAM, LoginPages, Person
from tradebot.simulation.process import Process
from tradebot.simulation.scenario import BEGINS_AT, Scenario
from tradebot.simulation.seeded_random import SeededRandom
from tradebot.simulation.session_trace import SessionTrace
from tradebot.venues.adapter import VenueAdapter

POLL_S = 0.04  # how often the exchange reads its clock
# How often the books of daemon and exchange are compared after the faults: usually, and while an order is UNKNOWN. Not
# a multiple of the bar, because orders are in transit when a bar closes.
COMPARE_S, COMPARE_IN_DOUBT_S = 0.47, 1.43
AGREE_WITHIN_S = 60.0  # the books agree within this time of the last fault or kill
STOP_WITHIN_S = 35.0
RESTART_S = (0.2, 3.0)
OPERATOR_WITHIN_S, OPERATOR_TRIES = 40.0, 30
SETTLE_TRIES = 100  # once a second, before the night of a day of stops
# Of a day on which a person logs in: an operator is patient until then, and the daemon asks for no login for ever.
LOGIN_WITHIN_S = 1_500.0
# And an answer that confirmed an order which a dead token kept out is doubted from the first lists after the login on.
AGREE_AFTER_LOGIN_S = 75.0
MAX_PROCESSES = 40
LOG_NAME = "exchange.jsonl"
EventSink = Callable[[float, Event], None]  # called with the simulated second and the event
ACCESS_FAULTS = ("token-death", "address-refused")  # faults with which the venue refuses access: a start may then fail


class SimulatedSession:
    """One session in `folder`; `findings` has its result after `run_session`. The records are not judged here."""

    def __init__(
        self, scenario: Scenario, plan: FaultPlan, *, loop: VirtualLoop, rng: SeededRandom, folder: Path,
        on_event: EventSink, adapter: VenueAdapter,
    ) -> None:  # fmt: skip
        self.scenario, self.plan = scenario, plan
        self._loop, self._rng, self._on_event, self._adapter = loop, rng, on_event, adapter
        self.clock = LoopClock(loop, wall_offset_ns=BEGINS_AT)
        self.trace = SessionTrace(loop.network, adapter.write_patterns)
        self.exchange: Exchange
        self._addresses: dict[str, Any] = {}
        self.state_folders = StateFolders(scenario, folder, loop)
        self.findings = SessionFindings()
        self._processes, self._night = DaemonProcesses(), Night(loop)
        self._person: Person | None = None
        if (logins := scenario.logins) is not None:
            own = SeededRandom(scenario.seed, PERSON_STREAM)
            login_route = LoginPages.of_venue(adapter, self.state_folders.config)
            self._person = Person(self, login_route, own, longest_delay_s=logins.longest_delay_s, tell=self._tell)

    def _tell(self, event: Event) -> None:
        self._on_event(self._loop.time(), event)

    @property
    def log_path(self) -> Path:
        """The log of the exchange."""
        return self.state_folders.folder / LOG_NAME

    async def run_session(self) -> None:
        """Run the session to its end."""
        loop, opened = self._loop, self._loop.create_future()
        over = asyncio.Event()
        trading = loop.spawn_process(Process("exchange"), lambda: self._exchange(opened, over))
        await opened
        supervising = loop.spawn_process(Process("supervisor"), self._supervise)
        operating = loop.spawn_process(Process("operator"), self._operate)
        attending: asyncio.Task[Any] | None = None
        if self._person is not None:
            attending = loop.spawn_process(Process("person"), self._person.attend)
        patience_s = OPERATOR_WITHIN_S if self._person is None else LOGIN_WITHIN_S
        tries = RESUME_TRIES if self._person is None else int(LOGIN_WITHIN_S)
        hands = MachineFaults(self.plan, self, self._rng, self._tell, resume_tries=tries)
        handling = loop.spawn_process(Process("hands"), lambda: hands.act_until(lambda: self.plan.is_over))
        for kill in self.scenario.kills:
            loop.call_later(kill.at_s, self.end_daemon, kill.events)
        loop.call_later(self.scenario.faulty_s / 2, self._step_clock)
        if self.scenario.night:
            loop.spawn_process(Process("night"), self._pass_night)
        await self.clock.sleep(self.scenario.faulty_s)
        while not self.plan.is_over:
            await self.clock.sleep(COMPARE_S)
        if self.scenario.night:
            await self._night.dawn.wait()  # a login before it may take long
        healed_at = self._loop.time()
        if self._processes.disk_writer is not None:
            self._processes.disk_writer.clear_faults()
        self.findings.last_trouble_s = max(self.findings.last_trouble_s, healed_at)
        self._tell(FaultsEnded(struck=dict(self.plan.strike_counts)))
        await asyncio.wait((operating, handling), timeout=patience_s)
        for working in (operating, handling):
            if working.done():
                working.result()
        if self._person is not None:
            self.findings.last_trouble_s = self._loop.time()  # its operators waited for a login as well
        await self._await_agreement(supervising)
        if attending is not None and attending.done():
            attending.result()
        await self._stop(supervising)
        over.set()
        await asyncio.wait((trading,), timeout=STOP_WITHIN_S)
        if not trading.done():
            self.findings.record_failure("the exchange did not end")
        else:
            trading.result()
        self._note_uncaught()

    async def _exchange(self, opened: asyncio.Future[None], over: asyncio.Event) -> None:
        def keep(exchange: Exchange) -> None:
            self.exchange = exchange

        seen_until, days = 0, 2 if self.scenario.night else 1
        for day in range(days):
            # The exchange's account continues on the next day; the access token does not.
            token = f"{FIXED_KEYS.access_token}{day or ''}" if self._begins_logged_in(day) else ""
            keys = msgspec.structs.replace(FIXED_KEYS, access_token=token)
            async with open_embedded_exchange(
                self.state_folders.config, symbols=self.state_folders.config.app.symbols, seen_until=seen_until,
                log=self.log_path, on_end=lambda _: None, faults=self.plan, tell=self._tell, wall=self.clock,
                poll_s=POLL_S, on_open=keep,
                keys=keys, app=None if self._person is None else self._person.app,
                holdings=self.scenario.holdings, adapter=self._adapter,
            ) as (addresses, clock):  # fmt: skip
                clock.start_market()
                self._addresses = addresses.to_json()
                if not day:
                    opened.set_result(None)
                if day == days - 1:
                    self._night.opened.set()
                await (over if day == days - 1 else self._night.evening).wait()
            seen_until = self.exchange.source.closes_at - 1
            if day < days - 1:
                await self.clock.sleep(CLOSED_S)

    def _begins_logged_in(self, day: int) -> bool:
        # On a day with logins only the person gets a token of the second day.
        return self.scenario.logins is None or (self.scenario.logins.begins_logged_in and not day)

    async def _pass_night(self) -> None:
        """End the day, close the exchange and open it on another day, and restart the daemon on that day."""
        await self.clock.sleep(self.scenario.faulty_s * EVENING_SHARE)
        # An order that is UNKNOWN when the day's lists are gone stays so for ever, because nothing can show its fate.
        self.plan.is_paused = True
        if self._person is not None:
            await self._person.await_login(LOGIN_WITHIN_S)  # for the same reason
        await self.clock.sleep(QUIET_S)
        if self.scenario.stops is not None:
            await self._await_settled()  # for the same reason: a stop may fill while no daemon runs
        self._night.is_on = True
        if self.scenario.night == "stopped":
            self.end_daemon(0)
            await self.clock.sleep(SQUARE_OFF_S)
        close_exchange_day(self.exchange, self.scenario.symbols[0])
        await self.clock.sleep(SQUARE_OFF_S)
        self._tell(NightFallen(daemon=self.scenario.night))
        self._night.evening.set()
        await self._night.opened.wait()
        self.plan.is_paused = False
        await self.clock.sleep(MORNING_S if self._person is None else MORNING_WITH_LOGIN_S)
        self.end_daemon(0)
        self.findings.last_trouble_s = self._loop.time()
        self._night.end_night()

    async def _await_settled(self) -> None:
        for _ in range(SETTLE_TRIES):
            if compare_books(await self.ask_daemon("status"), self.exchange).is_agreed:
                return
            await self.clock.sleep(1.0)

    # ---- the daemon's processes

    async def _supervise(self) -> None:
        """Restart the daemon whenever it was killed or ended by itself, as a supervisor does."""
        daemons, found = self._processes, self.findings
        while True:
            if len(daemons.processes) == MAX_PROCESSES:
                found.record_failure(f"the daemon was started {MAX_PROCESSES} times")
                return
            process = daemons.new_process()
            died = self._loop.create_future()
            process.on_death.append(lambda died=died: died.set_result(None))  # type: ignore[misc]
            main = self._loop.spawn_process(process, self._run_daemon)
            await asyncio.wait((main, died), return_when=asyncio.FIRST_COMPLETED)
            if not process.is_alive:
                found.kill_count += 1
                found.last_trouble_s = self._loop.time()
                self._tell(DaemonKilled(events=self._loop.callback_count))
                self.state_folders.copy_after_crash(len(daemons.processes))
            elif (error := main.exception()) is not None:
                self._on_error(error)
            if not daemons.is_final:
                await self.clock.sleep(self._rng.float_between(*RESTART_S))
            if self._night.is_on:
                await self._night.dawn.wait()
            if daemons.is_final:
                return

    async def _run_daemon(self) -> dict[str, Any]:
        commits = (
            self.scenario.commits_until_failure
            if len(self._processes.processes) == 1 and not self.scenario.night
            else 0
        )
        disk_writer = SimulatedDiskWriter(self._loop, self._rng, self.trace.on_synced, commits_until_failure=commits)
        output = SimulatedOutput(self._loop)
        self._processes.attach_devices(disk_writer, output, self._addresses)
        bus = EventBus()
        bus.subscribe(self._processes.note_ready, TradingStarted)
        bus.subscribe(output.write_event)
        bus.subscribe(self._tell)
        folders = self.state_folders
        folders.note_log_level(folders.config.log.level)
        bus.subscribe(folders.note_answer, ConfigReloaded, ReloadRefused, ProcessSignalIgnored)
        # Without a config to read the daemon has one task less: days without edits stay as they were.
        is_edited = any(rule.kind.name == EDITS_FAULT for rule in self.plan.rules)
        options = RunOptions(
            run_id=run_id(self.clock),
            exchange=self._addresses,
            has_login=self._person is not None,
            read_config=folders.read_config if is_edited else None,
            set_log_level=folders.note_log_level,
        )
        return await run(
            folders.config, options, bus=bus, notifier=Notifier({}), wall_clock=self.clock, write_thread=disk_writer
        )

    # ---- what MachineFaults acts on

    def end_daemon(self, events: int) -> None:
        """Kill the daemon after `events` more of its callbacks; with 0, or before a night, send SIGTERM."""
        daemon = self._processes.last_process
        if daemon is None or not daemon.is_alive or self._processes.is_final:
            return
        if events and self._is_calm:
            daemon.events_until_kill = events
        else:
            self._processes.signal_last()

    def hang_up(self) -> None:
        """Send SIGHUP to the daemon if it handles the signal."""
        self._processes.signal_last(signal.SIGHUP)

    @property
    def is_unattended(self) -> bool:
        """True at night and early in the morning, when no operator is present."""
        return self._night.is_unattended

    @property
    def _is_calm(self) -> bool:
        # A daemon killed before the night never learns what its orders did then: the lists of the day are gone.
        return not self.scenario.night or self._night.dawn.is_set()

    def break_disk(self, reason: str, *, slow_s: float = 0.0) -> None:
        """Make the next commit fail with `reason`, or with `slow_s` make all commits slow for that time."""
        if self._processes.disk_writer is not None and slow_s:
            self._processes.disk_writer.slow_commits(slow_s)
        elif self._processes.disk_writer is not None:
            self._processes.disk_writer.fail_next_commit(reason)

    def fill_disk(self, seconds: float) -> None:
        """Report a full disk, with the journal's reserve used up after `seconds`."""
        if self._processes.disk_writer is not None:
            self._processes.disk_writer.become_full(seconds)

    def break_pipe(self, *, unread_s: float = 0.0) -> None:
        """Stop reading the daemon's log for `unread_s` seconds, or with 0 close the pipe for good."""
        if self._processes.output is not None and unread_s:
            self._processes.output.stop_reading(unread_s)
        elif self._processes.output is not None:
            self._processes.output.close_reader()

    def hold_lock(self, seconds: float) -> None:
        """Let another process hold the state lock for `seconds` at the daemon's next start."""
        self.state_folders.hold_lock(seconds)

    def halt_file(self) -> HaltFile:
        """Return the HALT file of the current state folder."""
        return HaltFile(self.state_folders.newest_folder)

    def _step_clock(self) -> None:
        self.clock.wall_offset_ns += self.scenario.clock_step_ns

    async def _operate(self) -> None:
        for act in self.scenario.operator_actions:
            await self.clock.sleep(max(act.at_s - self._loop.time(), 0))
            for _ in range(OPERATOR_TRIES if self._person is None else int(LOGIN_WITHIN_S)):
                if await self.ask_daemon(act.verb, act.body) is not None:
                    self._tell(OperatorActed(verb=act.verb, body=act.body))
                    break
                await self.clock.sleep(1.0)

    def _on_error(self, error: BaseException) -> None:
        causes = list(leaf_errors(error))
        # A person who logs in late is waited for, and no refusal of a token ends a start.
        is_refused = self._person is None and (
            any(map(self.plan.strike_counts.get, ACCESS_FAULTS))
            or self._processes.known_addresses is not self._addresses
        )
        # A start may fail while access is refused, or with addresses and a token of the day before.
        is_expected = is_refused and not self._processes.was_ready
        if any(isinstance(cause, AccessDenied) for cause in causes) and not is_expected:
            self.findings.record_failure(f"the daemon ended for a refusal that means nothing: {causes[0]}")
        self._tell(LifeEnded(reason="; ".join(map(repr, causes))))
        if any(not isinstance(cause, TradebotError) for cause in causes):
            self.findings.record_failure(f"the daemon raised {causes[0]!r}")
        self.findings.comparison = self.findings.comparison._replace(ended=str(causes[0]))

    # ---- the end

    async def _await_agreement(self, supervising: asyncio.Task[Any]) -> None:
        found, agreed = self.findings, 0
        passed = self._loop.time() - found.last_trouble_s
        begun_s = self._loop.time()
        while not supervising.done() and not found.failure:
            await self.clock.sleep(COMPARE_IN_DOUBT_S if found.comparison.in_doubt and passed > 5 else COMPARE_S)
            if self._person is not None and self._person.is_awaited:
                found.last_trouble_s = self._loop.time()
                if self._loop.time() - begun_s > LOGIN_WITHIN_S:
                    found.record_failure(f"{LOGIN_WITHIN_S:g} s after the faults the daemon still asks for a login")
            passed = self._loop.time() - found.last_trouble_s
            if passed > (AGREE_WITHIN_S if self._person is None else AGREE_AFTER_LOGIN_S):
                break
            status = await self.ask_daemon("status")
            found.comparison = compare_books(status, self.exchange)
            agreed = agreed + 1 if found.comparison.is_agreed else 0
            if agreed == 2:
                found.agreed_after_s = passed
                self._tell(BooksAgreed(after_s=round(passed, 1)))
                return
        self._tell(BooksDisagreed(**found.comparison._asdict()))

    async def ask_daemon(self, verb: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Return the daemon's answer on its control socket, None without one or where it refuses."""
        return await ask_control_socket(self.state_folders.newest_folder, verb, body)

    async def _stop(self, supervising: asyncio.Task[Any]) -> None:
        self._processes.is_final = True
        if self._processes.last_process is not None:
            self._processes.last_process.events_until_kill = 0
        self._processes.signal_last()
        await asyncio.wait((supervising,), timeout=STOP_WITHIN_S)
        if not supervising.done():
            self.findings.record_failure(f"the daemon did not end {STOP_WITHIN_S:g} s after SIGTERM")

    def _note_uncaught(self) -> None:
        for fault in self._loop.uncaught_errors:
            self.findings.record_failure(f"nobody caught: {fault.get('message')} {fault.get('exception')!r}")
