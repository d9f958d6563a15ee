"""Imports: files as other programs write them become exact bars, and bad ones are refused whole, in one sentence."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.history.bars_by_hand import MINUTE, assert_same, walk
from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries
from tradebot.errors import DataError, StateError
from tradebot.history.files import tables
from tradebot.history.files.rows import ParsedRows, ParseOptions
from tradebot.history.frames import series_frame
from tradebot.history.history import open_history
from tradebot.history.importing import ImportOptions, ImportReport, import_files, read_files
from tradebot.history.interval import MONTH, WEEK
from tradebot.history.merging import WriteCounts
from tradebot.history.staging import Staging

INDIA = ParseOptions(zone="Asia/Kolkata")
HEAD = "timestamp,open,high,low,close,volume\n"
NINE = "2025-06-02 09:15:00"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def take(
    path: Path, folder: Path, wanted: ParseOptions = INDIA, terms: ImportOptions = ImportOptions()
) -> ImportReport:
    with open_history(folder, writes=True) as history:
        return import_files(path, history, folder, parse_options=wanted, options=terms)


def held(folder: Path, symbol: str, interval: int = MINUTE) -> BarSeries:
    with open_history(folder) as history:
        return history.load_series([symbol], interval)[symbol]


def csv_of(series: BarSeries, path: Path, *, zoned: bool = True) -> Path:
    table = series_frame(series, Instrument(symbol=series.symbol))
    if not zoned:
        table.index = table.index.tz_localize(None)
    table.to_csv(path, compression="gzip" if path.suffix == ".gz" else None)
    return path


@pytest.mark.parametrize("name", ["RELIANCE.csv", "reliance.csv.gz"])
@pytest.mark.parametrize("zoned", [True, False])
def test_a_csv_comes_in_to_the_paisa(tmp_path: Path, name: str, zoned: bool) -> None:
    bars = walk(days=3)

    report = take(csv_of(bars, tmp_path / name, zoned=zoned), tmp_path / "state")

    assert report.series[0][:3] == ("RELIANCE", MINUTE, WriteCounts(added=len(bars), replaced=0, equal=0))
    assert_same(held(tmp_path / "state", "RELIANCE"), bars)


@pytest.mark.parametrize("suffix", ["parquet", "duckdb"])
def test_parquet_and_duckdb_come_in_the_same(tmp_path: Path, suffix: str) -> None:
    duckdb = pytest.importorskip("duckdb")
    bars = walk(days=3)
    source, target = csv_of(bars, tmp_path / "RELIANCE.csv"), tmp_path / f"RELIANCE.{suffix}"
    with duckdb.connect(str(target) if suffix == "duckdb" else ":memory:") as connection:
        connection.execute(f"CREATE TABLE bars AS SELECT * FROM read_csv('{source}')")  # noqa: S608
        if suffix == "parquet":
            connection.execute(f"COPY bars TO '{target}' (FORMAT parquet)")

    take(target, tmp_path / "state", ParseOptions())

    assert_same(held(tmp_path / "state", "RELIANCE"), bars)


def test_rows_of_many_symbols_in_any_order_come_apart(tmp_path: Path) -> None:
    series = {name: walk(name, days=30, seed=n) for n, name in enumerate(("TCS", "INFY", "M&M"))}
    tables = [series_frame(s, Instrument(symbol=name)).reset_index().assign(Ticker=name) for name, s in series.items()]
    mixed = pd.concat(tables).sample(frac=1.0, random_state=3).rename(columns=str.upper)
    mixed.to_csv(tmp_path / "all.csv", index=False)

    report = take(tmp_path / "all.csv", tmp_path / "state", terms=ImportOptions(interval=MINUTE))

    assert [one.symbol for one in report.series] == sorted(series)
    assert all(one.unsorted > 0 for one in report.series)
    for name, wanted in series.items():
        assert_same(held(tmp_path / "state", name), wanted)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Date,Open,High,Low,Close,Adj Close,Volume", "2025-06-02,1,2,0.5,1.5,1.4,10"),
        ("<DATE>;<TIME>;<OPEN>;<HIGH>;<LOW>;<CLOSE>;<VOL>", "2025-06-02;00:00;1;2;0.5;1.5;10"),
        ("ts\to\th\tl\tc\tv", "1748802600\t1\t2\t0.5\t1.5\t10"),
        ("open_time,open,high,low,close", "1748802600000,1,2,0.5,1.5"),
        ("datetime,open,high,low,close,volume", "2025-06-01T18:30:00Z,1,2,0.5,1.5,10"),
        ("Date,Open,High,Low,Close,Volume", "20250602,1,2,0.5,1.5,10"),
    ],
)
def test_the_usual_headers_and_times_are_understood(tmp_path: Path, header: str, row: str) -> None:
    source = write(tmp_path / "x.csv", f"{header}\n{row}\n")

    take(source, tmp_path / "state", terms=ImportOptions(interval=86_400 * SECOND))

    bars = held(tmp_path / "state", "X", 86_400 * SECOND)
    assert (bars.starts.tolist(), bars.close.tolist()) == ([1_748_802_600 * SECOND], [150])


def test_unusual_times_need_their_format(tmp_path: Path) -> None:
    source = write(tmp_path / "x.csv", HEAD + "02/06/2025 09:15,1,2,0.5,1.5,10\n02/06/2025 09:16,1,2,0.5,1.5,10\n")

    with pytest.raises(DataError, match="line 2: a time that cannot be read"):
        take(source, tmp_path / "state")
    take(source, tmp_path / "state", ParseOptions(zone="Asia/Kolkata", time_format="%d/%m/%Y %H:%M"))

    assert held(tmp_path / "state", "X").starts[0] == pd.Timestamp("2025-06-02 09:15", tz="Asia/Kolkata").value


def test_the_clock_change_of_new_york_is_heard(tmp_path: Path) -> None:
    source = write(tmp_path / "x.csv", HEAD + "2025-03-07 09:30:00,1,2,0.5,1.5,1\n2025-03-10 09:30:00,1,2,0.5,1.5,1\n")

    wanted = ParseOptions(zone="America/New_York")
    take(source, tmp_path / "state", wanted, ImportOptions(exchange="NASDAQ", interval=MINUTE))

    hours = held(tmp_path / "state", "X").starts // (3_600 * SECOND) % 24
    assert hours.tolist() == [14, 13]


def test_finer_prices_and_broken_volumes_are_kept_exactly(tmp_path: Path) -> None:
    rows = "2025-06-02T00:00Z,0.00012345,0.0002,0.0001,0.00015,5.50169101\n"
    source = write(tmp_path / "x.csv", HEAD + rows)

    take(source, tmp_path / "state", terms=ImportOptions(exchange="BINANCE", interval=MINUTE))

    bars = held(tmp_path / "state", "X")
    with open_history(tmp_path / "state") as history:
        instrument = history.instrument_of("X", MINUTE)
    assert (instrument.price_decimals, instrument.quantity_decimals) == (8, 8)
    assert (bars.open.tolist(), bars.volume.tolist()) == ([12345], [550169101])
    assert instrument.price_from_units(int(bars.open[0])) * 10**8 == 12345


GOOD = f"{NINE},100,101,99,100.5,10\n"
THIRD_ROW = "2025-06-02 09:17:00,100,101,99,100.5,10\n"
FIFTH_ROW = "2025-06-02 09:18:00,100,101,99,100.5,10\n"
TOO_LONG = "2025-06-02 09:17:00,1,2,1,1,1,9\n"
SECOND_ROW = "2025-06-02 09:16:00,100,101,99,100.5,10\n"
BAD = {
    "empty": ("", "the file is empty"),
    "header alone": (HEAD, "there are no bars in it"),
    "no columns": ("a,b\n1,2\n", "no column for time .*, open, high, low, close; its columns are a, b"),
    "one bar": (HEAD + GOOD, "one bar of a symbol does not tell how long a bar is; say it with --interval"),
    "NaN": (HEAD + GOOD + "2025-06-02 09:16:00,nan,101,99,100.5,10\n", "line 3: a price that is no number"),
    "no number": (HEAD + GOOD + "2025-06-02 09:16:00,abc,101,99,100.5,10\n", "line 3: a price that is no number"),
    "infinite": (HEAD + GOOD + "2025-06-02 09:16:00,100,inf,99,100.5,10\n", "line 3: a price that is no number"),
    "zero": (HEAD + GOOD + "2025-06-02 09:16:00,0,101,0,100.5,10\n", "line 3: a price of 0 or less"),
    "negative": (HEAD + GOOD + "2025-06-02 09:16:00,100,101,-1,100.5,10\n", "line 3: a price of 0 or less"),
    "high below low": (HEAD + GOOD + "2025-06-02 09:16:00,99,98,99,98,10\n", "line 3: a high below the low"),
    "close outside": (HEAD + GOOD + "2025-06-02 09:16:00,100,101,99,102,10\n", "open or close outside low to high"),
    "negative volume": (HEAD + GOOD + "2025-06-02 09:16:00,100,101,99,100,-1\n", "line 3: a bad volume"),
    "no time": (HEAD + GOOD + "soon,100,101,99,100,1\n", "line 3: a time that cannot be read"),
    "two that differ": (
        HEAD + GOOD + SECOND_ROW + f"{NINE},100,101,99,100.6,10\n", "two bars of X start at 2025-06-02T09:15.* differ",
    ),
    "mixed": (HEAD + GOOD + "2025-06-02T09:16:00+05:30,100,101,99,100,1\n", "mixed zones: the time of line 3 .* names"),
    "two offsets": (
        HEAD + "2025-06-02T09:15:00+05:30,100,101,99,100,1\n2025-06-02T03:46:00+00:00,100,101,99,100,1\n",
        r"mixed zones: line 3 has \+0000, the first row has \+0530",
    ),
    "closer than the interval": (
        HEAD + GOOD + SECOND_ROW + THIRD_ROW + f"2025-06-02 09:17:20,100,101,99,100,1\n{FIFTH_ROW}",
        "is the interval right",
    ),
    "more columns than named": (HEAD + GOOD + SECOND_ROW + TOO_LONG, "line 4: more values than the 6 columns"),
    "much more columns": (HEAD + GOOD + SECOND_ROW[:-1] + ",1,2,3,4\n", "cannot be read as CSV"),
    "endless decimals": (
        HEAD + f"{NINE},1.123456789123,2,1,1.5,1\n" + SECOND_ROW, "more than 8 decimals, .* --decimals 2 rounds"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_a_sentence_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    text, sentence = BAD[name]
    source = write(tmp_path / "x.csv", text)
    wanted = ParseOptions() if name == "two offsets" else INDIA

    with pytest.raises(DataError, match=sentence) as refused:
        take(source, tmp_path / "state", wanted)

    assert "\n" not in str(refused.value)
    with open_history(tmp_path / "state") as history:
        assert history.list_series() == []
    assert [p.name for p in (tmp_path / "state").iterdir() if "import" in p.name] == []


def test_what_was_there_before_a_bad_file_stays(tmp_path: Path) -> None:
    bars = walk("X", days=1)
    take(csv_of(bars, tmp_path / "X.csv"), tmp_path / "state")
    bad = tmp_path / "more"
    bad.mkdir()
    write(bad / "A.csv", HEAD + GOOD + SECOND_ROW)
    write(bad / "B.csv", HEAD + GOOD + "soon,1,2,1,1,1\n")

    with pytest.raises(DataError, match=r"B\.csv: line 3"):
        take(bad, tmp_path / "state")

    with open_history(tmp_path / "state") as history:
        assert [line.symbol for line in history.list_series()] == ["X"]
    assert_same(held(tmp_path / "state", "X"), bars)


def test_times_without_a_zone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="name no zone; say which it is, such as --tz"):
        take(write(tmp_path / "x.csv", HEAD + GOOD + SECOND_ROW), tmp_path / "state", ParseOptions())


def test_bad_rows_may_be_left_out_and_are_counted(tmp_path: Path) -> None:
    text = HEAD + GOOD + "2025-06-02 09:16:00,nan,1,1,1,1\n" + "\n" + "2025-06-02 09:17:00,0,1,0,1,1\n" + SECOND_ROW
    source = write(tmp_path / "x.csv", text)

    report = take(source, tmp_path / "state", ParseOptions(zone="Asia/Kolkata", skips_bad=True))

    assert report.skipped == {"a price that is no number": 1, "a price of 0 or less": 1}
    assert len(held(tmp_path / "state", "X")) == 2


def test_rows_that_say_the_same_twice_count_once(tmp_path: Path) -> None:
    report = take(write(tmp_path / "x.csv", HEAD + GOOD + GOOD + SECOND_ROW), tmp_path / "state")

    assert report.duplicates == 1
    assert len(held(tmp_path / "state", "X")) == 2


def test_a_number_of_hundreds_of_digits_is_none(tmp_path: Path) -> None:
    source = write(tmp_path / "x.csv", f"{HEAD}{NINE},{'9' * 400},1,1,1,1\n{NINE[:-4]}6:00,1,1,1,1,1\n")

    with pytest.raises(DataError, match=r"x\.csv: line 2: a price that is no number"):
        take(source, tmp_path / "state")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("A,3025-06-02 09:16:00,1,1,1,1,1", "line 3: a time that cannot be read"),  # nanoseconds end in 2262
        (",2025-06-02 09:16:00,1,1,1,1,1", "line 3: no symbol"),
        (f'A,2025-06-02 09:16:00,"1\n{"x" * 99}",1,1,1,1', r"no number .*, open 1 x{38}\.\.\., high"),
    ],
)  # fmt: skip
def test_a_row_that_is_no_bar_is_refused_in_one_line(tmp_path: Path, row: str, says: str) -> None:
    source = write(tmp_path / "x.csv", f"symbol,{HEAD}A,{NINE},1,1,1,1,1\n{row}\n")

    with pytest.raises(DataError, match=says) as caught:
        take(source, tmp_path / "state")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("far", ["99999999999", "9999999999999999999", "8999999999999999999999"])
def test_whole_numbers_that_are_no_time_are_refused(tmp_path: Path, far: str) -> None:
    source = write(tmp_path / "x.csv", f"{HEAD}{far},1,1,1,1,1\n{far[:-1]}8,1,1,1,1,1\n")

    with pytest.raises(DataError, match="line 2: a time that cannot be read"):
        take(source, tmp_path / "state")


def test_bars_of_two_lengths_in_one_folder_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "bars"
    folder.mkdir()
    minutes, sparse = walk("RELIANCE", days=1), walk("TCS", days=1, seed=2)
    csv_of(minutes, folder / "A.csv")
    csv_of(
        sparse.select_bars(np.flatnonzero(np.arange(len(sparse)) % 7 < 2)), folder / "B.csv"
    )  # minutes without trades

    assert [one.interval for one in take(folder, tmp_path / "state", INDIA).series] == [MINUTE, MINUTE]
    csv_of(minutes.select_bars(slice(0, None, 5)), folder / "C.csv")

    with pytest.raises(DataError, match="the bars of C are 5m apart, those of others 1m"):
        take(folder, tmp_path / "other", INDIA)
    with pytest.raises(DataError, match="the bars of A are 1m apart, and --interval says 30s"):
        take(folder / "A.csv", tmp_path / "other", INDIA, ImportOptions(interval=MINUTE // 2))


def test_a_torn_archive_and_what_is_no_text_are_refused(tmp_path: Path) -> None:
    torn = tmp_path / "x.csv.gz"
    torn.write_bytes(gzip.compress((HEAD + GOOD * 5_000).encode())[:-40])
    with pytest.raises(DataError, match=r"x\.csv\.gz: cannot be read"):
        take(torn, tmp_path / "state")
    binary = tmp_path / "y.csv"
    binary.write_bytes(b"\xff\xfe\x00timestamp" * 20)
    with pytest.raises(DataError, match=r"y\.csv: "):
        take(binary, tmp_path / "state")
    with pytest.raises(DataError, match="there is no such file"):
        take(tmp_path / "none.csv", tmp_path / "state")


def test_bars_can_be_read_without_a_history(tmp_path: Path) -> None:
    bars = walk(days=2)
    source = csv_of(bars, tmp_path / "RELIANCE.csv")

    read = read_files(source, tmp_path, parse_options=INDIA, options=ImportOptions())

    assert [i.symbol for i in read.instruments] == ["RELIANCE"]
    assert_same(read.series["RELIANCE"], bars)
    with pytest.raises(DataError, match="no bars of TCS; it has RELIANCE"):
        read_files(source, tmp_path, parse_options=INDIA, options=ImportOptions(), symbols=["TCS"])


def test_a_file_longer_than_a_batch_is_read_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BATCH_ROWS", 100)
    bars = walk(days=3)

    take(csv_of(bars, tmp_path / "RELIANCE.csv"), tmp_path / "state")

    assert_same(held(tmp_path / "state", "RELIANCE"), bars)


PEAK_MB = 400
IMPORT = """
import sys
from pathlib import Path
from tradebot.history.files import tables
from tradebot.history.history import open_history
from tradebot.history.importing import ImportOptions, import_files
from tradebot.history.files.rows import ParseOptions
tables.BATCH_ROWS = int(sys.argv[3])
folder = Path(sys.argv[2])
with open_history(folder, writes=True) as history:
    import_files(Path(sys.argv[1]), history, folder, parse_options=ParseOptions(), options=ImportOptions())
