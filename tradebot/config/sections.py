"""The settings themselves: one frozen model per section of config.toml, each key with its default, bounds and meaning.

Bounds are compiled in: a limit above its hard cap is refused, no matter what the file says.
"""

from __future__ import annotations

from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tradebot.clock import SECOND
from tradebot.config.api_section import ApiSection
from tradebot.config.notify_sections import NotifySection, TelegramSection
from tradebot.config.protection_section import ProtectionSection
from tradebot.config.storage_sections import HistorySection, JournalSection, LogSection, StoreSection
from tradebot.config.values import (
    CRORE,
    ClockTime,
    Day,
    DurationOrNever,
    Interval,
    Money,
    Number,
    Percent,
    Product,
    Products,
    Symbols,
    Whole,
    Workers,
    parse_seconds,
)
from tradebot.domain.products import CARRIED, DELIVERY, INTRADAY
from tradebot.markets.market import HOME_MARKET
from tradebot.section import Section
from tradebot.venues import registry
from tradebot.venues.adapter import VenueAdapter

PRODUCTS_HELP = f"{INTRADAY} intraday, {DELIVERY} delivery, {CARRIED} carried"
EMBEDDED = "embedded"  # venue name of the embedded exchange


def _venue(name: str) -> str:
    names = (EMBEDDED, *(adapter.name for adapter in registry.all_adapters()))
    if name not in names:
        raise ValueError(f"should be {', '.join(map(repr, names[:-1]))} or {names[-1]!r}")
    return name


def _list_venues(schema: dict[str, Any]) -> None:
    schema["enum"] = [EMBEDDED, *(adapter.name for adapter in registry.all_adapters())]


def _venues() -> str:
    return ", ".join(
        f"{adapter.name}: {(adapter.settings_class().__doc__ or '').partition('. ')[0]}"
        for adapter in registry.all_adapters()
    )


VenueName = Annotated[str, AfterValidator(_venue), Field(json_schema_extra=_list_venues)]


class AppSection(Section):
    """What the daemon trades and where it keeps its memory."""

    mode: Literal["paper", "live"] = Field(default="paper", description="paper: no real order leaves; live: real money")
    symbols: Symbols = Field(
        default=("RELIANCE", "TCS", "INFY"),
        description='a list, an index name such as "NIFTY50", or "@file", one per line',
    )
    state_dir: Path = Field(default=Path("state"), description="journal and lock live here, readable by you alone")
    stop_after: DurationOrNever = Field(default="never", description="stop cleanly after this long (90s, 5m, 6h)")

    @property
    def stop_after_s(self) -> float | None:
        """Return the seconds after which the daemon stops, None for never."""
        return None if self.stop_after == "never" else parse_seconds(self.stop_after)


class VenueSection(Section):
    """Where quotes come from and orders go."""

    name: VenueName = Field(
        default=EMBEDDED,
        description=f"embedded: the simulated exchange inside the daemon; {_venues()}; in paper mode it is only read",
    )
    wait_at_start_s: Annotated[Number, Field(ge=0, le=86_400)] = Field(
        default=3600.0, description="wait this long at start for a venue that does not answer; a refusal ends at once"
    )


class ExchangeSection(Section):
    """The embedded exchange: a real server on loopback, with prices of its own."""

    prices: Literal["synthetic", "recorded"] = Field(
        default="synthetic", description="invented from the seed, or from files"
    )
    path: str = Field(default="", max_length=4096, description="file or folder of recorded prices")
    seed: Annotated[Whole, Field(ge=0, le=2**63 - 1)] = Field(default=7, description="the same seed gives the same day")
    speed: Annotated[Number, Field(ge=0.01, le=3600)] = Field(
        default=60.0, description="market seconds per real second"
    )
    day: Day = Field(
        default="",
        description="trading day, 2026-11-23; today: the newest one; empty: the same day for every first run",
    )
    starts_at: ClockTime = Field(
        default="09:15", description=f"market time at which the daemon joins the day, {HOME_MARKET.clock_name}"
    )
    latency_ms: Annotated[Number, Field(ge=0, le=60_000)] = Field(
        default=5.0, description="real milliseconds from order to exchange"
    )
    cash: Money = Field(
        default=Decimal(50000), description=f"funds of the simulated account, in {HOME_MARKET.currency_word}"
    )
    invent: bool = Field(
        default=False, description="symbols that no list here knows become invented shares, instead of a refusal"
    )


