"""What every test shares: the event loops, the ban on outside hosts, official fixtures, Hypothesis profiles.

Async tests run on uvloop; those marked `both_loops` run on asyncio's own loop as well, `--loops both` does so for all.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath, PurePosixPath
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import aiohttp
import aioresponses.core
import hypothesis
import pytest
import uvloop

REPOSITORY = Path(__file__).resolve().parent.parent
OUTSIDE_DATA = ("TRADEBOT_CONFORMANCE", "TRADEBOT_CASES")
LOOPBACK = (None, "localhost", "127.0.0.1", "::1")

hypothesis.settings.register_profile("dev", deadline=None)
# The same examples each time: a red build must mean a changed program, not an unlucky draw.
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--loops", choices=("uvloop", "asyncio", "both"), default="uvloop", help="event loops that async tests run on"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "both_loops: run this async test on asyncio's loop and on uvloop")
    config.addinivalue_line("markers", "prove: a long test, which `make prove` runs and `make test` leaves out")


# Tests that mostly wait for real time. They share one process, so that no two of them compete for a core.
REAL_TIME = (
    "stories", "conformance", "documents/test_documents.py", "documents/test_documents_whole.py",
    "daemon/test_alerting.py", "paper/test_same_orders.py", "paper/test_reset_of_a_day.py",
    "paper/test_shadow_of_a_day.py", "venues/kite/test_daemon_over_a_cut_journal.py",
    "venues/kite/test_kite_bad_day.py",
)  # fmt: skip
LONGEST = ("crash", "simulation", "oracle", "test_house.py")  # of what computes: begun first, so that none is the last
# What takes long for a reason: stories over real sockets, kills of real processes, loads. `make prove` runs it.
PROVED = (
    "stories", "bench", "crash/test_daemon_kills.py", "crash/test_power_cuts.py", "trading/desk/test_leaks.py",
    "simulation/test_each_fault.py", "bugs/test_drawn_bugs.py", "conformance/test_backtest_against_others.py",
    "oracle/test_many_days.py", "history/test_hostile_sizes.py",
    "documents/test_documents_whole.py", "paper/test_same_orders.py", "paper/test_shadow_of_a_day.py",
)  # fmt: skip
QUICK = ("stories/test_first_run.py", "stories/test_bad_input.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the long ones `prove`, before pytest selects by marker, and put first what takes longest."""
    for item in items:
        place = item.path.relative_to(REPOSITORY / "tests")
        if place.as_posix() not in QUICK and _is_in(place, PROVED):
            item.add_marker(pytest.mark.prove)
    items.sort(key=lambda item: _turn(item.path.relative_to(REPOSITORY / "tests")))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep each file in one process, with its fixtures, and those of real time all in one."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            place = PurePosixPath(nodeid.partition("::")[0].removeprefix("tests/"))
            return "real time" if _is_in(place, REAL_TIME) else str(place)

    return ByFile(config, log)


def _turn(place: PurePath) -> int:
    return 0 if _is_in(place, REAL_TIME) else 1 if _is_in(place, LONGEST) else 2


def _is_in(place: PurePath, folders: tuple[str, ...]) -> bool:
    return any(place.is_relative_to(folder) for folder in folders)


class GuardedLoop(uvloop.Loop):
    """uvloop connects through libuv, past the guard on `socket.socket`; so it refuses outside hosts itself."""

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **kw: Any) -> Any:
        refuse_outside(host, port, given_socket=kw.get("sock"))
        return await super().create_connection(protocol_factory, host, port, **kw)

    async def create_datagram_endpoint(self, protocol_factory: Any, *args: Any, **kw: Any) -> Any:
        remote = kw.get("remote_addr") or (args[1] if len(args) > 1 else None)
        if remote and kw.get("family") != "unix":
            refuse_outside(remote[0], remote[1], given_socket=kw.get("sock"))
        return await super().create_datagram_endpoint(protocol_factory, *args, **kw)


def refuse_outside(host: Any, port: Any, *, given_socket: Any) -> None:
    if given_socket is None and host not in LOOPBACK:
        raise OSError(f"tests may not connect to {host}:{port}")


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": GuardedLoop,
    "asyncio": asyncio.SelectorEventLoop,
}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    chosen = config.getoption("--loops")
    if chosen == "both" or item.get_closest_marker("both_loops"):
        return LOOPS
    return {chosen: LOOPS[chosen]}


@pytest.fixture(scope="session")
def conformance() -> Path:
    """Return the folder of official venue fixtures; without it a test skips, in CI it fails."""
    return _outside_data("TRADEBOT_CONFORMANCE", "../shared/conformance", "official fixtures")


@pytest.fixture(scope="session")
def cases() -> Path:
    """Return the folder of inputs tried by hand, `bars/` among them; without it a test skips, in CI it fails."""
    return _outside_data("TRADEBOT_CASES", "../shared/cases", "cases tried by hand")


def _outside_data(variable: str, default: str, what: str) -> Path:
    folder = Path(os.environ.get(variable, REPOSITORY / default)).resolve()
    if not folder.is_dir():
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing(f"{what} are not at {folder}; set {variable}")
    return folder


@pytest.fixture(autouse=True)
def _no_configuration_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))  # which daemons run is seen there
    for name in list(os.environ):
        if (name.startswith("TRADEBOT_") and name not in OUTSIDE_DATA) or name in (
            "CREDENTIALS_DIRECTORY",
            "NOTIFY_SOCKET",
            "WATCHDOG_USEC",
            "JOURNAL_STREAM",
            "RUNTIME_DIRECTORY",
        ):
            monkeypatch.delenv(name)


# aioresponses 0.7.9 builds a response without the `stream_writer` that aiohttp 3.14 asks for, and a reader whose
# protocol has no parser, which bodies above 64 KiB need.
if "stream_writer" in inspect.signature(aiohttp.ClientResponse.__init__).parameters:

    class _MockedResponse(aiohttp.ClientResponse):
        def __init__(self, *args: Any, **kw: Any) -> None:
            kw.setdefault("stream_writer", SimpleNamespace(output_size=0))
            super().__init__(*args, **kw)

    _make_reader = aioresponses.core.stream_reader_factory

    def _reader(loop: Any = None) -> Any:
        reader = _make_reader(loop)
        parser = Mock()
        parser.feed_data.return_value = ([], False, b"")
        reader._protocol._parser = parser
        return reader

    aioresponses.core.ClientResponse = _MockedResponse
    aioresponses.core.stream_reader_factory = _reader
