"""The benchmark of past bars runs at a small size and tells every store's figures; how fast is not asserted."""

from __future__ import annotations

import json

import pytest

from tests.store.conftest import dsn, server, server_dsn  # noqa: F401 - fixtures
from tradebot.__main__ import run_command_line


def test_every_store_is_written_and_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["bench", "history", "--symbols", "3", "--bars", "1000", "--json"]) == 0

    result = json.loads(capsys.readouterr().out)
    rows = {row["rival"]: row for row in result["rows"]}
    assert {"tradebot history", "tradebot history, one by one", "npy files", "SQLite rows"} <= set(rows)
    assert all(row["load_m_bars_s"] > 0 and row["load_m_bars_cpu_s"] > 0 for row in rows.values())
    assert rows["tradebot history"]["symbols"] == 3
    assert result["advice"]


def test_postgresql_is_measured_by_chunks_and_by_rows(
    dsn: str,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command_line(["bench", "history", "--symbols", "2", "--bars", "1000", "--dsn", dsn, "--json"]) == 0

    result = json.loads(capsys.readouterr().out)
    rows = {row["rival"]: row for row in result["rows"]}
    assert rows["tradebot history, PostgreSQL"]["load_m_bars_s"] > 0
    assert rows["PostgreSQL rows"]["load_m_bars_s"] > 0
