"""Runs the session of one seed and judges it: the entry point of the simulation."""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web_app
from websockets.asyncio import connection

from tradebot.checker.causes import unexplained_halts
from tradebot.checker.cover_promises import CoverDelay, follow_cover
from tradebot.checker.evidence import HALT_KINDS, read_evidence
from tradebot.checker.promises import judge_run
from tradebot.checker.run_records import RunRecords
from tradebot.checker.verdict import PromiseStatus
from tradebot.clock import MILLISECOND
from tradebot.errors import ConfigError
from tradebot.exchange.event_log import read_event_log
from tradebot.exchange.faults.catalogue import NEEDS_LOGIN
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.ops.events.event import Event
from tradebot.simulation.books_comparison import cash_difference
from tradebot.simulation.day_kind import DayKind
from tradebot.simulation.loop import SimulationStuck, VirtualLoop
from tradebot.simulation.process import CURRENT_PROCESS, Process
from tradebot.simulation.scenario import Scenario, draw_scenario
from tradebot.simulation.seeded_random import SeededRandom
from tradebot.simulation.session import EventSink, SimulatedSession
from tradebot.trading.order_sender import ACCESS_CONTROL
from tradebot.venues import registry
from tradebot.venues.adapter import VenueAdapter

MEMORY_DISK = Path("/dev/shm")  # a disk in memory: syncs take no time, and nothing of a session is kept
COLLECTIONS = 3  # garbage collections; a coroutine that resists the first is closed by a later one


