"""What a new run reads of the log that it continues before its exchange exists."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tradebot.errors import DataError
from tradebot.exchange.access import LoginRecord
from tradebot.exchange.earlier_days import EarlierDays, PriceRecord, read_earlier_days
from tradebot.exchange.event_log import EventLog

FIRST = PriceRecord(seed=1, opens_at=100, closes_at=200, every_step=False)
SECOND = PriceRecord(seed=1, opens_at=300, closes_at=400, every_step=True)


def test_the_last_login_and_the_last_record_of_each_session_count(tmp_path: Path) -> None:
    path = tmp_path / "exchange.jsonl"
    again = msgspec.structs.replace(FIRST, closes_at=250)
    with EventLog(path) as log:
        log.append_line("session", opens_at=100)
        for made_of in (SECOND, FIRST, again):
            log.append_line("prices", at=1, **msgspec.structs.asdict(made_of))
        for at, digest in ((110, "aa"), (120, "")):
            log.append_line("login", at=at, api_key="rehearsal1", token_digest=digest)
    assert read_earlier_days(path) == EarlierDays(
        login=LoginRecord(api_key="rehearsal1", token_digest="", born_at=120), prices=(again, SECOND)
    )


def test_a_log_of_an_older_version_has_neither(tmp_path: Path) -> None:
    path = tmp_path / "exchange.jsonl"
    path.write_text('{"kind":"session","opens_at":100}\n{"kind":"end"}\n')
    assert read_earlier_days(path) == EarlierDays()


@pytest.mark.parametrize("line", ['{"kind":"login","at":1}', '{"kind":"prices","seed":"one"}'])
def test_a_line_that_lacks_something_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "exchange.jsonl"
    path.write_text(f'{{"kind":"end"}}\n{line}\n')
    with pytest.raises(DataError, match=r"exchange\.jsonl:2: the exchange log cannot be resumed"):
        read_earlier_days(path)