class PaperSection(Section):
    """A paper account on a real venue's live quotes, and a shadow of live orders on the same matching engine."""

    cash: Money = Field(
        default=Decimal(50000), description=f"funds of a new paper account, in {HOME_MARKET.currency_word}"
    )
    latency_ms: Annotated[Number, Field(ge=0, le=60_000)] = Field(
        default=5.0, description="real milliseconds from order to exchange and back"
    )
    shadow: bool = Field(
        default=False,
        description="in live mode every order is also filled on paper, to be compared by `tradebot paper compare`",
    )


class FeedSection(Section):
    """When quotes are too old to trade on."""

    stale_after_s: Annotated[Number, Field(gt=0, le=60)] = Field(
        default=15.0, description="no entry on a quote older than this"
    )
    silent_after_s: Annotated[Number, Field(ge=1, le=120)] = Field(
        default=10.0, description="reconnect a stream that says nothing, heartbeats included"
    )
    poll_every_s: Annotated[Number, Field(ge=1, le=3600)] = Field(
        default=1.0, description="fetch quotes over HTTP this often while the stream is down"
    )


class BarsSection(Section):
    """How quotes become bars."""

    interval: Interval = Field(default="1m", description="length of a bar, 1s to 1d")
    grace_s: Annotated[Number, Field(ge=0, le=5)] = Field(
        default=0.1, description="wait this long after a bar's end for late quotes"
    )

    @property
    def interval_ns(self) -> int:
        """Return the length of a bar in ns."""
        return round(parse_seconds(self.interval) * SECOND)


class AnalysisSection(Section):
    """Indicator math and strategies, in worker processes."""

    workers: Workers = Field(
        default=1, description='processes; 0: inside the event loop; "auto": as many as the work of a close needs'
    )
    deadline_s: Annotated[Number, Field(gt=0, le=60)] = Field(
        default=2.0, description="a worker slower than this is replaced and its signals are skipped"
    )
    worker_memory_mb: Annotated[Whole, Field(ge=256, le=1_048_576)] = Field(
        default=4096, description="a strategy that wants more fails, and its worker with it"
    )
    warmup_bars: Annotated[Whole, Field(ge=0, le=10_000)] = Field(
        default=200, description="past bars that indicators have seen before the first signal"
    )


class StrategySection(Section):
    """One strategy; write the table again for another one."""

    name: str = Field(min_length=1, max_length=4096, description='shipped name, or "path/to/file.py:Class"')
    params: dict[str, int | Decimal | bool | str] = Field(
        default={}, description="its parameters, such as { fast = 9 }"
    )
    symbols: Symbols = Field(default=(), description="the symbols it trades; empty: all")
    resting_stop: Literal["auto", "yes", "no"] = Field(
        default="auto", description="do its stops rest at the venue; auto: as [protection] says"
    )


