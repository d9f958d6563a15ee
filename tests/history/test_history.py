"""The history in a SQLite file and in a real PostgreSQL: the same answers from both, all or nothing written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

import tradebot
from tests.history.bars_by_hand import MINUTE, assert_same, series, walk
from tests.store.conftest import dsn, server, server_dsn  # noqa: F401 - fixtures
from tradebot.__main__ import run_command_line
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries
from tradebot.errors import DataError, LinkLost, StateError
from tradebot.history.chunk import ChunkDecimals, encode_chunk, split_by_period
from tradebot.history.database import FILE_NAME, Database, PostgresDatabase, SqliteDatabase
from tradebot.history.history import History, merge_spans, open_history
from tradebot.history.merging import WriteCounts
from tradebot.store import migration

RELIANCE = Instrument(symbol="RELIANCE")


@pytest.fixture(params=["sqlite", "postgresql"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[History]:
    where = request.getfixturevalue("dsn") if request.param == "postgresql" else ""
    with open_history(tmp_path, dsn=where, writes=True) as opened:
        yield opened


def put(history: History, bars: BarSeries, instrument: Instrument = RELIANCE) -> WriteCounts:
    with history.transaction():
        return history.write_bars(instrument, bars, source="by hand")


def test_what_was_written_is_read_in_the_order_asked_for(history: History) -> None:
    first, second = walk(days=40), walk("TCS", days=2, seed=2)
    put(history, first)
    put(history, second, Instrument(symbol="TCS"))

    found = history.load_series(["TCS", "RELIANCE"], MINUTE)

    assert list(found) == ["TCS", "RELIANCE"]
    assert_same(found["RELIANCE"], first)
    assert_same(found["TCS"], second)


def test_a_span_is_half_open_and_crosses_chunks(history: History) -> None:
    bars = walk(days=40)
    put(history, bars)
    first, last = 3_000, 12_000

    found = history.load_series(["RELIANCE"], MINUTE, int(bars.starts[first]), int(bars.starts[last]))

    assert_same(found["RELIANCE"], bars.select_bars(slice(first, last)))


def test_a_bar_takes_the_place_of_one_with_its_start(history: History) -> None:
    bars = walk(days=2)
    put(history, bars.select_bars(slice(0, 500)))
    other = walk(days=2, seed=9)

    done = put(history, other.select_bars(slice(490, 750)))

    found = history.load_series(["RELIANCE"], MINUTE)["RELIANCE"]
    assert done == WriteCounts(added=250, replaced=10, equal=0)
    np.testing.assert_array_equal(found.close[:490], bars.close[:490])
    np.testing.assert_array_equal(found.close[490:], other.close[490:])


def test_writing_the_same_again_changes_nothing(history: History) -> None:
    bars = walk(days=2)
    put(history, bars)

    assert put(history, bars) == WriteCounts(added=0, replaced=0, equal=len(bars))


def test_bars_before_those_there_go_before_them(history: History) -> None:
    bars = walk(days=2)
    put(history, bars.select_bars(slice(375, 750)))
    put(history, bars.select_bars(slice(0, 375)))

    assert_same(history.load_series(["RELIANCE"], MINUTE)["RELIANCE"], bars)


def test_finer_prices_make_all_bars_of_the_series_finer(history: History) -> None:
    bars = walk(days=2)
    put(history, bars.select_bars(slice(0, 375)))
    put(history, bars.select_bars(slice(375, 750)), Instrument(symbol="RELIANCE", price_decimals=4))

    found = history.load_series(["RELIANCE"], MINUTE)["RELIANCE"]

    assert history.instrument_of("RELIANCE", MINUTE).price_decimals == 4
    np.testing.assert_array_equal(found.close[:375], bars.close[:375] * 100)
    np.testing.assert_array_equal(found.close[375:], bars.close[375:])


def test_a_transaction_that_fails_leaves_nothing(history: History, tmp_path: Path, request) -> None:
    put(history, walk(days=1))

    def fail() -> None:
        with history.transaction():
            history.write_bars(Instrument(symbol="TCS"), walk("TCS"), source="by hand")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    where = request.getfixturevalue("dsn") if "postgresql" in history.location else ""
    with open_history(tmp_path, dsn=where) as again:
        assert [line.symbol for line in again.list_series()] == ["RELIANCE"]


def test_the_list_says_what_is_there(history: History) -> None:
    bars = walk(days=40)
    put(history, bars)

    (line,) = history.list_series()

    assert line == ("RELIANCE", MINUTE, len(bars), bars.starts[0], bars.starts[-1], "NSE", "by hand", "")


def test_what_is_missing_is_named_with_what_there_is(history: History) -> None:
    put(history, walk(days=1))

    with pytest.raises(DataError, match="no 5m bars of RELIANCE, TCS in the asked span; it has 1m"):
        history.load_series(["RELIANCE", "TCS"], 5 * MINUTE)
    with pytest.raises(DataError, match="no 1m bars of RELIANCE"):
        history.load_series(["RELIANCE"], MINUTE, 0, 1)


def test_a_removed_series_is_gone_and_the_others_stay(history: History) -> None:
    put(history, walk(days=1))
    put(history, walk("TCS", days=1), Instrument(symbol="TCS"))

    with history.transaction():
        assert history.remove_series("RELIANCE", MINUTE)
        assert not history.remove_series("RELIANCE", MINUTE)

    assert [line.symbol for line in history.list_series()] == ["TCS"]


def test_spans_asked_for_grow_together(history: History) -> None:
    with history.transaction():
        for since, until in ((10, 20), (40, 50), (20, 30)):
            history.add_requested_span(RELIANCE, MINUTE, since, until, source="by hand")

    assert history.requested_spans(RELIANCE, MINUTE) == [(10, 30), (40, 50)]
    assert history.requested_spans(Instrument(symbol="TCS"), MINUTE) == []


def test_a_second_opening_finds_what_the_first_wrote(history: History, tmp_path: Path, request) -> None:
    bars = walk(days=1)
    put(history, bars)
    where = request.getfixturevalue("dsn") if "postgresql" in history.location else ""

    with open_history(tmp_path, dsn=where) as again:
        assert_same(again.load_series(["RELIANCE"], MINUTE)["RELIANCE"], bars)


def test_an_absent_file_is_named_with_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{FILE_NAME}: there is no history yet; `tradebot data import`"):
        open_history(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database, but long enough to be looked at as one" * 50)

    with pytest.raises(StateError, match="cannot be opened"):
        open_history(tmp_path)


def test_a_server_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(LinkLost, match=r"postgresql://someone@127\.0\.0\.1:1/none") as refused:
        open_history(tmp_path, dsn="postgresql://someone:secret@127.0.0.1:1/none")

    assert "secret" not in str(refused.value)


def test_spans_that_touch_are_one() -> None:
    assert merge_spans([(5, 6), (1, 3), (3, 4), (2, 3)]) == [(1, 4), (5, 6)]


def test_the_command_line_keeps_bars_in_the_database_when_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    where = request.getfixturevalue("dsn")
    monkeypatch.setenv("TRADEBOT_STORE__DSN", where)
    monkeypatch.setenv("TRADEBOT_HISTORY__IN_STORE", "true")
    source = tmp_path / "TCS.csv"
    source.write_text("ts,open,high,low,close\n2025-06-02T09:15+05:30,1,2,1,1.5\n", encoding="utf-8")

    code = run_command_line(
        ["data", "import", str(source), "--interval", "1m", "--state-dir", str(tmp_path / "state"), "--json"]
    )

    assert (code, capsys.readouterr().err) == (0, "")
    assert not (tmp_path / "state" / FILE_NAME).exists()
    assert tradebot.load_bars("TCS", source=where)["close"].tolist() == [1.5]


async def test_a_notebook_loads_bars_while_its_loop_runs(dsn: str, tmp_path: Path) -> None:  # noqa: F811
    bars = walk(days=1)
    with open_history(tmp_path, dsn=dsn, writes=True) as opened:
        put(opened, bars)

    assert len(tradebot.load_bars("RELIANCE", "5m", source=dsn)) == 75


def test_symbols_with_the_same_times_share_them(history: History) -> None:
    first, other = walk(days=40), walk("TCS", days=39)
    put(history, first)
    put(history, walk("INFY", days=40, seed=3), Instrument(symbol="INFY"))
    put(history, other, Instrument(symbol="TCS"))

    found = history.load_series(["RELIANCE", "INFY", "TCS"], MINUTE)

    assert found["RELIANCE"].starts is found["INFY"].starts
    assert_same(found["TCS"], other)
    with pytest.raises(ValueError, match="read-only"):
        found["INFY"].starts[0] = 0


OLD = """
CREATE TABLE history_migrations (version bigint NOT NULL PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
    applied_at bigint NOT NULL);