# Of this program alone: what getrusage tells begins with the memory of the process that started it.
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
sys.stdout.write(str(int(peak) // 1024))
"""


def large(path: Path, rows: int) -> Path:
    text = "".join(f",{100 + n % 900 / 100:.2f},110.00,90.00,{100 - n % 900 / 100:.2f},{n}\n" for n in range(10_000))
    lines = text.splitlines(keepends=True)
    with gzip.open(path, "wt", compresslevel=1) if path.suffix == ".gz" else path.open("w") as file:
        file.write(HEAD)
        for first in range(0, rows, 10_000):
            file.writelines(f"{1_500_000_000 + (first + n) * 10}{line}" for n, line in enumerate(lines))
    return path


def peak_of_import(source: Path, folder: Path, batch_rows: int = tables.BATCH_ROWS) -> int:
    command = [sys.executable, "-c", IMPORT, str(source), str(folder), str(batch_rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.timeout(300)
def test_memory_stays_below_what_is_stated_and_does_not_grow_with_the_file(tmp_path: Path) -> None:
    # The larger is 50 MB of text: 55 MB of numbers, 500 MB of cells. A chunk of such short bars is a day at most.
    rows = 150_000
    small = peak_of_import(large(tmp_path / "SMALL.csv", rows), tmp_path, 10_000)

    big = peak_of_import(large(tmp_path / "BIG.csv.gz", 8 * rows), tmp_path, 10_000)

    assert len(held(tmp_path, "BIG", 10 * SECOND)) == 8 * rows
    assert big < PEAK_MB
    assert big < small + 35, f"{small} MB for {rows} rows, {big} MB for eight times as many"


KILLED = IMPORT.replace("options=ImportOptions()", "options=ImportOptions(), progress=tell").replace(
    "folder =",
    """
def tell(what, done, total):
    if what.startswith(sys.argv[4]):
        sys.stdout.write("now")
        sys.stdout.flush()
        sys.stdin.read()
folder =""",
)


@pytest.mark.parametrize("moment", ["reading", "writing"])
def test_an_import_that_is_killed_leaves_nothing_and_runs_again(tmp_path: Path, moment: str) -> None:
    # given an import in the middle of its work
    bars, state = walk("X", days=2), tmp_path / "state"
    take(csv_of(walk("Y", days=1), tmp_path / "Y.csv"), state)
    source = csv_of(bars, tmp_path / "X.csv")
    command = [sys.executable, "-c", KILLED, str(source), str(state), "200000", moment]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as importing:
        assert importing.stdout is not None
        assert importing.stdout.read(3) == b"now"

        # when
        importing.kill()

    # then
    with open_history(state) as history:
        assert [line.symbol for line in history.list_series()] == ["Y"]
    assert [p.name for p in state.iterdir() if "history" not in p.name] == []
    take(source, state)
    assert_same(held(state, "X"), bars)


def test_a_disk_that_is_full_is_named(tmp_path: Path) -> None:
    with Staging(tmp_path, interval=MINUTE) as staging:
        staging._connection.execute("PRAGMA max_page_count=2")
        rows = ParsedRows(
            np.full(9_000, "X"), np.arange(9_000) * MINUTE, np.ones((5, 9_000)),
        )  # fmt: skip

        with pytest.raises(StateError, match="cannot be kept there: database or disk is full"):
            staging.add_rows(rows, "x.csv")


def test_the_commonest_step_is_the_interval_whatever_is_missing(tmp_path: Path) -> None:
    bars = walk(days=3)
    keep = np.random.default_rng(5).random(len(bars)) > 0.2
    few = BarSeries(
        symbol="X", interval=MINUTE,
        **{n: getattr(bars, n)[keep] for n in ("starts", "open", "high", "low", "close", "volume")},
    )  # fmt: skip

    take(csv_of(few, tmp_path / "X.csv"), tmp_path / "state")

    assert_same(held(tmp_path / "state", "X"), few)


@pytest.mark.parametrize("moment", ["reading", "writing"])
def test_an_interrupted_import_leaves_nothing(tmp_path: Path, moment: str) -> None:
    source = csv_of(walk("X", days=2), tmp_path / "X.csv")

    def interrupt(what: str, done: int, total: int) -> None:
        if what.startswith(moment):
            raise KeyboardInterrupt

    with open_history(tmp_path / "state", writes=True) as history:
        with pytest.raises(KeyboardInterrupt):
            import_files(
                source, history, tmp_path / "state", parse_options=INDIA, options=ImportOptions(), progress=interrupt
            )
        assert history.list_series() == []
        assert not [p for p in (tmp_path / "state").iterdir() if "import" in p.name]
        import_files(source, history, tmp_path / "state", parse_options=INDIA, options=ImportOptions())

    assert_same(held(tmp_path / "state", "X"), walk("X", days=2))


@pytest.mark.parametrize(
    ("days", "interval", "starts"),
    [
        (("2025-01-31", "2025-02-28", "2025-03-31"), MONTH, ("2025-01-01", "2025-02-01", "2025-03-01")),
        (("2025-01-01", "2025-02-04", "2025-03-03"), MONTH, ("2025-01-01", "2025-02-01", "2025-03-01")),
        (("2025-01-03", "2025-01-10", "2025-01-17"), WEEK, ("2024-12-30", "2025-01-06", "2025-01-13")),
        (("2025-01-05", "2025-01-12", "2025-01-19"), WEEK, ("2025-01-06", "2025-01-13", "2025-01-20")),
        (("2025-01-06", "2025-01-14", "2025-01-20"), WEEK, ("2025-01-06", "2025-01-13", "2025-01-20")),
    ],
)
def test_weeks_and_months_begin_where_the_calendar_has_them(
    tmp_path: Path, days: tuple[str, ...], interval: int, starts: tuple[str, ...]
) -> None:
    rows = "".join(f"{day},100,101,99,100,5\n" for day in days)
    take(write(tmp_path / "X.csv", HEAD + rows), tmp_path / "state")
    wanted = pd.DatetimeIndex(starts, tz="Asia/Kolkata").as_unit("ns").asi8
    assert held(tmp_path / "state", "X", interval).starts.tolist() == wanted.tolist()
