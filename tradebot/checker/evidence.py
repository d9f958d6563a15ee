"""The raw records: journal rows by plain SQL, the exchange's log and a trace by JSON, without the daemon's readers.

A damaged journal is read up to the damage; `JournalEvidence.damage` describes it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from tradebot.errors import DataError, StateError

SELECT_ROWS = "SELECT seq, run, at, wall, kind, prev, hash, body FROM rows ORDER BY seq"

HALT_KINDS = ("halt", "flatten", "reduce")  # row kinds that bar entries; older journals have the last one


class EvidenceRow(NamedTuple):
    """One journal row: `at` is market ns, `wall` wall ns; `body` is the JSON object, empty where it is not one."""

    seq: int
    run: str
    at: int
    wall: int
    kind: str
    body: dict[str, Any]


class JournalEvidence(NamedTuple):
    """The rows of one account in order; `cells` are all rows of the file as SQLite returns them, for the hash chain."""

    path: Path
    rows: tuple[EvidenceRow, ...]
    cells: tuple[tuple[Any, ...], ...]
    damage: str

    def rows_of_kinds(self, *kinds: str) -> Iterator[EvidenceRow]:
        """Yield the rows of these kinds."""
        return (row for row in self.rows if row.kind in kinds)

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The ids of the runs, oldest first."""
        return tuple(row.body["run_id"] for row in self.rows_of_kinds("run"))

    @property
    def end_row(self) -> EvidenceRow | None:
        """The last row if the last run ended in order, else None."""
        return self.rows[-1] if self.rows and self.rows[-1].kind == "end" else None


class ExchangeLog(NamedTuple):
    """The exchange's own log; each line is (line number, object)."""

    path: Path
    lines: tuple[tuple[int, dict[str, Any]], ...]

    def lines_of_kind(self, kind: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the numbered lines of one kind."""
        return ((number, line) for number, line in self.lines if line.get("kind") == kind)

    @property
    def account_id(self) -> str:
        """The account of the first session, empty where none is named."""
        return next((str(line.get("account", "")) for _, line in self.lines_of_kind("session")), "")

    def create_lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the numbered create requests."""
        for number, line in self.lines_of_kind("request"):
            if line["method"] == "POST" and str(line["path"]).startswith("/orders/"):
                yield number, line

    def order_versions(self) -> dict[str, list[tuple[int, dict[str, Any]]]]:
        """Return the exchange's order id -> its versions, oldest first."""
        found: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        for number, line in self.lines_of_kind("order"):
            found.setdefault(line["order_id"], []).append((number, line))
        return found


class Evidence(NamedTuple):
    """All that the checker may use; `log` and `trace` are None where they were not kept."""

    journal: JournalEvidence
    log: ExchangeLog | None = None
    trace: tuple[tuple[int, dict[str, Any]], ...] | None = None


def read_evidence(journal: Path, *, against: Path | None = None, trace: Path | None = None) -> Evidence:
    """Read the records. Raises StateError for an unreadable file, DataError for lines that are not JSON objects.

    A trace has two kinds of lines, in the order of the events. `{"did": "synced", "seq": N}`: row N is on disk.
    `{"did": "sent", "request": "create" | "modify" | "cancel", "order_id": ...}`: the bytes are about to leave.
    """
    log = ExchangeLog(against, tuple(_lines(against))) if against is not None else None
    read = _journal(journal, log.account_id if log is not None else "")
    return Evidence(journal=read, log=log, trace=tuple(_lines(trace)) if trace is not None else None)


def _journal(path: Path, account: str) -> JournalEvidence:
    if not path.is_file():
        raise StateError(f"{path}: there is no journal")
    cells: list[tuple[Any, ...]] = []
    damage = ""
    try:
        db = sqlite3.connect(f"file:{quote(bytes(path.resolve()))}?mode=ro", uri=True)
        try:
            for found in db.execute(SELECT_ROWS):
                cells.append(found)
        finally:
            db.close()
    except sqlite3.Error as error:
        damage = str(error)
    rows = [row for found in cells if (row := _row(found)) is not None]
    return JournalEvidence(path, _of_account(rows, account), tuple(cells), damage)


def _row(cells: tuple[Any, ...]) -> EvidenceRow | None:
    seq, run, at, wall, kind, _, _, body = cells
    if (type(seq), type(run), type(at), type(wall), type(kind)) != (int, str, int, int, str):
        return None
    try:
        value = json.loads(body)
    except (TypeError, ValueError):
        value = None
    return EvidenceRow(seq, run, at, wall, kind, value if isinstance(value, dict) else {})


def _of_account(rows: list[EvidenceRow], account: str) -> tuple[EvidenceRow, ...]:
    # A journal may hold the account of a rehearsal beside the real one; the two are independent.
    accounts = [row.body.get("account", "") for row in rows if row.kind == "run"]
    wanted = account if account in accounts else (accounts[-1] if accounts else "")
    kept, current = [], wanted
    for row in rows:
        if row.kind == "run":
            current = row.body.get("account", "")
        if current == wanted:
            kept.append(row)
    return tuple(kept)


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror}") from error
    whole, _, _ = text.rpartition(b"\n")  # a crash leaves a torn last line
    for number, line in enumerate(whole.split(b"\n"), 1):
        if not line:
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}:{number}: not JSON: {error}") from error
        if not isinstance(value, dict):
            raise DataError(f"{path}:{number}: not an object")
        yield number, value
