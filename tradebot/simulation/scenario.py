"""The scenario of a seed: symbols, account, faults and kills of one session."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tradebot.clock import HOUR, parse_iso
from tradebot.config import Config
from tradebot.config.protection_section import ProtectionSection
from tradebot.config.sections import (
    AnalysisSection,
    AppSection,
    BarsSection,
    ExchangeSection,
    ExecutionSection,
    RiskSection,
    StrategySection,
)
from tradebot.config.storage_sections import StoreSection
from tradebot.exchange.account import DematHolding
from tradebot.markets.market import HOME_MARKET
from tradebot.simulation import guarded_trades, restless
from tradebot.simulation.day_kind import DayKind
from tradebot.simulation.login_day import LoginDay, draw_login_day
from tradebot.simulation.seeded_random import SeededRandom
from tradebot.simulation.stop_day import StopDay, draw_stop_day

SESSION_DAY = "2026-11-23"
BEGINS_AT = parse_iso(f"{SESSION_DAY}T09:00:00", HOME_MARKET.tzinfo)  # start of every session, wall ns
QUICK_PACE = 5.0, "5s"  # (market seconds per second, bar length): a bar closes every second
USUAL_PACE = 30.0, "1m"  # the shortest bar with history at the venue; one closes every two seconds
WARM_UP_SHARE = 0.15  # share of the seeds with USUAL_PACE and a warm-up
SYMBOLS = ("RELIANCE", "TCS", "INFY", "HDFCBANK", "SBIN", "ITC")
NOTIONALS = 10_000, 10_000, 100_000, 600_000  # the large ones exceed the order book: they rest and fill in parts
WIDE_PCT, NARROW_PCT = Decimal("0.5"), Decimal("0.01")  # percent around the last price; with the narrow one orders rest
FAULTY_S = (18.0, 26.0)
KILLED_SHARE = 0.4  # share of the seeds whose daemon is killed
KILL_AFTER_EVENTS = (1, 1500)  # callbacks of the daemon from the decision to kill until the kill
STOPPED_SHARE, BAD_DISK_SHARE, CLOCK_STEP_SHARE, OPERATED_SHARE = 0.15, 0.08, 0.1, 0.15  # shares of the seeds
TIGHT_LIMITS_SHARE = 0.2  # share of the seeds whose limits allow one symbol and a part of another
FEW_ORDERS_SHARE, FEW_ORDERS = 0.1, (8, 24)  # share of the seeds with few orders a day, and how many
HELD_SHARE = 0.3  # share of the symbols with shares in the demat account
TRAILED_SHARE, RARE_EXITS = 0.06, 60  # share of the seeds with trailing stops, and their signalled exits per 1000 bars
NIGHT_SHARE = 0.05  # share of the seeds over two days; the second is two days later and begins with null answers
FIRST_ANSWERS = "null-data:books@t+172800s"
BROKEN_PIPE_SHARE = 0.05  # share of the seeds whose log is not read for some time, or never again
COMMITS_UNTIL_FAILURE = (5, 80)  # commits of the first process until its disk fails
DEFAULT_PER_SECOND: int = RiskSection().orders_per_second
CLOCK_STEP_NS = HOUR  # step of the wall clock, forward or back, ns
OPERATOR_WAITS_S = (1.0, 6.0)  # from a halt or a flatten until the operator resumes


class ScheduledKill(NamedTuple):
    """An end of the daemon: at `at_s` SIGKILL after `events` more callbacks, or with 0 events SIGTERM."""

    at_s: float
    events: int


class OperatorAction(NamedTuple):
    """A request of the operator over the control socket, `at_s` seconds after the begin."""

    at_s: float
    verb: str
    body: dict[str, str]


class Scenario(NamedTuple):
    """One session; times are simulated seconds from its begin."""

    seed: int
    symbols: tuple[str, ...]
    faulty_s: float
    kills: tuple[ScheduledKill, ...]
    order_kind: Literal["MARKET", "LIMIT"]
    chase: Literal["cancel", "modify"]
    notional: int
    protection_pct: Decimal
    entries: int
    exits: int
    speed: float
    interval: str
    operator_actions: tuple[OperatorAction, ...] = ()
    commits_until_failure: int = 0  # of the first process, until its disk fails; 0 for never
    clock_step_ns: int = 0  # step of the wall clock in the middle of the faults
    has_tight_limits: bool = False
    orders_per_day: int = 2_000
    holdings: tuple[DematHolding, ...] = ()
    has_trailing_stops: bool = False
    extra_faults: str = ""  # in the syntax of `--faults`, beside the random ones
    night: Literal["", "stopped", "left"] = ""  # two days if set; the daemon is stopped or left running in the evening
    logins: LoginDay | None = None  # set where a person logs in
    stops: StopDay | None = None  # set where the stops of positions rest at the venue

    @property
    def kind(self) -> DayKind:
        """The kind of the day."""
        if self.stops is not None:
            return DayKind.STOPS
        return DayKind.PLAIN if self.logins is None else DayKind.LOGINS

    @property
    def halts_soon(self) -> bool:
        """True for every eighth seed: fewer rejections halt than by default; for the others almost none do."""
        return self.seed % 8 == 7

    def daemon_config(self, state_dir: Path) -> Config:
        """Return the daemon's config; its exchange section configures the exchange."""
        params: dict[str, int | Decimal | bool | str] = {
            "seed": self.seed,
            "entries": self.entries,
            "exits": RARE_EXITS if self.has_trailing_stops else self.exits,
            "trails": self.has_trailing_stops,
        }
        strategy, protection = f"{restless.__file__}:Restless", ProtectionSection()
        per_second, per_minute = DEFAULT_PER_SECOND, 390
        if (stops := self.stops) is not None:
            strategy = f"{guarded_trades.__file__}:GuardedTrades"
            params |= {"guarded": stops.guarded}
            protection = ProtectionSection(
                resting_stops="always",
                on_refusal=stops.on_refusal,
                trail_every_s=stops.trail_every_s,
                trail_step_pct=stops.trail_step_pct,
            )
            if stops.order_limits is not None:
                per_second, per_minute = stops.order_limits
        return Config(
            app=AppSection(symbols=self.symbols, state_dir=state_dir),
            exchange=ExchangeSection(seed=self.seed, speed=self.speed, day=SESSION_DAY, cash=Decimal(5_000_000)),
            bars=BarsSection(interval=self.interval),
            analysis=AnalysisSection(workers=0, warmup_bars=5 if self.interval == USUAL_PACE[1] else 0),
            strategy=(StrategySection(name=strategy, params=params),),
            execution=ExecutionSection(
                order_kind=self.order_kind, chase=self.chase, protection_pct=self.protection_pct
            ),
            protection=protection,
            risk=RiskSection(
                order_notional=Decimal(self.notional),
                max_order_quantity=50_000,
                max_order_notional=Decimal(1_000_000),
                max_position_notional=self.notional * Decimal("1.1") if self.has_tight_limits else Decimal(1_200_000),
                max_gross_notional=self.notional * Decimal("1.6") if self.has_tight_limits else Decimal(10_000_000),
                max_daily_loss=Decimal(2_000_000),
                max_open_orders=100,
                orders_per_second=per_second,
                orders_per_minute=per_minute,
                orders_per_day=self.orders_per_day,
                duplicate_window_s=0,
                max_rejects_in_a_row=2 if self.halts_soon else 50,
                max_rejects_per_minute=3 if self.halts_soon else 50,
                max_rejected_symbols=2 if self.halts_soon else 50,
                max_account_rejects_per_minute=4 if self.halts_soon else 50,
                max_crashes=0,  # it is killed on purpose, and no operator clears a crash loop
            ),
            store=StoreSection(enabled=False),
        )


