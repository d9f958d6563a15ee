"""The config sections about storage and output: journal, tables, past bars, log; part of `sections`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from tradebot.config.values import Number, Reserve, Whole
from tradebot.section import Section
from tradebot.store.dsn import DSN_FORMAT, is_readable_dsn


def _dsn(dsn: SecretStr) -> SecretStr:
    if dsn.get_secret_value() and not re.match(r"postgres(?:ql)?://", dsn.get_secret_value()):
        raise ValueError("should be an address that starts with postgresql://")
    if dsn.get_secret_value() and not is_readable_dsn(dsn.get_secret_value()):
        raise ValueError(DSN_FORMAT)
    return dsn


class JournalSection(Section):
    """The write-ahead journal: nothing is sent before its row is on disk."""

    durable_within_s: Annotated[Number, Field(gt=0, le=60)] = Field(
        default=5.0, description="a disk slower than this halts trading"
    )
    min_free_mb: Annotated[Whole, Field(ge=16, le=1_048_576)] = Field(
        default=256, description="with less room on its disk nothing is opened; exits and cancels go on"
    )
    warn_free_mb: Annotated[Whole, Field(ge=16, le=1_048_576)] = Field(
        default=1024, description="with less room, and with less than min_free_mb, the log says so"
    )
    reserve_mb: Reserve = Field(
        default="auto",
        description="kept inside the journal for a full disk; "
        '"auto": 0.1 MB a symbol and 1 MB, or twice what the last day wrote',
    )
    record_inputs: bool = Field(
        default=True, description="keep what the desk decided on (quotes of open symbols, ticks), for `tradebot replay`"
    )


class StoreSection(Section):
    """Tables for people to query: PostgreSQL, or without a DSN <state_dir>/store.sqlite3; trading never waits."""

    enabled: bool = Field(default=True, description="feed the tables from the journal")
    dsn: Annotated[SecretStr, AfterValidator(_dsn)] = Field(
        default=SecretStr(""), description="postgresql://...; credential file store__dsn, or TRADEBOT_STORE__DSN"
    )
    migrate: bool = Field(default=True, description="bring the tables up to date at start; else `tradebot db migrate`")
    acquire_within_s: Annotated[Number, Field(gt=0, le=60)] = Field(
        default=5.0, description="a database slower to connect to is down"
    )
    query_within_s: Annotated[Number, Field(gt=0, le=300)] = Field(
        default=10.0, description="a batch or query slower than this is given up"
    )
    close_within_s: Annotated[Number, Field(gt=0, le=10)] = Field(default=2.0, description="then the connection is cut")
    batch_rows: Annotated[Whole, Field(ge=1, le=10_000)] = Field(
        default=500, description="journal rows of one transaction at most"
    )


class HistorySection(Section):
    """Past bars, for backtests and notebooks: `tradebot data`."""

    in_store: bool = Field(
        default=False, description="keep them in the database of store.dsn, not in <state_dir>/history.sqlite3"
    )


class LogSection(Section):
    """What is written to standard output."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="the least that is written")
    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="auto: text on a terminal, JSON elsewhere"
    )
