"""The charges of a trade in India: brokerage, taxes and fees by date; used by accounts, gates and reports.

The rates are data (`data/charges_india.toml`). Every part is rounded to paise, half up. A contract note rounds the
transaction tax (STT) of a day to the rupee, which a sum over fills cannot do. The parts are computed on the total
turnover of an order. A fill is charged the difference that it makes, so every split of an order into fills costs the
same to the paisa.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_right
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tradebot.domain.instrument import InstrumentKind
from tradebot.domain.message import Message
from tradebot.domain.order import ZERO, Side
from tradebot.errors import DataError

PAISA = Decimal("0.01")
UNITS_PER_PAISA = 100  # `UnitTariff` counts turnover in hundredths of a paisa; any other turnover needs `Tariff`
CRORE = Decimal(10_000_000)
CONTRACT_EXCHANGES = ("NFO", "BFO")  # they list futures and options alone
RATES_FILE = Path(__file__).parent / "data" / "charges_india.toml"


class Segment(StrEnum):
    """The market segments with different charges; side and exchange also matter."""

    INTRADAY = "equity_intraday"
    DELIVERY = "equity_delivery"
    FUTURES = "futures"
    OPTIONS = "options"


class Charges(Message, frozen=True):
    """The parts of a bill in rupees, each a whole number of paise; `dp` is the depository fee for a delivery sale."""

    brokerage: Decimal = ZERO
    transaction_tax: Decimal = ZERO
    exchange_fee: Decimal = ZERO
    sebi_fee: Decimal = ZERO
    stamp_duty: Decimal = ZERO
    gst: Decimal = ZERO
    dp: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """Return the sum of the parts in rupees."""
        return (
            self.brokerage
            + self.transaction_tax
            + self.exchange_fee
            + self.sebi_fee
            + self.stamp_duty
            + self.gst
            + self.dp
        )

    def __add__(self, other: Charges) -> Charges:
        return Charges(**{name: getattr(self, name) + getattr(other, name) for name in CHARGE_NAMES})

    def __sub__(self, other: Charges) -> Charges:
        return Charges(**{name: getattr(self, name) - getattr(other, name) for name in CHARGE_NAMES})


CHARGE_NAMES: tuple[str, ...] = Charges.__struct_fields__
NO_CHARGES = Charges()


class Rates(Message, frozen=True):
    """The rates of one segment on one day; a name that ends in `_pct` is in percent of the turnover."""

    brokerage_pct: Decimal
    brokerage_cap: Decimal
    brokerage_flat: Decimal
    tax_buy_pct: Decimal
    tax_sell_pct: Decimal
    stamp_buy_pct: Decimal
    exchange_pct: dict[str, Decimal]
    sebi_per_crore: Decimal
    gst_pct: Decimal
    dp: Decimal


def kind_by_name(symbol: str, exchange: str) -> InstrumentKind:
    """Return the kind of an instrument from its trading symbol: contracts end in FUT, CE or PE (NSE, BSE naming)."""
    if exchange not in CONTRACT_EXCHANGES:
        return InstrumentKind.EQUITY
    return InstrumentKind.OPTION if symbol.endswith(("CE", "PE")) else InstrumentKind.FUTURE


def segment_of(kind: InstrumentKind, product: str) -> Segment:
    """Return the segment of an instrument kind under `product` (MIS, CNC, NRML); shares in MIS are intraday."""
    if kind is InstrumentKind.FUTURE:
        return Segment.FUTURES
    if kind is InstrumentKind.OPTION:
        return Segment.OPTIONS
    return Segment.INTRADAY if product == "MIS" else Segment.DELIVERY


def order_charges(
    *, segment: Segment, side: Side, turnover: Decimal, on: date, exchange: str = "NSE", with_dp: bool = False
) -> Charges:
    """Return the charges of a whole order with `turnover` in rupees; a turnover of 0 has none.

    `with_dp` adds the depository fee and its GST, which is due once per share and day for delivery sales. Raises
    DataError for an exchange that is missing in the table of that day.
    """
    if turnover <= 0:
        return NO_CHARGES
    tariff = tariff_of(segment, side, on, exchange)
    brokerage, tax, exchange_fee, sebi_fee, stamp, gst = tariff.charge_parts(turnover)
    is_debit = with_dp and segment is Segment.DELIVERY and side is Side.SELL
    dp = tariff.dp if is_debit else ZERO
    return Charges(
        brokerage=brokerage,
        transaction_tax=tax,
        exchange_fee=exchange_fee,
        sebi_fee=sebi_fee,
        stamp_duty=stamp,
        # GST is rounded separately on the trading fees and on the depository fee: they are two invoices, and so the
        # charges of fills still add up.
        gst=gst + (tariff.depository_charge - dp if is_debit else ZERO),
        dp=dp,
    )


class Tariff(Message, frozen=True):
    """The rates of one side, segment, exchange and day: fractions of the turnover (`gst`: of the fees).

    `flat`, `cap` and `dp` are in rupees.
    """

    flat: Decimal
    brokerage: Decimal
    cap: Decimal
    tax: Decimal
    fee: Decimal
    sebi: Decimal
    stamp: Decimal
    gst: Decimal
    dp: Decimal

    def charge_parts(self, turnover: Decimal) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal, Decimal]:
        """Return brokerage, transaction tax, exchange fee, SEBI fee, stamp duty and GST, each in whole paise."""
        brokerage = (self.flat or min(turnover * self.brokerage, self.cap)).quantize(PAISA, ROUND_HALF_UP)
        fee = (turnover * self.fee).quantize(PAISA, ROUND_HALF_UP)
        sebi = (turnover * self.sebi).quantize(PAISA, ROUND_HALF_UP)
        gst = ((brokerage + fee + sebi) * self.gst).quantize(PAISA, ROUND_HALF_UP)
        tax = (turnover * self.tax).quantize(PAISA, ROUND_HALF_UP) if self.tax else ZERO
        stamp = (turnover * self.stamp).quantize(PAISA, ROUND_HALF_UP) if self.stamp else ZERO
        return brokerage, tax, fee, sebi, stamp, gst

    @property
    def depository_charge(self) -> Decimal:
        """Return the depository fee in rupees with its GST, due once per share and day of sales."""
        return self.dp + _paise(self.dp * self.gst)

    def total_charges(self, turnover: Decimal) -> Decimal:
        """Return the sum of the parts in rupees for `turnover` in rupees; a turnover of 0 costs nothing."""
        if turnover <= 0:
            return ZERO
        brokerage, tax, fee, sebi, stamp, gst = self.charge_parts(turnover)
        return brokerage + tax + fee + sebi + stamp + gst

    def in_units(self) -> UnitTariff:
        """Return the same tariff in integer units, see `UnitTariff`."""
        return UnitTariff(
            flat=int(self.flat.quantize(PAISA, ROUND_HALF_UP).scaleb(2)) if self.flat else None,
            brokerage=_share(self.brokerage),
            cap=int(self.cap.quantize(PAISA, ROUND_HALF_UP).scaleb(2)),
            shares=tuple(n for share in (self.fee, self.sebi, self.tax, self.stamp) for n in _share(share)),
            gst=_share(self.gst, 1),
        )


class UnitTariff(NamedTuple):
    """A tariff in integers: turnovers are in hundredths of a paisa, the unit of a price in paise times a quantity.

    A rate is three numbers: (turnover * first + second) // third is the charge in paise, rounded half up, as in
    `Tariff.charge_parts`. `shares` holds the rates of exchange fee, SEBI fee, transaction tax and stamp duty. The rate
    `gst` applies to paise.
    """

    flat: int | None
    brokerage: tuple[int, int, int]
    cap: int
    shares: tuple[int, ...]
    gst: tuple[int, int, int]

    def total_paise(self, units: int) -> int:
        """Return the sum of the parts in paise for a turnover in units; a turnover of 0 costs nothing."""
        if units <= 0:
            return 0
        billed, share, cap, (f, half_f, per_f, s, half_s, per_s, t, half_t, per_t, d, half_d, per_d), gst = self
        if billed is None:
            a, half, per = share
            billed = (units * a + half) // per
            if billed > cap:
                billed = cap
        billed += (units * f + half_f) // per_f + (units * s + half_s) // per_s
        taxed = (units * t + half_t) // per_t if t else 0
        if d:
            taxed += (units * d + half_d) // per_d
        a, half, per = gst
        return billed + taxed + (billed * a + half) // per


def _share(share: Decimal, units: int = UNITS_PER_PAISA) -> tuple[int, int, int]:
    # Rounding half up: n / d + 1/2 is (2 n + d) / (2 d).
    above, below = share.as_integer_ratio()
    return 2 * above, below * units, 2 * below * units


@cache
def tariff_of(segment: Segment, side: Side, on: date, exchange: str) -> Tariff:
    """Return the tariff of a day. Raises DataError for an exchange that is missing in the table of that day."""
    r = rates_on(segment, on)
    if exchange not in r.exchange_pct:
        raise DataError(f"no {segment} charges are known for exchange {exchange}; known: {', '.join(r.exchange_pct)}")
    is_buy = side is Side.BUY
    return Tariff(
        flat=r.brokerage_flat,
        brokerage=r.brokerage_pct / 100,
        cap=r.brokerage_cap,
        tax=(r.tax_buy_pct if is_buy else r.tax_sell_pct) / 100,
        fee=r.exchange_pct[exchange] / 100,
        sebi=r.sebi_per_crore / CRORE,
        stamp=(r.stamp_buy_pct if is_buy else ZERO) / 100,
        gst=r.gst_pct / 100,
        dp=r.dp,
    )


def fill_charges(
    *,
    segment: Segment,
    side: Side,
    quantity: Decimal,
    price: Decimal,
    on: date,
    order_turnover: Decimal = ZERO,
    exchange: str = "NSE",
    with_dp: bool = False,
) -> Charges:
    """Return the charges that one fill adds to its order; `order_turnover` rupees of the order were filled before."""
    before = order_charges(segment=segment, side=side, turnover=order_turnover, on=on, exchange=exchange)
    after = order_charges(
        segment=segment,
        side=side,
        turnover=order_turnover + quantity * price,
        on=on,
        exchange=exchange,
        with_dp=with_dp,
    )
    return after - before


def rates_valid_between(on: date) -> tuple[date, date]:
    """Return the first day on which the rates of `on` hold and the first day on which they no longer do."""
    since = [table["since"] for table in _tables()]
    row = max(bisect_right(since, on) - 1, 0)
    return (since[row] if row else date.min), (since[row + 1] if row + 1 < len(since) else date.max)


@cache
def rates_on(segment: Segment, on: date) -> Rates:
    """Return the rates in force on a day. A day before the first table gets the first table, with a wrong date."""
    tables = _tables()
    row = max(bisect_right([table["since"] for table in tables], on) - 1, 0)
    table = tables[row]
    of = table[segment.value]
    return Rates(
        brokerage_pct=Decimal(of.get("brokerage_pct", 0)),
        brokerage_cap=Decimal(of.get("brokerage_cap_rupees", 0)),
        brokerage_flat=Decimal(of.get("brokerage_flat_rupees", 0)),
        tax_buy_pct=Decimal(of["tax_buy_pct"]),
        tax_sell_pct=Decimal(of["tax_sell_pct"]),
        stamp_buy_pct=Decimal(of["stamp_buy_pct"]),
        exchange_pct={name: Decimal(pct) for name, pct in of["exchange_pct"].items()},
        sebi_per_crore=Decimal(table["sebi_rupees_per_crore"]),
        gst_pct=Decimal(table["gst_pct"]),
        dp=Decimal(table["dp_rupees"]),
    )


@cache
def _tables() -> list[dict[str, Any]]:
    with RATES_FILE.open("rb") as file:
        tables: list[dict[str, Any]] = tomllib.load(file, parse_float=Decimal)["table"]
    return sorted(tables, key=lambda table: table["since"])


def _paise(amount: Decimal) -> Decimal:
    return amount.quantize(PAISA, ROUND_HALF_UP)
