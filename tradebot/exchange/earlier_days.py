"""What a run needs of the log that it continues, before its own exchange exists: the last login, the days' prices."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tradebot.domain.message import Message
from tradebot.errors import DataError
from tradebot.exchange.access import LoginRecord
from tradebot.exchange.event_log import read_event_log


class PriceRecord(Message, frozen=True):
    """How the synthetic prices of one session are made, a line of the log; times are market ns.

    The same record and the days before it give the same prices for every symbol.
    """

    seed: int
    opens_at: int
    closes_at: int
    every_step: bool


class EarlierDays(Message, frozen=True):
    """The last login of a log and the price records of its sessions, in order of time, the last one of each."""

    login: LoginRecord | None = None
    prices: tuple[PriceRecord, ...] = ()


def read_earlier_days(path: Path | str) -> EarlierDays:
    """Return what a log says about logins and prices.

    Raises DataError for a malformed line, StateError for a log that cannot be read.
    """
    login: LoginRecord | None = None
    prices: dict[int, PriceRecord] = {}  # opens_at -> the last record of this session
    for number, line in enumerate(read_event_log(path), 1):
        try:
            if line.get("kind") == "login":
                key, digest = line["api_key"], line["token_digest"]
                login = LoginRecord(api_key=key, token_digest=digest, born_at=line["at"])
            elif line.get("kind") == "prices":
                record = msgspec.convert(line, PriceRecord)
                prices[record.opens_at] = record
        except (msgspec.ValidationError, KeyError) as error:
            raise DataError(f"{path}:{number}: the exchange log cannot be resumed: {error}") from error
    return EarlierDays(login=login, prices=tuple(prices[opens_at] for opens_at in sorted(prices)))
