"""The verb `data` at the front door: import, list, check, export and remove, with exit codes and JSON."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from tradebot.__main__ import run_command_line
from tradebot.history.history import History

ROWS = "timestamp,open,high,low,close,volume\n" + "".join(
    f"2025-06-02 09:{15 + k}:00,100,101,99,100.5,{k}\n" for k in range(10)
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "TCS.csv"
    path.write_text(ROWS, encoding="utf-8")
    return path


def data(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = run_command_line(["data", *map(str, args)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_file_goes_in_is_listed_comes_out_and_goes(capsys, tmp_path: Path, source: Path) -> None:
    where = ("--state-dir", tmp_path / "state")

    code, out, _ = data(capsys, "import", source, "--tz", "Asia/Kolkata", *where, "--json")
    assert code == 0
    assert json.loads(out)["series"] == [
        {"symbol": "TCS", "interval": "1m", "added": 10, "replaced": 0, "equal": 0, "unsorted": 0}
    ]
    code, out, _ = data(capsys, "list", *where, "--json")
    (line,) = json.loads(out)
    assert (line["symbol"], line["bars"], line["first"]) == ("TCS", 10, "2025-06-02T09:15:00+05:30")
    code, out, _ = data(capsys, "export", "TCS", "--interval", "5m", *where)
    assert out.splitlines()[:2] == [
        "ts,open,high,low,close,volume",
        "2025-06-02 09:15:00+05:30,100.0,101.0,99.0,100.5,10",
    ]
    code, out, _ = data(capsys, "check", *where)
    assert (code, out) == (0, "nothing wrong was found\n")
    code, out, _ = data(capsys, "remove", "tcs", "--interval", "1m", "--yes", *where)
    assert (code, out) == (0, "removed 10 bars of TCS\n")
    assert json.loads(data(capsys, "list", *where, "--json")[1]) == []


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_a_place_that_takes_no_file_is_named(
    capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: Path, name: str
) -> None:
    where = ("--state-dir", tmp_path / "state")
    assert data(capsys, "import", source, "--tz", "Asia/Kolkata", *where)[0] == 0

    def refuse(*_: object, **__: object) -> None:  # as a file system that is read only does, whether there is a file
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    code, out, err = data(capsys, "export", "TCS", "-o", tmp_path / "absent" / name, *where)

    assert (code, out) == (65, "")
    assert f"{name}: cannot be written: " in err
    assert err.count("\n") == 1


def test_a_bad_file_is_exit_65_and_a_sentence(capsys, tmp_path: Path, source: Path) -> None:
    source.write_text(ROWS + "2025-06-02 09:25:00,nan,1,1,1,1\n", encoding="utf-8")

    code, out, err = data(capsys, "import", source, "--tz", "Asia/Kolkata", "--state-dir", tmp_path / "state")

    assert (code, out) == (65, "")
    assert err.startswith(f"tradebot: {source}: line 12: a price that is no number")
    assert err.count("\n") == 1


def test_an_import_that_is_stopped_says_that_nothing_was_taken(
    capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: Path
) -> None:
    where = ("--tz", "Asia/Kolkata", "--state-dir", tmp_path / "state")

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(History, "write_bars", stop)
    code, out, err = data(capsys, "import", source, *where)
    monkeypatch.undo()

    assert (code, out) == (130, "")
    assert err == f"tradebot: interrupted; nothing of {source} was taken, the same command begins again\n"
    assert json.loads(data(capsys, "list", "--state-dir", tmp_path / "state", "--json")[1]) == []


def test_check_names_what_is_wrong_with_a_file(capsys, tmp_path: Path, source: Path) -> None:
    source.write_text(ROWS + ROWS.splitlines()[3] + "\n2025-06-02 09:40:00,0,1,0,1,1\n", encoding="utf-8")

    code, out, _ = data(capsys, "check", source, "--tz", "Asia/Kolkata", "--json")

    assert code == 65
    assert {row["kind"] for row in json.loads(out)} == {"bad_rows", "duplicates", "unsorted"}


def test_an_empty_history_is_named_with_what_fills_it(capsys, tmp_path: Path) -> None:
    code, out, err = data(capsys, "list", "--state-dir", tmp_path)

    assert (code, out) == (65, "")
    assert "there is no history yet; `tradebot data import`" in err


def test_a_zone_and_an_interval_that_are_none_are_refused(capsys, tmp_path: Path, source: Path) -> None:
    where = ("--state-dir", tmp_path / "state")

    assert "no time zone 'Mars'" in data(capsys, "import", source, "--tz", "Mars", *where)[2]
    assert "interval 'x' is none" in data(capsys, "import", source, "--interval", "x", *where)[2]


def test_a_download_from_the_embedded_exchange_fills_gaps_alone(capsys, tmp_path: Path) -> None:
    ask = ("download", "--symbols", "RELIANCE,TCS", "--from", "2026-01-20", "--state-dir", tmp_path, "--json")

    code, out, err = data(capsys, *ask, "--to", "2026-01-22")
    assert code == 0, err
    assert [(row["symbol"], row["requests"], row["added"]) for row in json.loads(out)] == [
        ("RELIANCE", 1, 1125),
        ("TCS", 1, 1125),
    ]
    rows = json.loads(data(capsys, *ask, "--to", "2026-01-23")[1])
    assert [(row["requests"], row["added"]) for row in rows] == [(1, 375), (1, 375)]
    assert [row["requests"] for row in json.loads(data(capsys, *ask, "--to", "2026-01-23")[1])] == [0, 0]
    code, out, _ = data(capsys, "check", "--state-dir", tmp_path, "--json")
    assert (code, [(row["kind"], row["refused"]) for row in json.loads(out)]) == (0, [("invented", False)] * 2)
    lines = json.loads(data(capsys, "list", "--state-dir", tmp_path, "--json")[1])
    assert {line["prices"] for line in lines} == {"invented by embedded"}


def test_a_download_that_is_stopped_keeps_what_came_and_says_so(
    capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ask = (
        "download",
        "--symbols",
        "RELIANCE,TCS",
        "--from",
        "2026-01-20",
        "--to",
        "2026-01-22",
        "--state-dir",
        tmp_path,
    )
    put = History.write_bars

    def stop(history: History, instrument: Any, *args: Any, **more: Any) -> Any:
        if instrument.symbol == "TCS":
            raise KeyboardInterrupt
        return put(history, instrument, *args, **more)

    monkeypatch.setattr(History, "write_bars", stop)
    code, out, err = data(capsys, *ask)
    monkeypatch.undo()

    assert (code, out) == (130, "")
    assert err == "tradebot: interrupted; what came is kept, the same command goes on from there\n"
    rows = json.loads(data(capsys, *ask, "--json")[1])
    assert [(row["symbol"], row["requests"], row["added"]) for row in rows] == [("RELIANCE", 0, 0), ("TCS", 1, 1125)]


def test_a_download_of_what_the_venue_has_not_is_refused(capsys, tmp_path: Path) -> None:
    where = ("--symbols", "TCS", "--state-dir", tmp_path)

    code, _, err = data(capsys, "download", "--interval", "7m", "--from", "2026-01-20", *where)
    assert (code, err.count("\n")) == (65, 1)
    assert "Kite has no candles of 420 s" in err
    assert "is not before --to" in data(capsys, "download", "--from", "2099-01-01", *where)[2]


JUMP = "date,open,high,low,close,volume\n" + "".join(
    f"2025-06-0{day},{price},{price},{price},{price},1\n" for day, price in ((2, 200), (3, 200), (4, 100), (5, 100))
)


def test_a_jump_is_accepted_for_its_symbol_and_day(capsys, tmp_path: Path) -> None:
    # given a split that a backtest refuses, whatever is said of gaps
    source, where = tmp_path / "TCS.csv", ("--state-dir", tmp_path / "state")
    source.write_text(JUMP, encoding="utf-8")
    assert data(capsys, "import", source, "--tz", "Asia/Kolkata", *where)[0] == 0
    asked = ["backtest", "-s", "ema_cross", "--symbols", "TCS", "--interval", "1d", "--accept-gaps", "--no-checks"]
    for more in ([], ["--data", str(source), "--tz", "Asia/Kolkata"]):
        assert run_command_line([*asked, "--state-dir", str(tmp_path / "state"), *more]) == 65
        assert "`tradebot data accept TCS 2025-06-04`" in capsys.readouterr().err

    # when
    code, _, err = data(capsys, "accept", "TCS", "2025-06-03", *where)
    assert (code, err.split(": ", 2)[2]) == (65, "TCS has no jump on 2025-06-03; it has: 2025-06-04\n")
    assert data(capsys, "accept", "tcs", "2025-06-04", *where)[:2] == (
        0, "accepted: the jump of NSE:TCS on 2025-06-04\n",
    )  # fmt: skip

    # then
    assert data(capsys, "check", *where)[:2] == (0, "nothing wrong was found\n")
    assert data(capsys, "check", source, "--tz", "Asia/Kolkata", *where)[:2] == (0, "nothing wrong was found\n")
    for more in ([], ["--data", str(source), "--tz", "Asia/Kolkata"]):
        assert run_command_line([*asked, "--state-dir", str(tmp_path / "state"), *more]) == 0


def test_what_an_import_does_not_read_or_zeroes_it_says(capsys, tmp_path: Path) -> None:
    source = tmp_path / "TCS.csv"
    source.write_text(
        "time,open,high,low,close,money\n0915,1,2,1,2,9\n0916,1,2,1,2,9\n".replace("0915", "2025-06-02 09:15").replace(
            "0916", "2025-06-02 09:16"
        ),
        encoding="utf-8",
    )

    code, _, err = data(capsys, "import", source, "--tz", "Asia/Kolkata", "--state-dir", tmp_path / "state")

    assert (code, err) == (0, "no volume column; columns not read: money: volumes are 0\n")


def test_a_share_of_another_exchange_is_tested_by_its_whole_name(capsys, tmp_path: Path) -> None:
    source, where = tmp_path / "TCS.csv", ("--state-dir", str(tmp_path / "state"))
    for exchange in ("NSE", "BSE"):
        source.write_text(ROWS.replace("100.5", "100.55" if exchange == "BSE" else "100.5"), encoding="utf-8")
        assert data(capsys, "import", source, "--tz", "Asia/Kolkata", "--exchange", exchange, *where)[0] == 0
    asked = ["backtest", "-s", "ema_cross", "--interval", "1m", "--no-checks", *where]

    assert run_command_line([*asked, "--symbols", "BSE:TCS"]) == 0
    assert "market: BSE" in capsys.readouterr().out
    assert run_command_line([*asked, "--symbols", "TCS"]) == 65
    assert "TCS trades at BSE and NSE; say BSE:TCS or NSE:TCS" in capsys.readouterr().err
    assert data(capsys, "export", "bse:tcs", *where)[1].splitlines()[1].endswith(",100.55,0")
