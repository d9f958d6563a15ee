"""Checks of the state directory: the running daemon, the HALT file, size and tail of the journal, the tables."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tradebot.clock import Clock
from tradebot.config import Config
from tradebot.control.checkup import CLOCK, DISK, FEED, SESSION, check_status
from tradebot.control.client import send_request
from tradebot.control.halt_file import HaltFile
from tradebot.doctor.finding import Finding, green, red, yellow
from tradebot.errors import DaemonUnavailable, LinkLost, RequestRefused, StateError
from tradebot.journal.disk_space import MB, wal_size_bytes
from tradebot.journal.journal_heads import head_mismatch_reason
from tradebot.journal.lock import lock_holder
from tradebot.journal.reader import verify_tail
from tradebot.journal.schema import FILE_NAME, WAL_BYTES
from tradebot.store import migration
from tradebot.store.sqlite import FILE_NAME as STORE_FILE_NAME
from tradebot.store.store import Store, StoreDeadlines
from tradebot.store.store_factory import choose_store

TAIL_ROWS = 5_000  # checked in a tenth of a second; `tradebot verify` checks all
LARGE_JOURNAL_MB = 2_000  # some years of fifty symbols; each start reads it from its first row
LARGE_WAL_BYTES = 4 * WAL_BYTES  # the log grows while another process reads in one long transaction
URGENT = (SESSION, FEED, CLOCK, DISK)
VERIFY_REMEDY = "tradebot verify says more; a backup is put back by tradebot restore"
STORE_WITHIN = StoreDeadlines(acquire_s=5.0, query_s=5.0, close_s=1.0)


def check_daemon(state_dir: Path) -> Iterator[Finding]:
    """Ask the running daemon for its status over its socket, if one runs; look at the HALT file."""
    try:
        holder = lock_holder(state_dir)
        if holder is None:
            yield green("daemon", f"none runs on {state_dir}")
        else:
            yield judge_status(send_request(state_dir, "GET", "/status"))
    except (DaemonUnavailable, RequestRefused) as error:
        yield red("daemon", str(error), "look at its log; `tradebot kill` works without its answer")
    if reason := HaltFile(state_dir).read_reason():
        yield yellow("halt file", f"no order leaves: {reason}", "once the reason is gone: tradebot resume")


def judge_status(snapshot: dict[str, Any]) -> Finding:
    """Judge the status that a daemon answered."""
    code, sentence = check_status(snapshot)
    what = f"pid {snapshot['pid']}, {snapshot['state']}, {snapshot['mode']} on {snapshot['venue']}"
    if not code:
        return green("daemon", f"{what}: {sentence}")
    # A start that waits for the login of the morning is as it should be.
    make = red if code in URGENT and "feed" in snapshot else yellow
    return make("daemon", f"{what}: {sentence}", "tradebot status says more; once the reason is gone: tradebot resume")


def check_journal(state_dir: Path) -> Iterator[Finding]:
    """Look at the size of the journal, its last rows, and the heads that earlier runs left beside it."""
    path = state_dir / FILE_NAME
    if not path.exists():
        doubt = head_mismatch_reason(path)
        yield (
            red("journal", doubt, "put the journal back: tradebot restore, or the file itself")
            if doubt
            else green("journal", f"none at {path} yet; the first run writes it")
        )
        return
    try:
        report, doubt = verify_tail(path, TAIL_ROWS), head_mismatch_reason(path)
    except StateError as error:
        yield red("journal", str(error), VERIFY_REMEDY)
        return
    if not report.is_intact:
        what = f"{path}: row {report.broken_row} is {report.why}"
        yield red("journal", what, VERIFY_REMEDY)
    elif doubt:
        yield red("journal", doubt, VERIFY_REMEDY)
    else:
        yield judge_journal_size(path.stat().st_size, wal_size_bytes(path), report.rows)


def judge_journal_size(journal_bytes: int, wal_bytes: int, tail_rows: int) -> Finding:
    """Judge the bytes of a journal whose last `tail_rows` rows are intact, and those of its write-ahead log."""
    size = journal_bytes // MB
    what = f"{size} MB, its last {tail_rows} rows intact"
    if wal_bytes >= LARGE_WAL_BYTES:
        return yellow(
            "journal",
            f"{what}; its log has grown to {wal_bytes // MB} MB, since a program reads it in one long transaction",
            "end the program that has journal.sqlite3 open (fuser journal.sqlite3)",
        )
    if size >= LARGE_JOURNAL_MB:
        remedy = "on a flat evening: tradebot backup, then begin an empty state directory"
        return yellow("journal", f"{what}; each start reads it from its first row", remedy)
    return green("journal", what)


def check_store(config: Config, *, clock: Clock) -> Iterator[Finding]:
    """Look at whether the tables can be reached and have their migrations."""
    dsn, state_dir = config.store.dsn.get_secret_value(), config.app.state_dir
    if not config.store.enabled:
        yield green("database", "off (store.enabled = false)")
    elif not dsn and not (state_dir / STORE_FILE_NAME).exists():
        yield green("database", f"no {state_dir / STORE_FILE_NAME} yet; the first run makes it")
    else:
        store = choose_store(dsn, state_dir, clock=clock, deadlines=STORE_WITHIN)
        yield asyncio.run(_look_at_store(store, migrates=config.store.migrate))


async def _look_at_store(store: Store, *, migrates: bool) -> Finding:
    try:
        async with store:
            applied, version = await store.applied_migrations(), await store.server_version()
            missing = migration.missing_migrations(migration.shipped_migrations(), applied, place=store.place)
    except LinkLost as error:
        remedy = "start the database, or correct store.dsn; trading does not wait for it, and feeds it later"
        return red("database", str(error), remedy)
    except StateError as error:
        return red("database", str(error), "tradebot db status says more")
    if not missing:
        return green("database", f"{store.place}, {version}: has all its migrations")
    what = f"{store.place}, {version}: {len(missing)} migrations are missing"
    if migrates:
        return yellow("database", f"{what}; the next run applies them (store.migrate)", "tradebot db migrate")
    return red("database", f"{what}, and store.migrate is off", "tradebot db migrate")