class RiskSection(Section):
    """What the desk refuses, in the market's money; live orders and unknown ones count at their worst."""

    permitted_products: Products = Field(default=(INTRADAY,), description=PRODUCTS_HELP)
    allow_short: bool = Field(default=False, description="may a position go below zero")
    order_notional: Annotated[Money, Field(le=CRORE)] = Field(
        default=Decimal(10000), description="the size of an entry, where the strategy names no quantity"
    )
    max_order_quantity: Annotated[Whole, Field(ge=1, le=100_000)] = Field(
        default=500, description="shares of one order"
    )
    freeze_quantity: Annotated[Whole, Field(ge=1)] = Field(
        default=100_000,
        description=f"most shares that {HOME_MARKET.exchange} takes as one order (from one source, unverified)",
    )
    freeze_quantities: dict[str, Annotated[Whole, Field(ge=1)]] = Field(
        default={}, description="the same of other symbols, contracts above all: { NIFTY26DECFUT = 1800 }"
    )
    max_order_notional: Annotated[Money, Field(le=CRORE)] = Field(
        default=Decimal(20000), description="value of one order"
    )
    max_position_notional: Annotated[Money, Field(le=5 * CRORE)] = Field(
        default=Decimal(25000), description="value held of one symbol, long or short"
    )
    max_gross_notional: Annotated[Money, Field(le=50 * CRORE)] = Field(
        default=Decimal(100000), description="value held of all symbols, longs plus shorts"
    )
    max_daily_loss: Annotated[Money, Field(le=CRORE)] = Field(
        default=Decimal(2500), description="loss of the day, open positions and charges included, that ends entries"
    )
    on_daily_loss: Literal["close", "halt"] = Field(
        default="close",
        description="at the limit entries end; close: and at 1.5 times it intraday positions are closed",
    )
    max_open_orders: Annotated[Whole, Field(ge=1, le=1000)] = Field(
        default=20, description="working orders at one time"
    )
    price_collar_pct: Annotated[Percent, Field(le=20)] = Field(
        default=Decimal(1), description="how far a price may lie from the last quote"
    )
    max_stop_pct: Annotated[Percent, Field(le=100)] = Field(
        default=Decimal(50), description="an entry whose stop lies further from the last quote is a mistake"
    )
    orders_per_second: Annotated[Whole, Field(ge=1, le=9)] = Field(
        default=8, description="in any one second; the law wants fewer than 10"
    )
    orders_per_minute: Annotated[Whole, Field(ge=1, le=390)] = Field(default=200, description="the venue stops at 400")
    orders_per_day: Annotated[Whole, Field(ge=1, le=4900)] = Field(default=2000, description="the venue stops at 5000")
    duplicate_window_s: Annotated[Number, Field(ge=0, le=3600)] = Field(
        default=5.0, description="an equal order within this time is a mistake"
    )
    max_signal_age_s: Annotated[Number, Field(gt=0, le=60)] = Field(
        default=2.0, description="a signal older than this is not traded any more"
    )
    max_rejects_in_a_row: Annotated[Whole, Field(ge=1, le=100)] = Field(
        default=3,
        description="refused without a fill between: halts the symbol, or the strategy where funds are missing",
    )
    max_rejects_per_minute: Annotated[Whole, Field(ge=1, le=400)] = Field(
        default=5, description="the same within 60 s, with fills between or not"
    )
    max_rejected_symbols: Annotated[Whole, Field(ge=1, le=400)] = Field(
        default=3, description="different symbols in which a strategy is refused within 60 s: then it is halted"
    )
    max_account_rejects_per_minute: Annotated[Whole, Field(ge=1, le=400)] = Field(
        default=10, description="orders of all kinds refused within 60 s: then all entries are halted"
    )
    max_crashes: Annotated[Whole, Field(ge=0, le=20)] = Field(
        default=3,
        description="runs cut off in 10 minutes, then entries are halted from the start on; 0 never",
    )
    entries_until: ClockTime = Field(
        default="15:00", description=f"no new position after this market time, {HOME_MARKET.clock_name}"
    )
    square_off_at: ClockTime = Field(
        default="15:10",
        description=f"positions are closed at this market time, {HOME_MARKET.clock_name},"
        " or 10 minutes before the symbol's own close",
    )


class ExecutionSection(Section):
    """How orders are sent."""

    product: Product = Field(default=INTRADAY, description=PRODUCTS_HELP)
    order_kind: Literal["MARKET", "LIMIT"] = Field(
        default="MARKET", description="MARKET is sent with protection, never raw"
    )
    protection_pct: Annotated[Percent, Field(le=10)] = Field(
        default=Decimal("0.5"), description="how far from the last price a protected market order may fill"
    )
    chase: Literal["cancel", "modify"] = Field(
        default="cancel",
        description="an exit that is not filled in time is cancelled and sent anew, or its price is moved",
    )
    on_stop: Literal["cancel", "flatten", "leave"] = Field(
        default="cancel",
        description="when the daemon stops: cancel working orders, also close positions, or touch nothing",
    )


