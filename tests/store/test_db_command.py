"""The verbs `db status`, `db migrate`, `db sync`, the daemon with a database, and the settings of both."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.store import day_by_hand as day
from tradebot.__main__ import run_command_line
from tradebot.clock import WallClock
from tradebot.config import load_config
from tradebot.errors import ConfigError
from tradebot.history.history import open_history
from tradebot.store import queries
from tradebot.store.dsn import dsn_place, dsn_secrets
from tradebot.store.postgres import PostgresStore


@pytest.fixture
def tradebot(capfd: Any, monkeypatch: Any) -> Any:
    """Run a command line in this process; returns (exit code, standard output, standard error)."""

    def call(*arguments: str, dsn: str = "") -> tuple[int, str, str]:
        monkeypatch.setenv("TRADEBOT_STORE__DSN", dsn)
        code = run_command_line(list(arguments))
        return (code, *capfd.readouterr())

    return call


def test_status_migrate_and_sync_speak_of_the_file_where_no_dsn_is_configured(tradebot: Any, tmp_path: Path) -> None:
    asyncio.run(day.whole_day(tmp_path))
    where = ("--state-dir", str(tmp_path))

    assert "behind the journal: all rows" in tradebot("db", "status", *where)[1]
    assert "applied 0001 tables" in tradebot("db", "migrate", *where)[1]
    assert "nothing to do" in tradebot("db", "migrate", *where)[1]
    assert "behind the journal: 33 rows" in tradebot("db", "status", *where)[1]
    assert "fed 33 rows" in tradebot("db", "sync", *where)[1]
    *_, line = json.loads(tradebot("db", "status", "--json", *where)[1])
    assert (line["migration"], line["behind"]) == ("0002 position_keys", "0 rows (fed 33)")
    assert line["place"] == str(tmp_path / "store.sqlite3")
    assert "undone 0002 position_keys, 0001 tables" in tradebot("db", "migrate", "--down-to", "0", "--yes", *where)[1]


def test_the_verbs_use_the_dsn_of_the_environment_and_never_show_its_password(
    tradebot: Any, tmp_path: Path, dsn: str
) -> None:
    asyncio.run(day.whole_day(tmp_path))
    secret = dsn.replace("tester@", "tester:hunter22@")
    where = ("--state-dir", str(tmp_path))

    assert "fed 33 rows" in tradebot("db", "sync", *where, dsn=secret)[1]
    code, out, error = tradebot("db", "status", *where, dsn=secret)
    assert code == 0
    assert "postgresql://" in out
    assert "PostgreSQL" in out
    shown = tradebot("config", "show", "--origin", dsn=secret)[1]
    assert "environment TRADEBOT_STORE__DSN" in shown
    assert "hunter22" not in out + error + shown


def test_a_database_that_is_not_there_is_one_sentence(tradebot: Any, tmp_path: Path) -> None:
    code, _, error = tradebot(
        "db", "status", "--state-dir", str(tmp_path), dsn=f"postgresql://u:hunter22@/t?host={tmp_path}"
    )
    assert code == 69
    assert error.count("\n") == 1
    assert "hunter22" not in error


@pytest.mark.timeout(90)
async def test_a_run_is_in_the_tables_when_it_has_ended(tmp_path: Path, dsn: str) -> None:
    said = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tradebot", "run", "--symbols", "RELIANCE,TCS,INFY", "--for", "2s", "--state-dir",
         str(tmp_path / "state"), "--log-format", "json"],
        capture_output=True, text=True, timeout=60, env=os.environ | {"TRADEBOT_STORE__DSN": dsn}, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    events = [json.loads(line) for line in said.stdout.splitlines()]
    (summary,) = (line for line in events if line["event"] == "run_summarized")
    assert [e["event"] for e in events if e["event"].startswith("store_")] == ["store_migrated", "store_opened"]
    async with PostgresStore(dsn, clock=WallClock()) as store:
        (row,) = await queries.select_runs(store)
        assert row["end_reason"] == "app.stop_after is 2s"
        assert len(await queries.select_fills(store)) == summary["fills"]
        stored = [len(await queries.select_bars(store, symbol, day.MINUTE)) for symbol in ("RELIANCE", "TCS", "INFY")]
        assert sum(stored) == summary["bars"] > 0
    assert not (tmp_path / "state/store.sqlite3").exists()


@pytest.mark.parametrize(
    ("dsn", "refused"),
    [
        ("postgresql://u@db.example/t", True),
        ("postgresql://u@db.example/t?sslmode=require", True),
        ("postgresql://u@db.example/t?sslmode=verify-full", False),
        ("postgresql://u@127.0.0.1/t", False),
        ("postgresql:///t?host=/run/postgresql", False),
        ("", False),
    ],
)
def test_live_money_needs_a_database_nobody_can_listen_in_on(
    dsn: str, refused: bool, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRADEBOT_STORE__DSN", dsn)
    with pytest.raises(ConfigError) as caught:
        load_config(None, {"app.mode": "live"})  # the embedded venue is refused anyhow
    assert ("store.dsn: must say sslmode=verify-full" in str(caught.value)) is refused


def test_a_dsn_of_another_kind_is_refused_and_not_shown(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[store]\ndsn = 'mysql://u:hunter22@db/t'\n")
    path.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert "store.dsn: should be an address that starts with postgresql://" in str(caught.value)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://me:hunter/canary22@db.example/t",
        "postgresql://me:hunter?canary22@db.example/t",
        "postgresql://me:hunter#canary22@db.example/t",
        "postgresql://me:hunter@canary22@db.example/t",
        "postgresql://me:1234/canary22@db.example/t",
        "postgresql://me:1234?x=canary22@db.example/t",
        "postgresql://host=db.example password=canary22 dbname=t",
        "postgresql://db.example/t?canary22",
    ],
)
def test_nothing_of_an_address_that_cannot_be_read_is_shown(dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[store]\ndsn = '{dsn}'\n")
    path.chmod(0o600)
    for show in (lambda: load_config(path), lambda: dsn_place(dsn), lambda: open_history(tmp_path, dsn=dsn)):
        with pytest.raises(ConfigError) as caught:
            show()
        assert "in a password write / as %2F" in str(caught.value)
        assert not any(word in str(caught.value) for word in ("canary22", "hunter", "1234"))
    assert dsn in dsn_secrets(dsn)


@pytest.mark.parametrize(
    ("dsn", "place"),
    [
        ("postgresql://me:p%2Fss%3F@db.example:6432/t", "postgresql://me@db.example:6432/t"),
        ("postgres://me:a!$&()*+,;=~ b@[::1]:5432,db/t?sslmode=verify-full&port=1", "postgresql://me@[::1]:5432,db/t"),
        ("postgresql:///t?host=/run/postgresql", "postgresql://local socket/t"),
        ("postgresql://", "postgresql://local socket"),
    ],
)
def test_a_place_is_shown_without_password_and_parameters(dsn: str, place: str) -> None:
    assert dsn_place(dsn) == place
