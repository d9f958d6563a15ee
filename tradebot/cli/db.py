"""The verbs `db status`, `db migrate`, `db sync`: show, migrate and feed the tables that people query."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click

from tradebot.cli.shared.options import CONFIG_OPTION, combine_options, state_dir_option
from tradebot.cli.shared.tables import print_rows
from tradebot.clock import WallClock, format_iso
from tradebot.config import Config, load_config
from tradebot.errors import StateError
from tradebot.journal.schema import FILE_NAME
from tradebot.ops.events.event import drop_event
from tradebot.printing import confirm_or_abort, print_line
from tradebot.store import migration
from tradebot.store.journal_tailer import JournalTailer
from tradebot.store.outbox import Outbox
from tradebot.store.store import Store, StoreDeadlines
from tradebot.store.store_factory import choose_store
from tradebot.trading.desk.fill_charges import charges_by_market

_options = combine_options(CONFIG_OPTION, state_dir_option("Where journal and store are."))


@click.group()
def db() -> None:
    """Show, migrate and feed the tables people query: PostgreSQL, or SQLite where no DSN is configured.

    The DSN is store.dsn: credential file store__dsn, or TRADEBOT_STORE__DSN in the environment.
    """


@db.command()
@_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(path: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Say where the tables are, which migrations they have, and how many journal rows they lack."""
    _run(path, state_dir, lambda store, config: _status(store, config, as_json=as_json))


@db.command()
@_options
@click.option("--down-to", type=click.IntRange(min=0), help="Undo the migrations above this number; tables go.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before tables go.")
def migrate(path: str | None, state_dir: Path | None, down_to: int | None, yes: bool) -> None:
    """Apply the migrations that are missing, in one transaction; several at once wait for each other."""
    if down_to is not None and not yes:
        confirm_or_abort("Drop tables? The journal stays and can fill them again.")
    _run(path, state_dir, lambda store, config: _migrate(store, down_to))


@db.command()
@_options
def sync(path: str | None, state_dir: Path | None) -> None:
    """Feed the tables from the journal up to its last row, without a daemon."""
    _run(path, state_dir, _sync)


def _run(path: str | None, state_dir: Path | None, work: Callable[[Store, Config], Awaitable[None]]) -> None:
    config = load_config(path, {"app.state_dir": state_dir})

    async def begin() -> None:
        async with _opened(config) as store:
            await work(store, config)

    asyncio.run(begin())


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[Store]:
    section = config.store
    deadlines = StoreDeadlines(section.acquire_within_s, section.query_within_s, section.close_within_s)
    dsn, state_dir = section.dsn.get_secret_value(), config.app.state_dir
    if not dsn and not state_dir.is_dir():
        raise StateError(f"{state_dir}: there is no such directory, and no store.dsn is configured")
    async with choose_store(dsn, state_dir, clock=WallClock(), deadlines=deadlines) as store:
        yield store


async def _status(store: Store, config: Config, *, as_json: bool) -> None:
    applied = {one.version: one for one in await store.applied_migrations()}
    shipped = migration.shipped_migrations()
    wanted = migration.missing_migrations(shipped, list(applied.values()), place=store.place)
    behind = "unknown: there is no journal"
    journal = config.app.state_dir / FILE_NAME
    if journal.is_file() and not wanted:
        follower = JournalTailer(journal)
        fed = await store.read_cursor(follower.journal_id() or "")
        behind = f"{follower.last_seq() - fed.seq} rows (fed {fed.seq})"
        follower.close_connection()
    elif wanted:
        behind = "all rows: there are no tables yet" if not applied else "unknown: migrations are missing"
    rows: list[dict[str, Any]] = [
        {
            "migration": f"{one.version:04} {one.name}",
            "applied": format_iso(applied[one.version].applied_at) if one.version in applied else "missing",
        }
        for one in shipped
    ]
    if as_json:
        fields = {"place": store.place, "database": await store.server_version(), "behind": behind}
        print_rows([fields | row for row in rows], as_json=True)
        return
    print_line(f"{store.place}, {await store.server_version()}; behind the journal: {behind}")
    print_rows(rows, as_json=False)


async def _migrate(store: Store, down_to: int | None) -> None:
    done = await store.migrate(down_to=down_to)
    word = "applied" if down_to is None else "undone"
    print_line(f"{store.place}: {word} {', '.join(done)}" if done else f"{store.place}: nothing to do")


async def _sync(store: Store, config: Config) -> None:
    journal = config.app.state_dir / FILE_NAME
    outbox = Outbox(
        store,
        journal,
        clock=WallClock(),
        tell=drop_event,
        charges_for=charges_by_market,
        batch_rows=config.store.batch_rows,
        migrates=config.store.migrate,
    )
    fed = await outbox.feed_remaining()
    print_line(f"{store.place}: fed {fed} rows")
    await outbox.finish_and_close()
