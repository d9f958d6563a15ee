"""The outbox: follows the journal and feeds a store from it, behind the order path's back; one task of the daemon.

The journal is the buffer: while the database is away nothing is read and nothing is kept. The cursor moves in the same
transaction as the lines and says where to go on, so no line is lost and none comes twice, whoever is killed when.
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
from tradebot.journal.rows import Listing
from tradebot.markets.debits import DELIVERY
from tradebot.ops.events.event import Tell
from tradebot.ops.events.storage import (
    RowsNotStored,
    StoreLost,
    StoreMigrated,
    StoreOpened,
    StoreRefused,
    StoreRestored,
)
from tradebot.store import migration
from tradebot.store.follower import Follower
from tradebot.store.projection import Known, Projection
from tradebot.store.store import START, Cursor, Lines, Store
from tradebot.store.tables import TABLES

EVERY_S = 0.25  # wall seconds between two looks at the journal
LIVE_ROWS = 100  # of one batch beside a trading loop: some milliseconds in which two threads want the interpreter
PAUSE_S = 0.01  # between two batches while catching up, so that a long journal leaves the interpreter to the loop
FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 30.0
FINISH_WITHIN_S = 3.0

Bill = Callable[[Universe], ChargesOf]


class _Read(NamedTuple):
    lines: Lines | None
    head: int


class Availability:
    """Whether the store at `place` takes rows, told to the operator once each way; `trouble` says why it does not."""

    def __init__(self, place: str, tell: Tell) -> None:
        self.trouble = ""
        self._place, self._tell = place, tell
        self._was_open = False
        self._behind = 0  # rows, when it was connected last

    def opened(self, behind: int) -> None:
        """Hear that it is connected, with `behind` rows on disk to be fed."""
        if not self._was_open and not self.trouble:
            self._tell(StoreOpened(place=self._place, behind=behind))
        self._was_open, self._behind = True, behind

    def took(self) -> None:
        """Hear that it took what there was. To answer ends no trouble: one on a full disk does, and takes nothing."""
        if self.trouble:
            self.trouble = ""
            self._tell(StoreRestored(place=self._place, behind=self._behind))

    def lost(self, reason: str) -> None:
        """Hear that it cannot be reached or takes nothing."""
        if not self.trouble:
            self._tell(StoreLost(reason=reason))
        self.trouble = reason

    def refused(self, reason: str) -> None:
        """Hear that it must not be used, which lasts as long as the run."""
        self.trouble = reason
        self._tell(StoreRefused(reason=reason))


class Outbox:
    """Feeds `store` from the journal at `path`.

    With `migrates` it brings the tables up to date itself, else it waits for somebody to. `fed` is the last row known
    to be in the tables, `behind` how many more were on disk at the last look, `trouble` why they cannot get there.
    """

    def __init__(
        self,
        store: Store,
        path: Path,
        *,
        clock: Clock,
        tell: Tell,
        bill: Bill,
        batch_rows: int = 500,
        migrates: bool = True,
        every_s: float = EVERY_S,
    ) -> None:
        self.store = store
        self.fed = self.behind = 0
        self._clock, self._tell, self._bill = clock, tell, bill
        self._batch_rows, self._migrates, self._every_s = batch_rows, migrates, every_s
        self._follower = Follower(path)
        self._availability = Availability(store.place, tell)
        self._projection: Projection | None = None
        self._unsent: Lines | None = None  # lines made and not known to be in the tables
        self._journal = ""
        self._settled = 0  # the journal's head one look ago

    @property
    def trouble(self) -> str:
        return self._availability.trouble

    async def run(self) -> None:
        """Feed until cancelled. Returns early, saying why, when the tables or the journal must not be used."""
        tries = 0
        while True:
            try:
                await self._connect()
                while True:
                    is_more = await self._step(to_the_end=False)
                    tries = 0
                    self._availability.took()
                    await self._clock.sleep(PAUSE_S if is_more else self._every_s)
            except LinkLost as error:
                await self.store.close()
                self._availability.lost(str(error))
                await self._clock.sleep(min(FIRST_RETRY_S * 2**tries, LONGEST_RETRY_S))
                tries = min(tries + 1, 10)
            except StateError as error:
                self._availability.refused(str(error))
                await self.store.close()
                return

    async def drain(self) -> int:
        """Feed everything that is on disk now and return the number of rows. Raises LinkLost or StateError."""
        if not self.store.is_open or self._projection is None:
            await self._connect()
        before = self.fed
        while await self._step(to_the_end=True):
            pass
        return self.fed - before

    async def finish(self, within_s: float = FINISH_WITHIN_S) -> None:
        """Feed what the run wrote last, if the store answers, and close everything; what is left goes next time."""
        try:
            if not self.trouble:
                async with asyncio.timeout(within_s):
                    await self.drain()
        except (TimeoutError, LinkLost, StateError) as error:
            reason = str(error) or f"the store took more than {within_s:g} s"
            self._tell(RowsNotStored(reason=reason))
        finally:
            await self.store.close()
            await asyncio.to_thread(self._follower.close)

    async def _connect(self) -> None:
        if not self.store.is_open:
            await self.store.open()
        if self._migrates:
            done = await self.store.migrate()
            if done:
                self._tell(StoreMigrated(migrations=done))
        elif wanted := migration.missing(migration.shipped(), await self.store.applied(), place=self.store.place):
            names = ", ".join(f"{one.version:04} {one.name}" for one in wanted)
            raise LinkLost(f"{self.store.place}: migrations are missing ({names}); run `tradebot db migrate`")
        identity = await asyncio.to_thread(self._follower.identity)
        self._journal = identity or ""
        cursor = await self.store.cursor(self._journal)
        await self._go_on_from(cursor)
        self.fed = cursor.seq
        self.behind = await asyncio.to_thread(self._follower.head) - self.fed
        self._availability.opened(self.behind)

    async def _go_on_from(self, cursor: Cursor) -> None:
        unsent = self._unsent
        if self._projection is not None and unsent is not None and cursor in (unsent.before, unsent.after):
            # The connection broke around a commit: the cursor says on which side.
            self._unsent = unsent if cursor == unsent.before else None
        elif self._projection is None or unsent is not None or self._projection.cursor != cursor:
            self._unsent = None
            self._projection = await self._begin(cursor)

    async def _begin(self, cursor: Cursor) -> Projection:
        if not await asyncio.to_thread(self._follower.holds, cursor):
            raise StateError(
                f"{self._follower.path}: its row {cursor.seq} is not the one {self.store.place} was fed; the journal"
                " was cut or went on elsewhere from a copy"
            )
        known = await self._known(cursor) if cursor != START else Known()
        projection = Projection(
            self._journal,
            known or Known(),
            bill=self._bill,
            look_back=lambda order_id, until: self._follower.of_order(order_id, until=until),
        )
        if known is None:
            await asyncio.to_thread(self._replay, projection, cursor)
        return projection

    def _replay(self, projection: Projection, cursor: Cursor) -> None:
        while rows := self._follower.after(projection.cursor, until=cursor.seq, limit=self._batch_rows):
            projection.step(rows)

    async def _known(self, cursor: Cursor) -> Known | None:
        # None where the cursor was set back and the tables are ahead of it: then the journal alone can tell.
        ours = {"journal": self._journal}
        runs = await self.store.select(TABLES["runs"], ours, order_by=["at", "wall"])
        positions = await self.store.select(TABLES["positions"], ours)
        cash, curves = dict[str, Any](), list[dict[str, Any]]()
        for account in sorted({line["account"] for line in runs}):
            curves += await self.store.select(
                TABLES["equity"], ours | {"account": account}, order_by=["seq"], newest=True, limit=1
            )
            cash |= {line["account"]: line["cash"] for line in curves}
        if any(line["seq"] > cursor.seq for line in (*runs, *positions, *curves)):
            return None
        listed = await asyncio.to_thread(self._follower.last, "universe", until=cursor.seq)
        universe = Universe(listed.message.instruments) if listed and isinstance(listed.message, Listing) else None
        began = await asyncio.to_thread(self._follower.last, "run", until=cursor.seq)
        run = next((line for line in runs if began is not None and line["run"] == began.run), None)
        return Known(cursor, run, tuple(positions), cash, universe, await self._delivered(ours))

    async def _delivered(self, ours: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        # Our delivery fills since the day before the newest one: a bill depends on those of its day. What other hands
        # traded has none.
        where = ours | {"product": DELIVERY}
        newest = await self.store.select(TABLES["fills"], where, order_by=["traded_at"], newest=True, limit=1)
        if not newest:
            return ()
        since = ("traded_at", newest[0]["traded_at"] - DAY)
        lines = await self.store.select(TABLES["fills"], where, order_by=["seq"], since=since)
        return tuple(line for line in lines if line["charges"])

    async def _step(self, *, to_the_end: bool) -> bool:
        if self._unsent is None:
            if not self._journal:
                await self._connect()  # the journal had no first row yet
                if not self._journal:
                    return False
            found = await self._read(to_the_end=to_the_end)
            self._unsent = found.lines
            self.behind, self._settled = found.head - self.fed, found.head
        if self._unsent is None:
            return False
        await self.store.write(self._unsent)
        self.behind -= self._unsent.after.seq - self.fed
        self.fed = self._unsent.after.seq
        self._unsent = None
        return True

    async def _read(self, *, to_the_end: bool) -> _Read:
        projection = self._projection
        assert projection is not None, "a connected outbox has a projection"
        # Rows are taken one look after they were first seen: what follows a close of bars is the desk's busiest moment.
        settled = self._settled

        def work() -> _Read:
            head = self._follower.head()
            until, most = (head, self._batch_rows) if to_the_end else (settled, min(LIVE_ROWS, self._batch_rows))
            rows = self._follower.after(projection.cursor, until=until, limit=most)
            return _Read(projection.step(rows) if rows else None, head)

        try:
            return await asyncio.to_thread(work)
        except BaseException:
            self._projection = None  # half a step into the batch, perhaps with a thread still inside
            raise
