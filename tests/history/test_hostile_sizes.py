"""Hostile files of bars in their full size, by the real command in its own process: its memory and its exit code."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

HEAD = b"ts,open,high,low,close,volume\n"
ROW = b"2025-06-02 09:15,10,11,9,10.5,5\n"
MB = 1_000_000
LONG_LINE = "a line has more than 65536 characters"
# Its peak counts from the start of the program: that of a waited-for child would begin with what the parent holds.
PROGRAM = """
import sys
from tradebot.__main__ import run_command_line
code = run_command_line(sys.argv[1:])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM:")), end="")
sys.exit(code)
"""


def imported(path: Path, state: Path) -> tuple[int, str, float]:
    """Return the exit code of an import, what it said, and the most it held, MB."""
    command = ("data", "import", str(path), "--tz", "Asia/Kolkata", "--state-dir", str(state))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command], capture_output=True, text=True, check=False, timeout=100
    )
    return done.returncode, done.stderr, int(done.stdout.split()[-2]) / 1024


@pytest.mark.parametrize(
    ("begin", "again", "times", "why"),
    [
        (b"", b"a" * (10 * MB), 150, LONG_LINE),
        (HEAD + ROW, b"9" * (10 * MB), 40, LONG_LINE),
        (HEAD + ROW + b'2025-06-02 09:16,10,11,9,10.5,"', b"9" * (10 * MB), 60, LONG_LINE),
        (HEAD[:-1] + b",c" * 200_000 + b"\n", ROW[:-1] + b",1" * 200_000 + b"\n", 50, LONG_LINE),
        (HEAD, ROW * 100_000, 20, "one bar of a symbol does not tell how long a bar is"),
        (b"symbol," + HEAD, b"".join(b"S%d,%s" % (n, ROW) for n in range(500_000)), 1, "one bar of a symbol"),
    ],
    ids=[
        "a header of 1.5 GB",
        "400 MB without an end",
        "a field of 600 MB",
        "200,000 columns",
        "equal rows",
        "symbols",
    ],
)
def test_a_file_that_is_small_on_disk_takes_no_400_megabytes(
    begin: bytes, again: bytes, times: int, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "X.csv.gz"
    # Members of a gzip file follow each other, so one that is packed once stands for many.
    path.write_bytes(gzip.compress(begin, 1) + gzip.compress(again, 1) * times)

    code, told, peak_mb = imported(path, tmp_path / "state")

    assert code == 65
    assert why in told
    assert told.count("\n") == 1
    assert peak_mb < 400


def test_a_dictionary_of_long_texts_takes_no_400_megabytes(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "X.parquet"
    with duckdb.connect() as connection:
        connection.sql(
            "SELECT repeat('A', 60000) AS symbol, TIMESTAMP '2025-06-02 03:45:00' + INTERVAL (i) MINUTE AS ts,"
            " 10.0 AS open, 11.0 AS high, 9.0 AS low, 10.5 AS close, 5 AS volume FROM range(200000) t(i)"
        ).write_parquet(str(path))

    code, told, peak_mb = imported(path, tmp_path / "state")

    assert (code, "more than 64 letters" in told) == (65, True)
    assert peak_mb < 400
