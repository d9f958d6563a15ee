"""Recorded bars: four points a bar, the pessimistic extreme first, earlier days as history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tradebot.clock import DAY, IST, MINUTE, SECOND
from tradebot.errors import DataError
from tradebot.exchange.prices.recorded_bars import RecordedBars

Write = Callable[..., Path]
MINUTES = (
    "2021-06-10 15:29:00,98,99,97,98.5,1000",
    "2021-06-11 09:15:00,100,104,99,103,1003",
    "2021-06-11 09:16:00,103,103.5,101,102,400",
    "2021-06-11 09:20:00,102,102,102,102,7",
)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_rows(*rows: str, name: str = "bars.csv", header: str = "Date,Open,High,Low,Close,Volume") -> Path:
        path = tmp_path / name
        path.write_text("\n".join([header, *rows, ""]))
        return path

    return write_rows


def at(text: str) -> int:
    return int(datetime.fromisoformat(f"2021-06-11 {text}").replace(tzinfo=IST).timestamp()) * SECOND


def points(source: RecordedBars) -> list[tuple[int, int, int]]:
    return [(s.at, int(s.last[0]), int(s.traded[0])) for s in source.steps_until(source.closes_at)]


def test_a_bar_becomes_open_low_high_close_with_its_volume_shared_out(write: Write) -> None:
    found = points(RecordedBars({"RELIANCE": write(*MINUTES)}))
    assert found[:4] == [
        (at("09:15:00"), 10000, 250),
        (at("09:15:20"), 9900, 250),
        (at("09:15:40"), 10400, 250),
        (at("09:15:59"), 10300, 253),
    ]
    assert len(found) == 12
    assert sum(traded for _, _, traded in found[8:]) == 7


def test_the_high_may_come_first_for_who_is_short(write: Write) -> None:
    found = points(RecordedBars({"RELIANCE": write(*MINUTES)}, first="high"))
    assert [price for _, price, _ in found[:4]] == [10000, 10400, 9900, 10300]


def test_played_bars_fold_back_to_the_bars_of_the_file(write: Write) -> None:
    source = RecordedBars({"RELIANCE": write(*MINUTES)})
    points(source)
    bars = source.bar_series(0, interval_ns=MINUTE, start_at=0, end_at=source.closes_at)
    assert bars.close.tolist() == [9850, 10300, 10200, 10200]
    five = source.bar_series(0, interval_ns=5 * MINUTE, start_at=source.opens_at, end_at=source.closes_at)
    assert (five.high.tolist(), five.low.tolist(), five.volume.tolist()) == ([10400, 10200], [9900, 10200], [1403, 7])


def test_bars_of_the_session_appear_when_they_have_ended_and_earlier_days_are_there_at_once(write: Write) -> None:
    source = RecordedBars({"RELIANCE": write(*MINUTES)})
    assert source.previous_close.tolist() == [9850]
    assert source.bar_series(0, interval_ns=MINUTE, start_at=0, end_at=source.closes_at).close.tolist() == [9850]
    list(source.steps_until(at("09:16:00")))
    assert source.bar_series(0, interval_ns=MINUTE, start_at=0, end_at=source.closes_at).close.tolist() == [9850, 10300]
    assert not source.is_finished


def test_day_bars_live_inside_the_session_and_any_row_order_will_do(write: Write) -> None:
    path = write(
        "2021-06-11,100,104,99,103,1000", "2021-06-10,98,99,97,98.5,500", header="date,open,high,low,close,volume"
    )
    source = RecordedBars({"RELIANCE": path})
    found = points(source)
    assert source.interval_ns == DAY
    assert [price for _, price, _ in found] == [10000, 9900, 10400, 10300]
    assert (found[0][0], found[-1][0]) == (at("09:15:00"), at("15:29:59"))
    with pytest.raises(ValueError, match="cannot be made"):
        source.bar_series(0, interval_ns=MINUTE, start_at=0, end_at=source.closes_at)


def test_a_zone_can_be_named_and_a_zone_in_the_file_wins(write: Write) -> None:
    rows = ("2021-06-11 03:45:00,100,104,99,103,10", "2021-06-11 03:46:00,100,104,99,103,10")
    assert points(RecordedBars({"A": write(*rows)}, zone=UTC))[0][0] == at("09:15:00")
    zoned = tuple(row.replace(":00,", ":00+00:00,", 1) for row in rows)
    assert points(RecordedBars({"A": write(*zoned)}))[0][0] == at("09:15:00")


def test_several_symbols_are_merged_by_time(write: Write) -> None:
    other = write("2021-06-11 09:15:00,50,51,49,50,8", "2021-06-11 09:16:00,50,51,49,50,8", name="other.csv")
    source = RecordedBars({"RELIANCE": write(*MINUTES), "OTHER": other})
    step = next(iter(source.steps_until(at("09:15:00"))))
    assert (step.ids.tolist(), step.last.tolist()) == ([0, 1], [10000, 5000])
    assert (step.bids[:, 0] <= step.last).all()
    assert (step.asks[:, 0] > step.last).all()


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("yesterday,1,1,1,1,1", "a time such as"),
        ("2021-06-11 09:15:00,1,x,1,1,1", "numbers"),
        ("2021-06-11 09:15:00,1,2,1.5,1,1", "low <= open"),
        ("2021-06-11 09:15:00,0,2,0,1,1", "finite prices above 0"),
        ("2021-06-11 09:15:00,1,inf,1,1,1", "finite prices above 0"),
        ("2021-06-11 09:15:00,1,1,1,1,-1", "finite volume"),
        ("2021-06-11 09:15:00,1,1,1,1", "6 values"),
    ],
)
def test_a_bad_row_is_refused_by_file_and_line(write: Write, row: str, expected: str) -> None:
    path = write(MINUTES[0], row)
    with pytest.raises(DataError, match=expected) as refused:
        RecordedBars({"RELIANCE": path})
    assert f"{path}:3:" in str(refused.value)


def test_missing_columns_repeated_bars_and_days_without_bars_are_refused(write: Write) -> None:
    with pytest.raises(DataError, match="expected a column high, close"):
        RecordedBars({"A": write("2021-06-11,1,1", header="Date,Open,Low")})
    with pytest.raises(DataError, match="two bars start at 2021-06-11T09:15:00"):
        RecordedBars({"A": write(MINUTES[1], MINUTES[1])})
    with pytest.raises(DataError, match="no bars on 2021-06-09"):
        RecordedBars({"A": write(*MINUTES)}, date=date(2021, 6, 9))
    with pytest.raises(DataError, match="closed on 2021-06-12"):
        RecordedBars({"A": write(*MINUTES)}, date=date(2021, 6, 12))
    with pytest.raises(DataError, match="different lengths"):
        RecordedBars({"A": write(*MINUTES), "B": write(MINUTES[0], MINUTES[2], name="b.csv")})


def test_a_day_s_bar_of_a_share_with_derivatives_lives_until_its_own_close(write: Write) -> None:
    rows = ["2026-11-23,98,99,97,98,1000", "2026-11-25,100,104,99,103,1000"]
    source = RecordedBars({name: write(*rows, name=f"{name}.csv") for name in ("RELIANCE", "SYM0001")})
    last = {int(i): s.at for s in source.steps_until(source.closes_at) for i in s.ids}
    ends = [datetime.fromisoformat(f"2026-11-25 {text}").replace(tzinfo=IST) for text in ("15:14:59", "15:29:59")]
    assert [last[i] for i in (0, 1)] == [int(end.timestamp()) * SECOND for end in ends]
