"""Play the session of one seed and judge it: the front of the simulation."""

from __future__ import annotations

import asyncio
import gc
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

from tradebot.checker.case import Case
from tradebot.checker.causes import unexplained
from tradebot.checker.evidence import gather
from tradebot.checker.promises import judge_case
from tradebot.checker.verdict import Ruling
from tradebot.exchange.event_log import read_log
from tradebot.exchange.faults.plan import FaultPlan
from tradebot.ops.events.event import Event
from tradebot.simulation.agreement import cash_difference
from tradebot.simulation.dice import Dice
from tradebot.simulation.loop import Stuck, VirtualLoop
from tradebot.simulation.process import PROCESS, Process
from tradebot.simulation.scenario import draw
from tradebot.simulation.session import Heard, Session
from tradebot.venues import registry
from tradebot.venues.room import Room

MEMORY = Path("/dev/shm")  # a disk in memory: syncing it takes no time, and nothing of a session is kept
SWEEPS = 3  # a coroutine that will not end is asked twice


class Outcome(NamedTuple):
    """What became of a seed. `verdict` is ok, halted (safe, with a reason, no longer trading) or broken."""

    seed: int
    verdict: str
    trace: str
    orders: int
    fills: int
    faults: dict[str, int]
    halted: str | None
    why: tuple[str, ...] = ()  # of a verdict that is not ok
    kills: int = 0
    agreed_after_s: float = -1.0
    simulated_s: float = 0.0
    struck: tuple[str, ...] = ()  # the faults as words of `--faults`, in the order they struck
    unexplained: bool = False  # it is halted, and the table of causes does not say why

    def render(self) -> dict[str, Any]:
        """Return the outcome as a JSON object."""
        shown = self._asdict()
        del shown["struck"]
        return shown | {"why": list(self.why)}


@lru_cache
def _uncached() -> None:
    pass


def silence(at_s: float, event: Event) -> None:
    """Drop what is told."""


def play(
    seed: int, *, faults: str | None = None, tell: Heard = silence, folder: Path | None = None, room: Room | None = None
) -> Outcome:
    """Play the session of `seed` and return its outcome; the same seed gives the same one, to the last byte.

    Exchange and daemon speak the protocol of `room`, by default the first of the registry, which knows it.
    `faults` in the words of `--faults` take the place of the seed's swarm; "" is none. `folder` keeps the records.
    Raises ConfigError for faults that cannot be read.
    """
    place = folder or Path(tempfile.mkdtemp(prefix="tradebot-", dir=MEMORY if MEMORY.is_dir() else None))
    try:
        with swept():
            return _play(seed, faults, tell, place, room or registry.first())
    finally:
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)


def _play(seed: int, faults: str | None, tell: Heard, folder: Path, room: Room) -> Outcome:
    scenario, dice = draw(seed), Dice(seed, 0xD1CE)
    plan = _plan(seed, faults if faults is not None else f"swarm,{scenario.words}", scenario.faulty_s)
    struck: list[str] = []
    plan.on_strike.append(lambda line: struck.append(f"{line['name']}:{line['where']}@{line['n']}"))
    with _machine(dice) as loop:
        session = Session(scenario, plan, loop=loop, dice=dice, folder=folder, tell=tell, room=room)
        try:
            loop.run_until_complete(loop.spawn(Process("director"), session.direct))
        except Stuck as stuck:
            session.found.fail(str(stuck))
        return _outcome(session, struck, loop.time())


def _plan(seed: int, faults: str, faulty_s: float) -> FaultPlan:
    if not faults.strip():
        return FaultPlan((), seed=seed, until_s=faulty_s)
    return FaultPlan.parse(faults, seed, until_s=faulty_s)


@contextmanager
def _machine(dice: Dice) -> Iterator[VirtualLoop]:
    """Give the session its loop, and take away what would differ between two runs."""
    loop = VirtualLoop(dice)
    pings: Any = connection  # their payload is drawn by its module
    token_bytes, random = secrets.token_bytes, pings.random
    before = PROCESS.set(Process("kernel"))
    asyncio.set_event_loop(loop)
    secrets.token_bytes = lambda nbytes=32: dice.token(nbytes or 32)
    pings.random = dice
    try:
        yield loop
    finally:
        secrets.token_bytes, pings.random = token_bytes, random
        loop.forget()
        asyncio.set_event_loop(None)
        PROCESS.reset(before)


@contextmanager
def swept() -> Iterator[None]:
    """Sweep up what killed processes left: their coroutines end here, and would complain that nobody finished them."""
    hook, freeze, unfreeze = sys.unraisablehook, gc.freeze, gc.unfreeze
    thresholds, callbacks, interval = gc.get_threshold(), list(gc.callbacks), sys.getswitchinterval()
    # A daemon settles the interpreter it runs in; one that is killed never gives it back.
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
            # aiohttp keeps the last thousand routes that were asked, and with them whole sessions.
            getattr(web_app, "_cached_build_middleware", _uncached).cache_clear()
            for _ in range(SWEEPS):
                gc.collect()
            sys.unraisablehook = hook
        gc.enable()


def _outcome(session: Session, struck: list[str], simulated_s: float) -> Outcome:
    journal, log, tape, found = session.files.journal, session.log, session.tape, session.found
    kinds = Counter(line["kind"] for line in read_log(log))
    why = [found.failure] if found.failure else []
    trace, without_cause = "", []
    if journal.is_file():
        evidence = session.files.folder / "trace.jsonl"
        tape.write_evidence(evidence, log)
        case = Case(gather(journal, against=log, trace=evidence))
        verdicts = judge_case(case)
        without_cause = unexplained(case)
        why += [f"{v.promise}: {v.evidence}" for v in verdicts if v.ruling is Ruling.BROKEN]
        trace = tape.trace(journal, log)
    else:
        why.append("there is no journal")
    why += [f"{tag} was sent {count} times" for tag, count in tape.creates.items() if count > 1]
    if found.agreement.is_whole and (difference := cash_difference(journal, session.exchange)):
        why.append(difference)
    halted = "; ".join(found.agreement.halts) or found.agreement.ended
    if found.agreed_after_s < 0 and not halted:
        why.append(f"the books do not agree: {found.agreement}")
    return Outcome(
        seed=session.scenario.seed,
        verdict="broken" if why else "halted" if halted else "ok",
        trace=trace,
        orders=sum(tape.creates.values()),
        fills=kinds["fill"],
        faults=dict(sorted(session.plan.strikes.items())),
        halted=halted or None,
        why=tuple(why),
        kills=found.kills,
        agreed_after_s=round(found.agreed_after_s, 3),
        simulated_s=round(simulated_s, 3),
        struck=tuple(struck),
        unexplained=bool(found.agreement.ended or without_cause) and bool(halted),
    )