class SeedOutcome(NamedTuple):
    """The outcome of a seed. `verdict` is ok, halted (safe, with a reason, no longer trading) or broken."""

    seed: int
    verdict: str
    trace: str
    orders: int
    fills: int
    faults: dict[str, int]
    halted: str | None
    why: tuple[str, ...] = ()  # reasons of a broken verdict
    kills: int = 0
    agreed_after_s: float = -1.0
    simulated_s: float = 0.0
    struck: tuple[str, ...] = ()  # the faults in the syntax of `--faults`, in the order they struck
    unexplained: bool = False  # halted without a cause in the table of causes
    kind: DayKind = DayKind.PLAIN
    covers: tuple[CoverDelay, ...] = ()  # of a day of stops: how long shares had none at the venue

    def as_json_object(self) -> dict[str, Any]:
        """Return the outcome as a JSON object."""
        shown = self._asdict()
        del shown["struck"], shown["kind"], shown["covers"]
        match self.kind:
            case DayKind.LOGINS:
                shown["has_logins"] = True  # its lines are older than the kinds
            case DayKind.STOPS:
                shown["kind"] = self.kind.value
                shown["stops"] = len(self.covers)
                shown["longest_uncovered_ms"] = max((c.delay_ns // MILLISECOND for c in self.covers), default=0)
        return shown | {"why": list(self.why)}


@lru_cache
def _uncached() -> None:
    pass


def ignore_event(at_s: float, event: Event) -> None:
    """Ignore an event."""


def run_seed(
    seed: int,
    *,
    kind: DayKind = DayKind.PLAIN,
    faults: str | None = None,
    on_event: EventSink = ignore_event,
    folder: Path | None = None,
    adapter: VenueAdapter | None = None,
) -> SeedOutcome:
    """Run the session of `seed` and return its outcome; the same seed gives the same outcome, to the last byte.

    Exchange and daemon speak the protocol of `adapter`, by default the first of the registry. `faults`, in the syntax
    of `--faults`, replace the seed's own; "" is none. On a day with logins a person logs in, and the seed's own faults
    end the token; on one of stops those of positions rest at the venue. `folder` keeps the records. Raises ConfigError
    for bad faults.
    """
    place = folder or Path(tempfile.mkdtemp(prefix="tradebot-", dir=MEMORY_DISK if MEMORY_DISK.is_dir() else None))
    try:
        with garbage_removed():
            scenario = draw_scenario(seed, kind)
            return _play(scenario, faults, on_event, place, adapter or registry.default_adapter())
    finally:
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)


def _play(
    scenario: Scenario, faults: str | None, on_event: EventSink, folder: Path, adapter: VenueAdapter
) -> SeedOutcome:
    dice = SeededRandom(scenario.seed, 0xD1CE)
    plan = _plan(scenario, faults if faults is not None else f"swarm,{scenario.extra_faults}")
    struck: list[str] = []
    plan.strike_listeners.append(lambda line: struck.append(f"{line['name']}:{line['where']}@{line['n']}"))
    with _machine(dice) as loop:
        session = SimulatedSession(
            scenario, plan, loop=loop, rng=dice, folder=folder, on_event=on_event, adapter=adapter
        )
        try:
            loop.run_until_complete(loop.spawn_process(Process("director"), session.run_session))
        except SimulationStuck as stuck:
            session.findings.record_failure(str(stuck))
        return _outcome(session, struck, loop.time())


def _plan(scenario: Scenario, faults: str) -> FaultPlan:
    seed, faulty_s = scenario.seed, scenario.faulty_s
    if not faults.strip():
        return FaultPlan((), seed=seed, until_s=faulty_s)
    plan = FaultPlan.parse(faults, seed, until_s=faulty_s)
    lasting = sorted({rule.kind.name for rule in plan.rules} & NEEDS_LOGIN)
    if lasting and scenario.logins is None:
        raise ConfigError(
            f"--faults: {lasting[0]} ends when a person logs in again, which only a day with --logins has"
        )
    return plan


@contextmanager
def _machine(rng: SeededRandom) -> Iterator[VirtualLoop]:
    """Provide the session's loop, and replace all sources of randomness outside it."""
    loop = VirtualLoop(rng)
    pings: Any = connection  # the module draws the payload of pings
    token_bytes, random = secrets.token_bytes, pings.random
    before = CURRENT_PROCESS.set(Process("kernel"))
    asyncio.set_event_loop(loop)
    secrets.token_bytes = lambda nbytes=32: rng.random_bytes(nbytes or 32)
    pings.random = rng
    try:
        yield loop
    finally:
        secrets.token_bytes, pings.random = token_bytes, random
        loop.abandon_loop()
        asyncio.set_event_loop(None)
        CURRENT_PROCESS.reset(before)


@contextmanager
def garbage_removed() -> Iterator[None]:
    """Collect what killed processes left. Their coroutines are closed here, with warnings about that suppressed."""
    hook, freeze, unfreeze = sys.unraisablehook, gc.freeze, gc.unfreeze
    disabled = logging.root.manager.disable
    thresholds, callbacks, interval = gc.get_threshold(), list(gc.callbacks), sys.getswitchinterval()
    # A daemon tunes the garbage collector of its process; a killed one never restores it.
    gc.freeze = gc.unfreeze = lambda: None
    gc.disable()
    try:
        yield
    finally:
        gc.freeze, gc.unfreeze = freeze, unfreeze
        gc.set_threshold(*thresholds)
        gc.callbacks[:] = callbacks
        sys.setswitchinterval(interval)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sys.unraisablehook = lambda _: None
            logging.disable(logging.CRITICAL)  # a server logs the end of a request that its process never answered
            # aiohttp caches the last thousand routes, and through them whole sessions.
            getattr(web_app, "_cached_build_middleware", _uncached).cache_clear()
            for _ in range(COLLECTIONS):
                gc.collect()
            logging.disable(disabled)
            sys.unraisablehook = hook
        gc.enable()


def _login_halts(records: RunRecords) -> list[str]:
    # No halt follows from a lost login: a new one is enough, without a resume.
    halts = (row for row in records.journal.rows if row.kind in HALT_KINDS)
    return [f"row {row.seq} halts for want of a login" for row in halts if row.body.get("control") == ACCESS_CONTROL]


def _outcome(session: SimulatedSession, struck: list[str], simulated_s: float) -> SeedOutcome:
    journal, log, tape, found = session.state_folders.journal_path, session.log_path, session.trace, session.findings
    kinds = Counter(line["kind"] for line in read_event_log(log))
    why = [found.failure] if found.failure else []
    trace, without_cause, covers = "", [], list[CoverDelay]()
    if journal.is_file():
        evidence = session.state_folders.folder / "trace.jsonl"
        tape.write_evidence(evidence, log)
        case = RunRecords(read_evidence(journal, against=log, trace=evidence))
        verdicts = judge_run(case)
        without_cause = unexplained_halts(case)
        why += [f"{v.promise}: {v.evidence}" for v in verdicts if v.status is PromiseStatus.BROKEN]
        if session.scenario.logins is not None:
            why += _login_halts(case)
        if session.scenario.stops is not None:
            covers = follow_cover(case).delays
        trace = tape.trace_digest(journal, log)
    else:
        why.append("there is no journal")
    why += [f"{tag} was sent {count} times" for tag, count in tape.create_counts.items() if count > 1]
    if found.comparison.is_agreed and (difference := cash_difference(journal, session.exchange)):
        why.append(difference)
    halted = "; ".join(found.comparison.halts) or found.comparison.ended
    if found.agreed_after_s < 0 and not halted:
        why.append(f"the books do not agree: {found.comparison}")
    return SeedOutcome(
        seed=session.scenario.seed,
        verdict="broken" if why else "halted" if halted else "ok",
        trace=trace,
        orders=sum(tape.create_counts.values()),
        fills=kinds["fill"],
        faults=dict(sorted(session.plan.strike_counts.items())),
        halted=halted or None,
        why=tuple(why),
        kills=found.kill_count,
        agreed_after_s=round(found.agreed_after_s, 3),
        simulated_s=round(simulated_s, 3),
        struck=tuple(struck),
        unexplained=bool(found.comparison.ended or without_cause) and bool(halted),
        kind=session.scenario.kind,
        covers=tuple(covers),
    )