"""


def old_layout(database: Database, bars: BarSeries) -> None:
    # As versions wrote it that kept bars by symbol and interval alone.
    first, second, _ = migration.shipped_migrations("tradebot.history")
    with database.transaction():
        database.execute_script(OLD)
        for one in (first, second):
            database.execute_script(one.up_sql)
            database.fetch_rows("INSERT INTO history_migrations VALUES (?, ?, ?, ?)", *one[:2], one.checksum, 1)
        for number, (symbol, source) in enumerate((("RELIANCE", "file a.csv"), ("TCS", "venue embedded")), 1):
            body = msgspec.json.encode(Instrument(symbol=symbol, exchange="BSE")).decode()
            database.fetch_rows(
                "INSERT INTO history_series VALUES (?, ?, ?, ?, ?)", number, symbol, MINUTE, body, source
            )
            database.fetch_rows("INSERT INTO history_asked VALUES (?, ?, ?)", number, 1, 2)
            ((period, part),) = split_by_period(bars)
            slot = (number << 24) + period + (1 << 23)
            values = (
                slot,
                len(part),
                int(part.starts[0]),
                int(part.starts[-1]),
                encode_chunk(part, ChunkDecimals(2, 0)),
            )
            database.fetch_rows("INSERT INTO history_chunks VALUES (?, ?, ?, ?, ?)", *values)
    database.close()


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_a_history_of_an_older_version_is_read_as_what_it_was(
    tmp_path: Path, store: str, request: pytest.FixtureRequest
) -> None:
    bars, where = walk(days=2), request.getfixturevalue("dsn") if store == "postgresql" else ""
    old_layout(PostgresDatabase(where) if where else SqliteDatabase(tmp_path / FILE_NAME, writes=True), bars)

    with open_history(tmp_path, dsn=where) as history:
        lines = history.list_series()
        assert_same(history.load_series(["RELIANCE"], MINUTE)["RELIANCE"], bars)
        assert history.requested_spans(Instrument(symbol="TCS", exchange="BSE"), MINUTE, venue="embedded") == [(1, 2)]

    assert [(line.symbol, line.exchange, line.venue) for line in lines] == [
        ("RELIANCE", "BSE", ""), ("TCS", "BSE", "embedded"),
    ]  # fmt: skip


def test_a_history_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with open_history(tmp_path, writes=True) as history:
        history._database.fetch_rows("INSERT INTO history_migrations VALUES (99, 'later', '', 1)")

    with pytest.raises(StateError, match="its tables were made by a newer version"):
        open_history(tmp_path)


def test_invented_bars_and_those_of_other_exchanges_never_mix(history: History) -> None:
    traded, invented, other = (walk(days=1, seed=n) for n in (1, 2, 3))
    with history.transaction():
        history.write_bars(RELIANCE, invented, source="venue embedded", venue="embedded")
        history.add_requested_span(RELIANCE, MINUTE, 10, 20, source="venue embedded", venue="embedded")

    assert_same(history.load_series(["RELIANCE"], MINUTE)["RELIANCE"], invented)
    assert history.price_inventor("RELIANCE", MINUTE) == "embedded"
    put(history, traded)
    put(history, other, Instrument(symbol="RELIANCE", exchange="BSE"))

    assert_same(history.load_series(["NSE:RELIANCE"], MINUTE)["NSE:RELIANCE"], traded)
    assert_same(history.load_series(["BSE:RELIANCE"], MINUTE)["BSE:RELIANCE"], other)
    assert_same(history.load_series(["embedded:RELIANCE"], MINUTE)["embedded:RELIANCE"], invented)
    assert (history.requested_spans(RELIANCE, MINUTE), history.requested_spans(RELIANCE, MINUTE, venue="kite")) == (
        [],
        [],
    )
    with pytest.raises(DataError, match="RELIANCE trades at BSE and NSE; say BSE:RELIANCE or NSE:RELIANCE"):
        history.load_series(["RELIANCE"], MINUTE)


def test_traded_prices_come_before_invented_ones(history: History) -> None:
    with history.transaction():
        history.write_bars(RELIANCE, walk(days=1, seed=2), source="venue embedded", venue="embedded")
    put(history, walk(days=1))

    assert history.price_inventor("RELIANCE", MINUTE) == ""
    assert_same(history.load_series(["RELIANCE"], MINUTE)["RELIANCE"], walk(days=1))
    assert [line.full_name for line in history.list_series()] == ["NSE:RELIANCE", "embedded:RELIANCE"]


@pytest.mark.parametrize("shift", [-1, 1, -59, 59])
def test_a_bar_takes_the_place_of_another_form_of_itself(history: History, shift: int) -> None:
    # given bars that a first import stamped some seconds off; a month ends among them
    first = np.datetime64("2025-06-30T23:58", "ns").astype(np.int64)
    starts = first + np.arange(5) * MINUTE
    put(history, series("RELIANCE", starts + shift * MINUTE // 60, seed=2))

    # when
    done = put(history, series("RELIANCE", starts))

    # then
    assert history.bar_starts("RELIANCE", MINUTE).tolist() == starts.tolist()
    assert done.added + done.replaced == 5
    assert sum(line.bars for line in history.list_series()) == 5


def test_days_stamped_in_two_zones_are_one_form(history: History) -> None:
    days = np.arange(20_240, 20_245) * 86_400 * 10**9
    put(history, series("RELIANCE", days, interval=86_400 * 10**9))

    done = put(history, series("RELIANCE", days - 330 * MINUTE, interval=86_400 * 10**9))

    assert history.bar_starts("RELIANCE", 86_400 * 10**9).tolist() == (days - 330 * MINUTE).tolist()
    assert done == WriteCounts(added=0, replaced=5, equal=0)
