"""What the supervisor is told, read from the other end of real datagram sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tradebot.ops.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def supervisor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@tradebot-test-{tmp_path.name}-{id(request)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name[1:] if name.startswith("@") else name)
        listening.settimeout(2)
        yield listening, name


def test_the_supervisor_hears_every_state(supervisor: tuple[socket.socket, str]) -> None:
    listening, name = supervisor
    notifier = Notifier({"NOTIFY_SOCKET": name})

    notifier.notify_ready("PAPER 2 symbols")
    notifier.notify_status("feed 0.3 s\nMAINPID=1")
    notifier.notify_watchdog()
    notifier.extend_timeout(1.5)
    notifier.notify_stopping()

    assert [listening.recv(4096) for _ in range(5)] == [
        b"READY=1\nSTATUS=PAPER 2 symbols",
        b"STATUS=feed 0.3 s MAINPID=1",
        b"WATCHDOG=1",
        b"EXTEND_TIMEOUT_USEC=1500000",
        b"STOPPING=1",
    ]


def test_without_a_supervisor_nothing_happens() -> None:
    notifier = Notifier({})

    notifier.notify_ready()
    notifier.notify_watchdog()

    assert not notifier.is_supervised
    assert notifier.watchdog_every_s is None


def test_a_supervisor_that_is_gone_does_not_stop_the_daemon(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).notify_watchdog()


def test_a_supervisor_that_does_not_read_does_not_block_the_daemon(supervisor: tuple[socket.socket, str]) -> None:
    _, name = supervisor
    notifier = Notifier({"NOTIFY_SOCKET": name})

    for _ in range(2000):
        notifier.notify_watchdog()


@pytest.mark.parametrize(
    ("env", "pid", "every"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 5, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "5"}, 5, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "6"}, 5, None),
        ({"WATCHDOG_USEC": "soon"}, 5, None),
        ({}, 5, None),
    ],
)
def test_the_watchdog_is_fed_at_half_its_time(env: dict[str, str], pid: int, every: float | None) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/run/x", **env}, pid=pid).watchdog_every_s == every