class ReconcileSection(Section):
    """How often the books are compared with the venue's."""

    live_every_s: Annotated[Number, Field(ge=1, le=60)] = Field(default=5.0, description="while an order is working")
    idle_every_s: Annotated[Number, Field(ge=5, le=45)] = Field(
        default=30.0, description="otherwise; nothing is opened while the newest books are older than 60 s"
    )


class Config(BaseSettings):
    """Every setting of one run. `Config()` is the defaults and reads nothing; `load` reads file and environment."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        env_prefix="TRADEBOT_",
        env_nested_delimiter="__",
        nested_model_default_partial_update=False,
    )

    app: AppSection = AppSection()
    venue: VenueSection = VenueSection()
    # `add_venue_sections` inserts one section per venue of the registry here, with the venue's name.
    exchange: ExchangeSection = ExchangeSection()
    paper: PaperSection = PaperSection()
    feed: FeedSection = FeedSection()
    bars: BarsSection = BarsSection()
    analysis: AnalysisSection = AnalysisSection()
    strategy: tuple[StrategySection, ...] = (StrategySection(name="ema_cross"),)
    risk: RiskSection = RiskSection()
    execution: ExecutionSection = ExecutionSection()
    protection: ProtectionSection = ProtectionSection()
    reconcile: ReconcileSection = ReconcileSection()
    journal: JournalSection = JournalSection()
    store: StoreSection = StoreSection()
    history: HistorySection = HistorySection()
    log: LogSection = LogSection()
    api: ApiSection = ApiSection()
    notify: NotifySection = NotifySection()
    telegram: TelegramSection = TelegramSection()

    def with_absolute_paths(self) -> Config:
        """Return the same settings with an absolute state directory."""
        app = self.app.model_copy(update={"state_dir": self.app.state_dir.absolute()})
        return self.model_copy(update={"app": app})

    def venue_section(self, adapter: VenueAdapter) -> Any:
        """Return the settings of a venue; the defaults for a venue that was unknown when these were made."""
        return getattr(self, adapter.name, None) or adapter.settings_class()()

    @property
    def mode_label(self) -> str:
        """Return the mode as people read it: `live` or `paper`, after `rehearsal-` on an exchange of this machine."""
        adapter = registry.find_adapter(self.venue.name)
        if adapter is not None and adapter.is_rehearsal(self.venue_section(adapter)):
            return f"rehearsal-{self.app.mode}"
        return self.app.mode

    @property
    def settings_digest(self) -> str:
        """Return a hash of all settings that are not secret; 16 hex digits."""
        return blake2b(self.model_dump_json().encode(), digest_size=8).hexdigest()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the arguments as the only source: `load_config` reads the others, to know each value's origin."""
        return (init_settings,)


def add_venue_sections() -> None:
    """Give Config a section for every venue of the registry, after [venue]; remove those of venues that are gone."""
    fields = Config.__pydantic_fields__
    venue_sections = {adapter.name: adapter.settings_class() for adapter in registry.all_adapters()}
    if venue_sections == _VENUE_SECTIONS:
        return
    names = list(fields)
    place = names.index("venue") + 1
    before, after = names[:place], [name for name in names[place:] if name not in _VENUE_SECTIONS]
    made = {name: FieldInfo(annotation=section, default=section()) for name, section in venue_sections.items()}
    ordered = {name: fields[name] for name in before} | made | {name: fields[name] for name in after}
    fields.clear()
    fields.update(ordered)
    _VENUE_SECTIONS.clear()
    _VENUE_SECTIONS.update(venue_sections)
    Config.model_rebuild(force=True)


_VENUE_SECTIONS: dict[str, type[Section]] = {}  # venue name -> its section in Config now
add_venue_sections()
