"""Which database a DSN and a state directory mean."""

from __future__ import annotations

from pathlib import Path

from tradebot.clock import Clock
from tradebot.store.sqlite import FILE_NAME, SqliteStore
from tradebot.store.store import Store, StoreDeadlines


def choose_store(dsn: str, state_dir: Path, *, clock: Clock, deadlines: StoreDeadlines) -> Store:
    """Return the store behind a DSN, or without one the file in the state directory; not opened yet."""
    if dsn:
        from tradebot.store.postgres import PostgresStore  # and with it asyncpg, which a run without a DSN can spare

        return PostgresStore(dsn, clock=clock, deadlines=deadlines)
    return SqliteStore(state_dir / FILE_NAME, clock=clock, deadlines=deadlines)
