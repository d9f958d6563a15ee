"""Reading: the right rows, also while they are written, and the first row that breaks the chain by name."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.journal.ledger_by_hand import START, close, fact, intent, run, tamper, write
from tradebot.clock import ManualClock
from tradebot.domain.order import OrderEventType
from tradebot.errors import StateError
from tradebot.journal import reader, schema
from tradebot.journal.chain import chain_hash
from tradebot.journal.reader import find_row_by_hash, latest_run, read_rows, verify_chain, verify_tail
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.writer import Journal


async def ten_rows(state_dir: Path) -> Path:
    return await write(state_dir, *(("order", intent(f"TB{i}", at=START + i)) for i in range(1, 11)))


async def test_rows_are_chosen_by_kind_run_time_and_order(tmp_path: Path) -> None:
    await write(tmp_path, ("run", run("r1")), ("order", intent("TB1")), ("order", intent("TB12", at=START + 5)))
    path = await write(tmp_path, ("run", run("r2")), ("close", close()), run_id="r2")

    assert [r.seq for r in read_rows(path)] == [1, 2, 3, 4, 5]
    assert [r.seq for r in read_rows(path, kinds=("run", "close"))] == [1, 4, 5]
    assert [r.seq for r in read_rows(path, kinds=())] == []
    assert [r.seq for r in read_rows(path, run="r2")] == [4, 5]
    assert [r.seq for r in read_rows(path, since=START + 5)] == [3, 5]
    assert [r.seq for r in read_rows(path, order_id="TB1")] == [2, 3]
    assert [r.seq for r in read_rows(path, order_id="TB12")] == [3]
    assert [r.seq for r in read_rows(path, order_id="B1")] == []


async def test_rows_are_the_same_however_they_are_paged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await ten_rows(tmp_path)
    whole = list(read_rows(path))

    for size in (1, 3, 10, 11):
        monkeypatch.setattr(reader, "PAGE_ROWS", size)
        assert list(read_rows(path)) == whole
        assert verify_chain(path).rows == 10


async def test_a_slow_reader_sees_what_was_written_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "PAGE_ROWS", 1)
    async with Journal(tmp_path, run="r1", clock=ManualClock(START)) as journal:
        await journal.wait_durable(journal.append("order", intent("TB1"), at=START))
        reading = read_rows(tmp_path / FILE_NAME)
        assert next(reading).seq == 1
        await journal.wait_durable(journal.append("order", intent("TB2"), at=START))
        assert next(reading).seq == 2
        assert verify_chain(tmp_path / FILE_NAME).rows == 2


async def test_the_latest_run_is_the_one_that_began_last(tmp_path: Path) -> None:
    await write(tmp_path, ("run", run("r1")), ("order", intent("TB1")))
    path = await write(tmp_path, ("run", run("r2")), ("order", intent("TB2")), run_id="r2")

    assert latest_run(path) == run("r2")


async def test_an_intact_chain_ends_in_the_hash_of_its_last_row(tmp_path: Path) -> None:
    path = await ten_rows(tmp_path)

    verdict = verify_chain(path)

    assert verdict == (10, list(read_rows(path))[-1].hash, None, "")
    assert verdict.is_intact
    assert find_row_by_hash(path, verdict.head) == 10


@pytest.mark.parametrize(
    ("statement", "broken", "why"),
    [
        ("UPDATE rows SET body = replace(body, 'TB4', 'TB5') WHERE seq = 4", 4, "changed"),
        ("UPDATE rows SET at = at + 1 WHERE seq = 1", 1, "changed"),
        ("UPDATE rows SET wall = wall + 1 WHERE seq = 10", 10, "changed"),
        ("UPDATE rows SET run = 'r9' WHERE seq = 7", 7, "changed"),
        ("UPDATE rows SET kind = 'halt' WHERE seq = 7", 7, "changed"),
        ("UPDATE rows SET hash = zeroblob(32) WHERE seq = 7", 7, "changed"),
        ("UPDATE rows SET prev = zeroblob(31) WHERE seq = 7", 7, "changed"),
        ("DELETE FROM rows WHERE seq = 4", 4, "missing"),
        ("DELETE FROM rows WHERE seq = 1", 1, "missing"),
        ("DELETE FROM rows WHERE seq BETWEEN 3 AND 5", 3, "missing"),
        ("UPDATE rows SET seq = -seq WHERE seq IN (4, 5);"
         "UPDATE rows SET seq = 9 + seq WHERE seq < 0;", 4, "reordered"),
        ("UPDATE rows SET seq = 0 WHERE seq = 1; UPDATE rows SET seq = 1 WHERE seq = 2;"
         "UPDATE rows SET seq = 2 WHERE seq = 0;", 1, "reordered"),
        ("DELETE FROM rows WHERE seq = 4; UPDATE rows SET seq = seq - 1 WHERE seq > 4;", 4, "changed"),
    ],
)  # fmt: skip
async def test_the_first_row_that_breaks_the_chain_is_named(
    tmp_path: Path, statement: str, broken: int, why: str
) -> None:
    path = await ten_rows(tmp_path)
    intact = verify_chain(path)

    tamper(path, statement)

    found = verify_chain(path)
    assert (found.broken_row, found.why) == (broken, why)
    assert found.rows == broken - 1
    assert found.head != intact.head


async def test_the_tail_is_checked_alone_and_the_rows_before_it_are_not(tmp_path: Path) -> None:
    path = await ten_rows(tmp_path)
    whole = verify_chain(path)
    assert verify_tail(path, 4) == whole._replace(rows=4)
    assert verify_tail(path, 50) == whole

    tamper(path, "UPDATE rows SET at = at + 1 WHERE seq = 6")
    assert verify_tail(path, 4).is_intact
    assert (verify_tail(path, 5).broken_row, verify_tail(path, 5).why) == (6, "changed")
    tamper(path, "DELETE FROM rows WHERE seq = 8")
    assert (verify_tail(path, 3).broken_row, verify_tail(path, 3).why) == (8, "missing")


async def test_a_row_of_the_tail_with_a_hash_of_its_own_is_found_by_the_row_after_it(tmp_path: Path) -> None:
    path = await ten_rows(tmp_path)
    old = next(row for row in read_rows(path) if row.seq == 9)
    own = chain_hash(prev=old.prev, seq=9, run=old.run, at=0, wall=old.wall_at, kind=old.kind, body=old.body)
    tamper(path, "UPDATE rows SET at = 0, hash = ? WHERE seq = 9", own)
    assert (verify_tail(path, 4).broken_row, verify_tail(path, 4).why) == (10, "changed")


async def test_a_flipped_bit_anywhere_in_a_row_is_found(tmp_path: Path) -> None:
    path = await ten_rows(tmp_path)
    content = path.read_bytes()
    body = content.index(b'{"order_id":"TB6"')

    for offset in (body + 14, body + 40, body + 300):
        path.write_bytes(content[:offset] + bytes([content[offset] ^ 1]) + content[offset + 1 :])
        found = verify_chain(path)
        assert (found.broken_row, found.why) == (6, "changed")


async def test_a_changed_row_with_a_hash_of_its_own_is_found_by_the_row_after_it(tmp_path: Path) -> None:
    path = await ten_rows(tmp_path)
    old = next(row for row in read_rows(path) if row.seq == 4)
    body = old.body.replace(b"TB4", b"TB5")
    own = chain_hash(prev=old.prev, seq=4, run=old.run, at=old.at, wall=old.wall_at, kind=old.kind, body=body)
    tamper(path, "UPDATE rows SET body = ?, hash = ? WHERE seq = 4", body, own)

    found = verify_chain(path)

    assert (found.broken_row, found.why) == (5, "changed")


async def test_rows_cut_off_at_the_end_are_shown_by_a_hash_kept_elsewhere(tmp_path: Path) -> None:
    path = await ten_rows(tmp_path)
    head = verify_chain(path).head

    tamper(path, "DELETE FROM rows WHERE seq > 7")

    assert verify_chain(path).is_intact
    assert find_row_by_hash(path, head) is None


async def test_a_torn_file_is_named_with_the_last_row_that_can_be_read(tmp_path: Path) -> None:
    path = await write(
        tmp_path, *(("order", fact("TB1", OrderEventType.SENDING, reason="x" * 3_000)) for _ in range(50))
    )
    content = path.read_bytes()
    page = content.index(b"x" * 3_000, len(content) // 2) // 4096 * 4096
    path.write_bytes(content[:page] + b"\xa5" * 4096 + content[page + 4096 :])

    found = verify_chain(path)

    assert found.why == "torn"
    assert found.broken_row is not None
    assert found.rows == found.broken_row - 1


async def test_a_journal_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="there is no journal"):
        list(read_rows(tmp_path / FILE_NAME))


@pytest.mark.parametrize("content", [b"", b"holiday pictures" * 100])
async def test_a_file_that_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)

    with pytest.raises(StateError, match="not a journal"):
        verify_chain(tmp_path / FILE_NAME)


async def test_reading_cannot_write(tmp_path: Path) -> None:
    path = await ten_rows(tmp_path)
    connection = reader.connect_reader(path)

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM rows")
    connection.close()


async def test_a_copy_without_room_for_an_index_is_read_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await ten_rows(tmp_path)
    asked: list[str] = []
    look = schema._found_version

    def find_no_index(connection: sqlite3.Connection, path: Path) -> int | None:
        (address,) = (row[2] for row in connection.execute("PRAGMA database_list"))
        asked.append(address)
        if len(asked) == 1:
            raise sqlite3.OperationalError("unable to open database file")
        return look(connection, path)

    monkeypatch.setattr(schema, "_found_version", find_no_index)

    assert verify_chain(path).rows == 10
    assert asked == [str(path), str(path)]


def test_a_link_covers_every_field_of_its_row_and_the_row_before() -> None:
    fields = {"prev": bytes(32), "seq": 1, "run": "T", "at": 2, "wall": 3, "kind": "order", "body": b"{}"}
    others = {"prev": b"1" * 32, "seq": 2, "run": "U", "at": 3, "wall": 4, "kind": "halt", "body": b"[]"}
    rows = [fields, *(fields | {name: other} for name, other in others.items())]
    assert len({chain_hash(**row) for row in rows}) == 1 + len(others)  # type: ignore[arg-type]
