"""The verb `exchange`: serves the simulated exchange on loopback until a signal or the end of `--for`."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click
import msgspec

from tradebot.cli.exchange_access import NO_CONSENT, access_keys_of, access_options, registered_app_of
from tradebot.cli.shared.faults import LIST_WORD, fault_plan_of, render_catalogue
from tradebot.clock import SECOND, MarketClock, WallClock, format_iso, parse_iso
from tradebot.config.values import parse_seconds
from tradebot.domain.instrument import Universe
from tradebot.domain.message import Message
from tradebot.errors import ConfigError
from tradebot.exchange.access import AccessKeys, RegisteredApp
from tradebot.exchange.earlier_days import EarlierDays, PriceRecord, read_earlier_days
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.exchange.snapshot import PriceSource
from tradebot.markets.market import HOME_MARKET
from tradebot.markets.symbols import parse_symbols
from tradebot.printing import print_json, print_text

MAX_SPEED = 3_600.0
DEFAULT_SYMBOLS = "RELIANCE,TCS,INFY"


class ExchangePlan(Message, frozen=True):
    """The checked options. `begins_at` is in market ns; `for_s` None means until a signal.

    `prices` is how the source makes its prices, None for recorded ones; `earlier` is of the log that is continued.
    """

    source: PriceSource
    prices: PriceRecord | None
    earlier: EarlierDays
    keys: AccessKeys
    app: RegisteredApp
    begins_at: int
    seed: int
    speed: float
    host: str
    port: int
    cash: Decimal
    log: Path | None
    resume: bool
    for_s: float | None
    faults: FaultPlan | None
    risk_desk: bool


@click.command()
@click.option("--symbols", help=f"A comma list, @FILE or an index name.  [default: {DEFAULT_SYMBOLS}, or all recorded]")
@click.option("--invent", is_flag=True, help="Invent shares for symbols that no list here knows.")
@click.option("--prices", type=click.Choice(["synthetic", "recorded"]), default="synthetic", show_default=True)
@click.option("--path", type=click.Path(path_type=Path, exists=True), help="Folder or file of recorded ticks.")
@click.option(
    "--at",
    help=f"Market time to begin at, {HOME_MARKET.clock_name}, such as 2026-11-23T09:15."
    "  [default: the last session's open]",
)
@click.option(
    "--until",
    help=f"Market time at which synthetic prices end, {HOME_MARKET.clock_name}.  [default: the session's close]",
)
@click.option("--every-second", is_flag=True, help="Each synthetic symbol trades every market second, for load.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Makes prices and delays repeat."
)
@click.option("--speed", type=click.FloatRange(0.01, MAX_SPEED), default=1.0, show_default=True, help="Market s per s.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on.  [default: any free one]")
@click.option(
    "--cash", default="50000", show_default=True, help=f"{HOME_MARKET.currency_word.capitalize()} in the account."
)
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="Write what happens here, JSON lines.")
@click.option("--resume", is_flag=True, help="Continue the account that --log recorded.")
@click.option("--risk-desk", is_flag=True, help="The broker squares off intraday positions late in the day.")
@click.option("--faults", help='Misbehave: "swarm", "accept-then-reset:orders.create@3,429~0.1", or "list".')
@click.option("--faults-until", help="No fault strikes after this long, such as 60s.")
@click.option("--json", "as_json", is_flag=True, help="Print the list of faults as JSON.")
@access_options
@click.option("--for", "duration", help="Stop after this long, such as 60s.  [default: at SIGINT or SIGTERM]")
def exchange(
    symbols: str | None,
    invent: bool,
    prices: str,
    path: Path | None,
    at: str | None,
    until: str | None,
    every_second: bool,
    seed: int,
    speed: float,
    host: str,
    port: int,
    cash: str,
    log: Path | None,
    resume: bool,
    duration: str | None,
    risk_desk: bool,
    faults: str | None,
    faults_until: str | None,
    as_json: bool,
    api_key: str | None,
    api_secret: str | None,
    redirect_url: str | None,
    plan: str,
    demat_consent: str,
) -> None:
    """Serve a simulated exchange that speaks as a venue does, and print one JSON line of addresses when it is ready.

    Prices end with the session; the books stay readable until a signal or the end of --for. Another day of the same
    account is another start, with --resume, a later --at, and the same --port, --seed and keys: its prices go on where
    those of the day before ended.
    """
    import uvloop

    if faults == LIST_WORD:
        print_text(render_catalogue(as_json=as_json) + "\n")
        return
    if log is not None and not resume and log.exists() and log.stat().st_size:
        raise ConfigError(f"the log {log} exists; add --resume to continue its account, or name another file")
    if resume and (log is None or not log.exists()):
        raise ConfigError("--resume needs the --log of an earlier run")
    keys, app = access_keys_of(api_key, api_secret), registered_app_of(redirect_url, plan, demat_consent)
    earlier = read_earlier_days(log) if resume and log is not None else EarlierDays()
    begin, record = _moment(at, "--at") if at else None, None
    if prices == "recorded":
        source = _recorded(path, symbols)
        start = max(begin or 0, source.opens_at)
    else:
        end = _moment(until, "--until") if until else None
        universe = _universe(symbols or DEFAULT_SYMBOLS, begin, invent=invent)
        record = _session(universe, begin, end, seed=seed, every_step=every_second)
        source = _synthetic(universe, record, begin, earlier)
        start = source.opens_at if begin is None else begin
    options = ExchangePlan(
        source=source,
        prices=record,
        earlier=earlier,
        keys=keys,
        app=app,
        begins_at=start,
        seed=seed,
        speed=speed,
        host=host,
        port=port,
        cash=_money(cash),
        log=log,
        resume=resume,
        for_s=_duration(duration),
        faults=fault_plan_of(faults, seed=seed, until=faults_until),
        risk_desk=risk_desk,
    )
    uvloop.run(_serve(options))


async def _serve(plan: ExchangePlan) -> None:
    from tradebot.daemon.venue.embedded_exchange import exchange_rules
    from tradebot.exchange.account import OpeningBalance
    from tradebot.exchange.event_log import EventLog
    from tradebot.exchange.exchange import Exchange
    from tradebot.exchange.latency import TYPICAL_LATENCY
    from tradebot.exchange.risk_desk import RiskDesk
    from tradebot.exchange.server import serve_exchange
    from tradebot.markets.hours import risk_desk_times
    from tradebot.venues import registry

    adapter = registry.default_adapter()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        log = stack.enter_context(EventLog(plan.log))
        clock = MarketClock(starts_at=plan.begins_at, anchor_mono=WallClock().monotonic_ns(), speed=plan.speed)
        market = Exchange(
            plan.source,
            clock,
            seed=plan.seed,
            balance=OpeningBalance(cash=plan.cash),
            latency=TYPICAL_LATENCY,
            log=log,
            resume=plan.log if plan.resume else None,
            rules=msgspec.structs.replace(
                exchange_rules(adapter.venue_rules), debits_holdings=plan.app.demat_consent != NO_CONSENT
            ),
        )
        if plan.risk_desk:
            day = HOME_MARKET.date_of(plan.source.opens_at)
            RiskDesk(market, risk_desk_times(plan.source.universe, day, HOME_MARKET.calendar))
        if plan.prices is not None:
            log.append_line("prices", at=clock.market_ns(), **msgspec.structs.asdict(plan.prices))
        addresses = await stack.enter_async_context(
            serve_exchange(
                market,
                clock,
                adapter.protocol_server_class(),
                host=plan.host,
                port=plan.port,
                keys=plan.keys,
                log=log if plan.log else None,
                faults=plan.faults,
                app=plan.app,
                earlier_login=plan.earlier.login,
            )
        )
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(market.run_session(), name="exchange")
            print_json(addresses.to_json())
            try:
                async with asyncio.timeout(plan.for_s):
                    await stop.wait()
            except TimeoutError:
                pass
            running.cancel()


def _universe(text: str, begin: int | None, *, invent: bool) -> Universe:
    from tradebot.markets.listing import universe_for, unknown_shares

    symbols = parse_symbols(text, cwd=Path.cwd())
    if not invent and (told := unknown_shares(symbols)):
        raise ConfigError(f"--symbols: {told}; correct it, or say --invent to serve invented shares of such a name")
    return universe_for(symbols, on=_day(begin))


def _day(begin: int | None) -> date:
    calendar = HOME_MARKET.calendar
    day = HOME_MARKET.date_of(begin if begin is not None else WallClock().wall_ns())
    if begin is None and not calendar.is_trading_day(day):
        return calendar.previous_trading_day(day)
    if calendar.session_on(day) is None:
        raise ConfigError(f"the market is closed on {day}; the next trading day is {calendar.next_trading_day(day)}")
    return day


def _session(universe: Universe, begin: int | None, end: int | None, *, seed: int, every_step: bool) -> PriceRecord:
    from tradebot.markets.hours import closing_times

    day = _day(begin)
    session = HOME_MARKET.calendar.session_on(day)
    assert session is not None, f"{day} is a trading day"
    last = int(closing_times(universe, day, HOME_MARKET.calendar).max())
    closes_at = last if end is None else end
    if not max(begin or 0, session.opens_at) < closes_at <= last or closes_at % SECOND:
        until = f"{format_iso(last, HOME_MARKET.tzinfo)[11:16]} {HOME_MARKET.clock_name}"
        raise ConfigError(f"--until must be a whole second after --at and inside the session of {day}, to {until}")
    return PriceRecord(seed=seed, opens_at=session.opens_at, closes_at=closes_at, every_step=every_step)


def _synthetic(universe: Universe, record: PriceRecord, begin: int | None, earlier: EarlierDays) -> PriceSource:
    from tradebot.exchange.prices.replayed_sessions import replay_sessions
    from tradebot.exchange.prices.synthetic import SyntheticPrices

    calendar, day = HOME_MARKET.calendar, HOME_MARKET.date_of(record.opens_at)
    closed_at = 0
    if begin is not None and begin < record.opens_at - SECOND:  # else quotes would come from the future
        yesterday = calendar.session_on(calendar.previous_trading_day(day))
        closed_at = yesterday.closes_at if yesterday is not None else 0
    return SyntheticPrices(
        universe,
        seed=record.seed,
        opens_at=record.opens_at,
        closes_at=record.closes_at,
        every_step=record.every_step,
        calendar=calendar,
        earlier=replay_sessions(universe, earlier.prices, day=day, calendar=calendar, closed_at=closed_at),
    )


def _recorded(path: Path | None, text: str | None) -> PriceSource:
    from tradebot.exchange.prices.recordings import open_recording

    if path is None:
        raise ConfigError("--prices recorded needs --path, the folder of the recorded ticks")
    return open_recording(path, symbols=parse_symbols(text, cwd=Path.cwd()) if text else None)


def _moment(text: str, option: str) -> int:
    try:
        return parse_iso(text, HOME_MARKET.tzinfo)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time such as 2026-11-23T09:15", param_hint=option) from None


def _duration(text: str | None) -> float | None:
    try:
        return parse_seconds(text) if text is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--for") from None


def _money(text: str) -> Decimal:
    try:
        cash = Decimal(text)
    except InvalidOperation:
        cash = Decimal("NaN")
    if not cash.is_finite() or cash < 0 or cash * 100 != (cash * 100).to_integral_value():
        raise click.BadParameter(
            f"{text!r} is not an amount of {HOME_MARKET.currency_word} such as 50000", param_hint="--cash"
        )
    return cash