def draw_scenario(seed: int, kind: DayKind = DayKind.PLAIN) -> Scenario:
    """Return the scenario of a seed: of another kind than plain the same one, with more in it."""
    drawn = _draw_scenario(seed)
    match kind:
        case DayKind.LOGINS:
            return _with_logins(drawn)
        case DayKind.STOPS:
            return _with_stops(drawn)
    return drawn


def _with_logins(drawn: Scenario) -> Scenario:
    logins = draw_login_day(drawn.seed, speed=drawn.speed, faulty_s=drawn.faulty_s, has_night=bool(drawn.night))
    if logins.has_night:
        drawn = _with_night(drawn)
    faults = ",".join(filter(None, (drawn.extra_faults, logins.faults)))
    return drawn._replace(faulty_s=drawn.faulty_s + logins.added_s, extra_faults=faults, logins=logins)


def _with_stops(drawn: Scenario) -> Scenario:
    stops = draw_stop_day(drawn.seed)
    if stops.has_night:
        drawn = _with_night(drawn)
    if drawn.night:  # a stop that outlives its daemon may fill then, and no list of another day tells
        drawn = drawn._replace(night="left")
    faulty_s = drawn.faulty_s + stops.added_s
    more = (ScheduledKill(stops.killed_at * faulty_s, stops.kill_events),) if stops.kill_events else ()
    faults = ",".join(filter(None, (drawn.extra_faults, stops.faults)))
    return drawn._replace(faulty_s=faulty_s, kills=(*drawn.kills, *more), extra_faults=faults, stops=stops)


