"""What a seed stands for: the symbols, the account, the faults and the kills of one session."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tradebot.clock import HOUR, from_iso
from tradebot.config import Config
from tradebot.config.keeping import StoreSection
from tradebot.config.sections import (
    AnalysisSection,
    AppSection,
    BarsSection,
    ExchangeSection,
    ExecutionSection,
    RiskSection,
    StrategySection,
)
from tradebot.exchange.account import Holding
from tradebot.markets.market import HOME
from tradebot.simulation import restless
from tradebot.simulation.dice import Dice

DAY = "2026-11-23"
BEGINS = from_iso(f"{DAY}T09:00:00", HOME.time)  # wall time of every session's begin
QUICK = 5.0, "5s"  # market seconds per second and the length of a bar: one closes every second
USUAL = 30.0, "1m"  # the shortest bar that the venue has a past of; one closes every two seconds
WARMED_UP = 0.15  # share of the seeds with USUAL bars and a past
SHARES = ("RELIANCE", "TCS", "INFY", "HDFCBANK", "SBIN", "ITC")
NOTIONALS = 10_000, 10_000, 100_000, 600_000  # the large ones are more than a book holds: they rest and fill in parts
WIDE, NARROW = Decimal("0.5"), Decimal("0.01")  # percent around the last price; within the narrow one orders rest
FAULTY_S = (18.0, 26.0)
KILLED = 0.4  # share of the seeds whose daemon is killed
EVENTS = (1, 1500)  # of the daemon, from the moment that a kill is decided until it falls
STOPPED, BAD_DISK, STEPPED, OPERATED = 0.15, 0.08, 0.1, 0.15  # shares of the seeds with what the names say
TIGHT = 0.2  # share of the seeds whose limits leave room for one symbol and a part of another
COUNTED, FEW_ORDERS = 0.1, (8, 24)  # share of the seeds that may send few orders a day, and how many
HELD = 0.3  # share of the symbols of which the owner has shares in the demat account
TRAILED, SELDOM = 0.06, 60  # share of the seeds whose positions only a trailing stop closes, and their exits beside
NIGHTS = 0.05  # share of the seeds over two days, of which the second, two days later, begins with null answers
FIRST_ANSWERS = "null-data:books@t+172800s"
PIPED = 0.05  # share of the seeds whose log nobody reads for a while, or any more
COMMITS = (5, 80)  # of the first life, until its disk fails
STEP = HOUR  # of the wall clock, there or back
OPERATOR_WAITS_S = (1.0, 6.0)  # from a halt or a flatten until the operator resumes


class Kill(NamedTuple):
    """An end of the daemon: SIGKILL `events` of it after `at_s`, with 0 events SIGTERM."""

    at_s: float
    events: int


class Act(NamedTuple):
    """What the operator asks for over the control socket."""

    at_s: float
    verb: str
    body: dict[str, str]


class Scenario(NamedTuple):
    """One session; the times count from its begin, in simulated seconds."""

    seed: int
    symbols: tuple[str, ...]
    faulty_s: float
    kills: tuple[Kill, ...]
    order_kind: Literal["MARKET", "LIMIT"]
    chase: Literal["cancel", "modify"]
    notional: int
    protection_pct: Decimal
    entries: int
    exits: int
    speed: float
    interval: str
    acts: tuple[Act, ...] = ()
    commits: int = 0  # of the first life, until its disk fails; 0 for never
    step: int = 0  # ns by which the wall clock is set, in the middle of the faults
    is_tight: bool = False
    orders_per_day: int = 2_000
    holdings: tuple[Holding, ...] = ()
    is_trailed: bool = False
    words: str = ""  # of faults beside the swarm
    night: Literal["", "stopped", "left"] = ""  # between two days, and what became of the daemon in the evening

    @property
    def halts_soon(self) -> bool:
        """True on every eighth day: fewer rejections halt than do by default, on the others hardly any do."""
        return self.seed % 8 == 7

    def config(self, state_dir: Path) -> Config:
        """Return the daemon's config; the exchange's part of it goes to the exchange."""
        params: dict[str, int | Decimal | bool | str] = {
            "seed": self.seed,
            "entries": self.entries,
            "exits": SELDOM if self.is_trailed else self.exits,
            "trails": self.is_trailed,
        }
        return Config(
            app=AppSection(symbols=self.symbols, state_dir=state_dir),
            exchange=ExchangeSection(seed=self.seed, speed=self.speed, day=DAY, cash=Decimal(5_000_000)),
            bars=BarsSection(interval=self.interval),
            analysis=AnalysisSection(workers=0, warmup_bars=5 if self.interval == USUAL[1] else 0),
            strategy=(StrategySection(name=f"{restless.__file__}:Restless", params=params),),
            execution=ExecutionSection(
                order_kind=self.order_kind, chase=self.chase, protection_pct=self.protection_pct
            ),
            risk=RiskSection(
                order_notional=Decimal(self.notional),
                max_order_quantity=50_000,
                max_order_notional=Decimal(1_000_000),
                max_position_notional=self.notional * Decimal("1.1") if self.is_tight else Decimal(1_200_000),
                max_gross_notional=self.notional * Decimal("1.6") if self.is_tight else Decimal(10_000_000),
                max_daily_loss=Decimal(2_000_000),
                max_open_orders=100,
                orders_per_minute=390,
                orders_per_day=self.orders_per_day,
                duplicate_window_s=0,
                max_rejects_in_a_row=2 if self.halts_soon else 50,
                max_rejects_per_minute=3 if self.halts_soon else 50,
                max_rejected_symbols=2 if self.halts_soon else 50,
                max_account_rejects_per_minute=4 if self.halts_soon else 50,
                max_crashes=0,  # it is killed on purpose, and no person looks why
            ),
            store=StoreSection(enabled=False),
        )


def draw(seed: int) -> Scenario:
    """Return the scenario of a seed."""
    dice = Dice(seed, 0x5CE)
    first = dice.whole(0, len(SHARES) - 1)
    symbols = tuple(SHARES[(first + i) % len(SHARES)] for i in range(dice.whole(2, 4)))
    faulty_s = dice.between(*FAULTY_S)
    kills = []
    if dice.happens(KILLED):
        at = dice.between(3.0, faulty_s)
        kills.append(Kill(at, dice.whole(*EVENTS)))
        if dice.happens(0.5):  # while it recovers, or a while later
            kills.append(Kill(at + dice.between(1.0, 8.0), dice.whole(*EVENTS)))
    if dice.happens(STOPPED):
        kills.append(Kill(dice.between(3.0, faulty_s), 0))
    speed, interval = USUAL if dice.happens(WARMED_UP) else QUICK
    return Scenario(
        seed=seed,
        symbols=symbols,
        faulty_s=faulty_s,
        kills=tuple(kills),
        order_kind="LIMIT" if dice.happens(0.3) else "MARKET",
        notional=NOTIONALS[dice.whole(0, len(NOTIONALS) - 1)],
        protection_pct=NARROW if dice.happens(0.4) else WIDE,
        chase="modify" if dice.happens(0.5) else "cancel",
        entries=dice.whole(500, 950),
        exits=dice.whole(400, 900),
        speed=speed,
        interval=interval,
        acts=_acts(dice, faulty_s, symbols) if dice.happens(OPERATED) else (),
        commits=dice.whole(*COMMITS) if dice.happens(BAD_DISK) else 0,
        step=(STEP if dice.happens(0.5) else -STEP) if dice.happens(STEPPED) else 0,
        is_tight=dice.happens(TIGHT),
        **_beside(Dice(seed, 0xB51DE), symbols, halts_soon=seed % 8 == 7),
    )


def _beside(dice: Dice, symbols: tuple[str, ...], *, halts_soon: bool) -> dict[str, Any]:
    # What was added later is drawn apart, so that the seeds of before stand for the same sessions.
    held = [symbol for symbol in symbols if dice.happens(HELD)]
    found = {
        "holdings": tuple(
            Holding(
                symbol=symbol,
                exchange=HOME.exchange,
                quantity=Decimal(dice.whole(1, 50)),
                average_price=Decimal(1_000),
                t1_quantity=Decimal(dice.whole(0, 5)),
            )
            for symbol in held
        ),
        "orders_per_day": dice.whole(*FEW_ORDERS) if dice.happens(COUNTED) else 2_000,
        "is_trailed": dice.happens(TRAILED),
        "words": f"host-pipe-{('full', 'closed')[dice.whole(0, 1)]}@{dice.whole(2, 15)}" if dice.happens(PIPED) else "",
    }
    return found if halts_soon else found | _night(dice)  # what is refused in the evening would halt it


def _night(dice: Dice) -> dict[str, Any]:
    if not dice.happens(NIGHTS):
        return {}
    return {"night": "stopped" if dice.happens(0.5) else "left", "words": FIRST_ANSWERS}


def _acts(dice: Dice, faulty_s: float, symbols: tuple[str, ...]) -> tuple[Act, ...]:
    at_s = dice.between(2.0, faulty_s)
    if dice.happens(0.5):
        act = Act(at_s, "flatten", {"id": "simulated", "reason": "the operator wants out"})
    else:
        scope = "all" if dice.happens(0.5) else f"symbol:{symbols[0]}"
        act = Act(at_s, "halt", {"scope": scope, "reason": "the operator looks"})
    return act, Act(at_s + dice.between(*OPERATOR_WAITS_S), "resume", {"scope": "all"})
