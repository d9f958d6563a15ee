"""Chooses the database for a DSN and a state folder."""

from __future__ import annotations

from pathlib import Path

from tradebot.clock import Clock
from tradebot.store.sqlite import FILE_NAME, SqliteStore
from tradebot.store.store import Store, StoreDeadlines


def choose_store(dsn: str, state_dir: Path, *, clock: Clock, deadlines: StoreDeadlines) -> Store:
    """Return the store of a DSN, or without one the store in the state folder; it is not open yet."""
    if dsn:
        from tradebot.store.postgres import PostgresStore  # it imports asyncpg, which a run without a DSN does not need

        return PostgresStore(dsn, clock=clock, deadlines=deadlines)
    return SqliteStore(state_dir / FILE_NAME, clock=clock, deadlines=deadlines)