def _with_night(drawn: Scenario) -> Scenario:
    if drawn.night or drawn.halts_soon:  # refusals in the evening would halt it
        return drawn
    return drawn._replace(night="stopped" if drawn.seed % 2 else "left", extra_faults=FIRST_ANSWERS)


def _draw_scenario(seed: int) -> Scenario:
    dice = SeededRandom(seed, 0x5CE)
    first = dice.int_between(0, len(SYMBOLS) - 1)
    symbols = tuple(SYMBOLS[(first + i) % len(SYMBOLS)] for i in range(dice.int_between(2, 4)))
    faulty_s = dice.float_between(*FAULTY_S)
    kills = []
    if dice.draw_bool(KILLED_SHARE):
        at = dice.float_between(3.0, faulty_s)
        kills.append(ScheduledKill(at, dice.int_between(*KILL_AFTER_EVENTS)))
        if dice.draw_bool(0.5):  # during recovery or some seconds later
            kills.append(ScheduledKill(at + dice.float_between(1.0, 8.0), dice.int_between(*KILL_AFTER_EVENTS)))
    if dice.draw_bool(STOPPED_SHARE):
        kills.append(ScheduledKill(dice.float_between(3.0, faulty_s), 0))
    speed, interval = USUAL_PACE if dice.draw_bool(WARM_UP_SHARE) else QUICK_PACE
    return Scenario(
        seed=seed,
        symbols=symbols,
        faulty_s=faulty_s,
        kills=tuple(kills),
        order_kind="LIMIT" if dice.draw_bool(0.3) else "MARKET",
        notional=dice.one_of(NOTIONALS),
        protection_pct=NARROW_PCT if dice.draw_bool(0.4) else WIDE_PCT,
        chase="modify" if dice.draw_bool(0.5) else "cancel",
        entries=dice.int_between(500, 950),
        exits=dice.int_between(400, 900),
        speed=speed,
        interval=interval,
        operator_actions=_acts(dice, faulty_s, symbols) if dice.draw_bool(OPERATED_SHARE) else (),
        commits_until_failure=dice.int_between(*COMMITS_UNTIL_FAILURE) if dice.draw_bool(BAD_DISK_SHARE) else 0,
        clock_step_ns=(CLOCK_STEP_NS if dice.draw_bool(0.5) else -CLOCK_STEP_NS)
        if dice.draw_bool(CLOCK_STEP_SHARE)
        else 0,
        has_tight_limits=dice.draw_bool(TIGHT_LIMITS_SHARE),
        **_draw_extras(SeededRandom(seed, 0xB51DE), symbols, halts_soon=seed % 8 == 7),
    )


def _draw_extras(rng: SeededRandom, symbols: tuple[str, ...], *, halts_soon: bool) -> dict[str, Any]:
    # Later additions have a generator of their own, so that older seeds keep their sessions.
    held = [symbol for symbol in symbols if rng.draw_bool(HELD_SHARE)]
    found = {
        "holdings": tuple(
            DematHolding(
                symbol=symbol,
                exchange=HOME_MARKET.exchange,
                quantity=Decimal(rng.int_between(1, 50)),
                average_price=Decimal(1_000),
                t1_quantity=Decimal(rng.int_between(0, 5)),
            )
            for symbol in held
        ),
        "orders_per_day": rng.int_between(*FEW_ORDERS) if rng.draw_bool(FEW_ORDERS_SHARE) else 2_000,
        "has_trailing_stops": rng.draw_bool(TRAILED_SHARE),
        "extra_faults": f"host-pipe-{('full', 'closed')[rng.int_between(0, 1)]}@{rng.int_between(2, 15)}"
        if rng.draw_bool(BROKEN_PIPE_SHARE)
        else "",
    }
    return found if halts_soon else found | _night(rng)  # refusals in the evening would halt it


def _night(rng: SeededRandom) -> dict[str, Any]:
    if not rng.draw_bool(NIGHT_SHARE):
        return {}
    return {"night": "stopped" if rng.draw_bool(0.5) else "left", "extra_faults": FIRST_ANSWERS}


def _acts(rng: SeededRandom, faulty_s: float, symbols: tuple[str, ...]) -> tuple[OperatorAction, ...]:
    at_s = rng.float_between(2.0, faulty_s)
    if rng.draw_bool(0.5):
        act = OperatorAction(at_s, "flatten", {"id": "simulated", "reason": "the operator wants out"})
    else:
        scope = "all" if rng.draw_bool(0.5) else f"symbol:{symbols[0]}"
        act = OperatorAction(at_s, "halt", {"scope": scope, "reason": "the operator looks"})
    return act, OperatorAction(at_s + rng.float_between(*OPERATOR_WAITS_S), "resume", {"scope": "all"})
