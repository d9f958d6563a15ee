"""The outbox: follows the journal and feeds a store from it, apart from the order path; one task of the daemon.

The journal is the buffer: while the database is away nothing is read and nothing is kept. The cursor moves in the same
transaction as the lines and says where to continue. So no line is lost and none comes twice, whenever a process dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tradebot.clock import DAY, Clock
from tradebot.domain.instrument import Universe
from tradebot.errors import LinkLost, StateError
from tradebot.journal.recovery import ChargesOf
from tradebot.journal.rows import InstrumentList
from tradebot.markets.debits import DELIVERY
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.storage import (
    RowsNotStored,
    StoreLost,
    StoreMigrated,
    StoreOpened,
    StoreRefused,
    StoreRestored,
)
from tradebot.store import migration
from tradebot.store.journal_tailer import JournalTailer
from tradebot.store.projection import Projection, TableState
from tradebot.store.store import CURSOR_START, Cursor, LineBatch, Store
from tradebot.store.tables import TABLES

JOURNAL_POLL_S = 0.25  # wall seconds between two reads of the journal
LIVE_BATCH_ROWS = 100  # per batch beside a trading loop: some milliseconds in which two threads want the interpreter
CATCH_UP_PAUSE_S = (
    0.01  # between two batches while catching up, so that a long journal leaves the interpreter to the loop
)
FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 30.0
FINISH_WITHIN_S = 3.0

ChargesFactory = Callable[[Universe], ChargesOf]


class _ReadBatch(NamedTuple):
    lines: LineBatch | None
    last_seq: int


class StoreAvailability:
    """Whether the store at `place` accepts rows; reports each change to the operator once.

    `trouble` says why it does not, "" while it does.
    """

    def __init__(self, place: str, tell: EventListener) -> None:
        self.trouble = ""
        self._place, self._tell = place, tell
        self._was_open = False
        self._behind = 0  # rows to feed, when it connected last

    def on_connected(self, behind: int) -> None:
        """Record that the store is connected, with `behind` rows on disk to feed."""
        if not self._was_open and not self.trouble:
            self._tell(StoreOpened(place=self._place, behind=behind))
        self._was_open, self._behind = True, behind

    def on_rows_taken(self) -> None:
        """Record that the store accepted all rows.

        Only this ends trouble. A connection does not: a database on a full disk connects and then accepts nothing.
        """
        if self.trouble:
            self.trouble = ""
            self._tell(StoreRestored(place=self._place, behind=self._behind))

    def on_lost(self, reason: str) -> None:
        """Record that the store cannot be reached or accepts nothing."""
        if not self.trouble:
            self._tell(StoreLost(reason=reason))
        self.trouble = reason

    def on_refused(self, reason: str) -> None:
        """Record that the store must not be used for the rest of the run."""
        self.trouble = reason
        self._tell(StoreRefused(reason=reason))


class Outbox:
    """Feeds `store` from the journal at `path`.

    With `migrates` it brings the tables up to date itself, else it waits until that is done. `fed_seq` is the last row
    known to be in the tables. `rows_behind` is how many more were on disk at the last read. `trouble` says why they
    cannot be fed. `charges_for(universe)` returns the function that computes the charges of a fill.
    """

    def __init__(
        self,
        store: Store,
        path: Path,
        *,
        clock: Clock,
        tell: EventListener,
        charges_for: ChargesFactory,
        batch_rows: int = 500,
        migrates: bool = True,
        poll_s: float = JOURNAL_POLL_S,
    ) -> None:
        self.store = store
        self.fed_seq = self.rows_behind = 0
        self._clock, self._tell, self._charges_for = clock, tell, charges_for
        self._batch_rows, self._migrates, self._poll_s = batch_rows, migrates, poll_s
        self._tailer = JournalTailer(path)
        self._availability = StoreAvailability(store.place, tell)
        self._projection: Projection | None = None
        self._unsent: LineBatch | None = None  # lines of which it is not known that they are in the tables
        self._journal = ""
        self._previous_last_seq = 0  # the journal's last seq at the previous read

    @property
    def trouble(self) -> str:
        """Return why the store accepts no rows, "" while it does."""
        return self._availability.trouble

    async def feed_store(self) -> None:
        """Feed until cancelled. Returns early, with a report, when the tables or the journal must not be used."""
        tries = 0
        while True:
            try:
                await self._connect()
                while True:
                    is_more = await self._step(to_the_end=False)
                    tries = 0
                    self._availability.on_rows_taken()
                    await self._clock.sleep(CATCH_UP_PAUSE_S if is_more else self._poll_s)
            except LinkLost as error:
                await self.store.close()
                self._availability.on_lost(str(error))
                await self._clock.sleep(min(FIRST_RETRY_S * 2**tries, LONGEST_RETRY_S))
                tries = min(tries + 1, 10)
            except StateError as error:
                self._availability.on_refused(str(error))
                await self.store.close()
                return

    async def feed_remaining(self) -> int:
        """Feed everything that is on disk now and return the number of rows. Raises LinkLost or StateError."""
        if not self.store.is_open or self._projection is None:
            await self._connect()
        before = self.fed_seq
        while await self._step(to_the_end=True):
            pass
        return self.fed_seq - before

    async def finish_and_close(self, within_s: float = FINISH_WITHIN_S) -> None:
        """Feed the last rows of the run, if the store answers, and close everything.

        The next run feeds what is left.
        """
        try:
            if not self.trouble:
                async with asyncio.timeout(within_s):
                    await self.feed_remaining()
        except (TimeoutError, LinkLost, StateError) as error:
            reason = str(error) or f"the store took more than {within_s:g} s"
            self._tell(RowsNotStored(reason=reason))
        finally:
            await self.store.close()
            await asyncio.to_thread(self._tailer.close_connection)

    async def _connect(self) -> None:
        if not self.store.is_open:
            await self.store.connect()
        if self._migrates:
            done = await self.store.migrate()
            if done:
                self._tell(StoreMigrated(migrations=done))
        elif wanted := migration.missing_migrations(
            migration.shipped_migrations(), await self.store.applied_migrations(), place=self.store.place
        ):
            names = ", ".join(f"{one.version:04} {one.name}" for one in wanted)
            raise LinkLost(f"{self.store.place}: migrations are missing ({names}); run `tradebot db migrate`")
        identity = await asyncio.to_thread(self._tailer.journal_id)
        self._journal = identity or ""
        cursor = await self.store.read_cursor(self._journal)
        await self._resume_from(cursor)
        self.fed_seq = cursor.seq
        self.rows_behind = await asyncio.to_thread(self._tailer.last_seq) - self.fed_seq
        self._availability.on_connected(self.rows_behind)

    async def _resume_from(self, cursor: Cursor) -> None:
        unsent = self._unsent
        if self._projection is not None and unsent is not None and cursor in (unsent.before, unsent.after):
            # The connection broke around a commit. The cursor shows whether it took effect.
            self._unsent = unsent if cursor == unsent.before else None
        elif self._projection is None or unsent is not None or self._projection.cursor != cursor:
            self._unsent = None
            self._projection = await self._make_projection(cursor)

    async def _make_projection(self, cursor: Cursor) -> Projection:
        if not await asyncio.to_thread(self._tailer.has_cursor_row, cursor):
            raise StateError(
                f"{self._tailer.path}: its row {cursor.seq} is not the one {self.store.place} was fed; the journal"
                " was cut or went on elsewhere from a copy"
            )
        known = await self._read_table_state(cursor) if cursor != CURSOR_START else TableState()
        projection = Projection(
            self._journal,
            known or TableState(),
            charges_for=self._charges_for,
            look_back=lambda order_id, until: self._tailer.rows_of_order(order_id, until_seq=until),
        )
        if known is None:
            await asyncio.to_thread(self._replay, projection, cursor)
        return projection

    def _replay(self, projection: Projection, cursor: Cursor) -> None:
        while rows := self._tailer.rows_after(projection.cursor, until_seq=cursor.seq, limit=self._batch_rows):
            projection.project_rows(rows)

    async def _read_table_state(self, cursor: Cursor) -> TableState | None:
        # None where the cursor was set back and the tables are ahead of it: then only the journal has the state.
        ours = {"journal": self._journal}
        runs = await self.store.select_lines(TABLES["runs"], ours, order_by=["at", "wall"])
        positions = await self.store.select_lines(TABLES["positions"], ours)
        cash, curves = dict[str, Any](), list[dict[str, Any]]()
        for account in sorted({line["account"] for line in runs}):
            curves += await self.store.select_lines(
                TABLES["equity"], ours | {"account": account}, order_by=["seq"], newest=True, limit=1
            )
            cash |= {line["account"]: line["cash"] for line in curves}
        if any(line["seq"] > cursor.seq for line in (*runs, *positions, *curves)):
            return None
        listed = await asyncio.to_thread(self._tailer.last_of_kind, "universe", until_seq=cursor.seq)
        universe = (
            Universe(listed.message.instruments) if listed and isinstance(listed.message, InstrumentList) else None
        )
        began = await asyncio.to_thread(self._tailer.last_of_kind, "run", until_seq=cursor.seq)
        run = next((line for line in runs if began is not None and line["run"] == began.run), None)
        return TableState(cursor, run, tuple(positions), cash, universe, await self._read_delivery_fills(ours))

    async def _read_delivery_fills(self, ours: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        # Our delivery fills since the day before the newest one: charges depend on the fills of the same day. Fills of
        # other people in the account have no charges.
        where = ours | {"product": DELIVERY}
        newest = await self.store.select_lines(TABLES["fills"], where, order_by=["traded_at"], newest=True, limit=1)
        if not newest:
            return ()
        since = ("traded_at", newest[0]["traded_at"] - DAY)
        lines = await self.store.select_lines(TABLES["fills"], where, order_by=["seq"], since=since)
        return tuple(line for line in lines if line["charges"])

    async def _step(self, *, to_the_end: bool) -> bool:
        if self._unsent is None:
            if not self._journal:
                await self._connect()  # the journal had no first row yet
                if not self._journal:
                    return False
            found = await self._read(to_the_end=to_the_end)
            self._unsent = found.lines
            self.rows_behind, self._previous_last_seq = found.last_seq - self.fed_seq, found.last_seq
        if self._unsent is None:
            return False
        await self.store.write_batch(self._unsent)
        self.rows_behind -= self._unsent.after.seq - self.fed_seq
        self.fed_seq = self._unsent.after.seq
        self._unsent = None
        return True

    async def _read(self, *, to_the_end: bool) -> _ReadBatch:
        projection = self._projection
        assert projection is not None, "a connected outbox has a projection"
        # Rows are fed one read after they were first seen, because the desk is busiest in the moment after a bar close.
        settled = self._previous_last_seq

        def work() -> _ReadBatch:
            head = self._tailer.last_seq()
            until, most = (head, self._batch_rows) if to_the_end else (settled, min(LIVE_BATCH_ROWS, self._batch_rows))
            rows = self._tailer.rows_after(projection.cursor, until_seq=until, limit=most)
            return _ReadBatch(projection.project_rows(rows) if rows else None, head)

        try:
            return await asyncio.to_thread(work)
        except BaseException:
            # The batch is half projected, perhaps by a thread that still runs. A new projection is made.
            self._projection = None
            raise
