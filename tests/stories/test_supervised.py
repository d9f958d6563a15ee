"""Under a supervisor: READY after the books were compared and a quote came, honest watchdog, STOPPING."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(60)


def test_the_supervisor_hears_ready_status_watchdog_and_stopping_in_order(start: Any, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(address)
        ear.settimeout(20)
        env = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "400000"}
        daemon = start("--symbols", "RELIANCE,TCS", env=env)
        heard: list[str] = []
        while sum("WATCHDOG=1" in text for text in heard) < 4:
            heard.append(ear.recv(4096).decode())
        said = daemon.stop()
        ear.settimeout(0.2)
        while True:
            try:
                heard.append(ear.recv(4096).decode())
            except TimeoutError:
                break
    assert said.code == 0
    ready = next(i for i, text in enumerate(heard) if "READY=1" in text)
    stopping = next(i for i, text in enumerate(heard) if "STOPPING=1" in text)
    assert ready < stopping
    more = [i for i, text in enumerate(heard) if text.startswith("EXTEND_TIMEOUT_USEC=")]
    assert min(more) < ready, "a start that gets on asks for more time"
    assert max(more) > stopping, "and so does a stop"
    assert "STATUS=PAPER 2 symbols" in heard[ready]
    names = [line["event"] for line in said.lines]
    assert names.index("books_reconciled") < names.index("feed_connected") < names.index("trading_started")


def test_a_stopped_process_sends_no_watchdog(start: Any, tmp_path: Path) -> None:
    import signal

    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(address)
        ear.settimeout(20)
        daemon = start("--symbols", "RELIANCE", env={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "400000"})
        while "WATCHDOG=1" not in ear.recv(4096).decode():
            pass
        daemon.process.send_signal(signal.SIGSTOP)
        ear.settimeout(0.1)
        drained = False
        while not drained:
            try:
                ear.recv(4096)
            except TimeoutError:
                drained = True
        ear.settimeout(0.8)
        with pytest.raises(TimeoutError):
            ear.recv(4096)
        daemon.process.send_signal(signal.SIGCONT)
        ear.settimeout(10)
        assert ear.recv(4096)
        assert daemon.stop().code == 0
