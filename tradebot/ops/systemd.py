"""Notifies systemd: ready, status, watchdog, stopping, as datagrams to $NOTIFY_SOCKET; does nothing without it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping

from tradebot.clock import MICROSECOND, SECOND, WallClock
from tradebot.printable import make_printable

# Seconds that no step of a start or stop exceeds, by its own time limits: a venue is tried five times, and warm-up bars
# are fetched for a minute.
MAX_STEP_S = 90.0


class Notifier:
    """Tells systemd the state of the daemon. Each call sends one datagram and never blocks or raises."""

    def __init__(self, env: Mapping[str, str], *, pid: int | None = None) -> None:
        address = env.get("NOTIFY_SOCKET", "")
        # A leading @ means the abstract namespace, whose names begin with NUL.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        meant_for_us = pid is None or env.get("WATCHDOG_PID", str(pid)) == str(pid)
        usec = env.get("WATCHDOG_USEC", "")
        self._watchdog_ns = int(usec) * MICROSECOND if meant_for_us and usec.isdecimal() else 0

    @property
    def is_supervised(self) -> bool:
        """True when systemd waits for notifications."""
        return bool(self._address)

    @property
    def watchdog_every_s(self) -> float | None:
        """Seconds between two `notify_watchdog` calls: half of systemd's limit. None without a watchdog."""
        return self._watchdog_ns / SECOND / 2 if self._watchdog_ns and self._address else None

    def notify_ready(self, status: str = "") -> None:
        """Notify that the daemon trades."""
        self._send("READY=1", *([f"STATUS={_one_line(status)}"] if status else []))

    def notify_reloading(self) -> None:
        """Say that the configuration is being reloaded; `notify_ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={WallClock().monotonic_ns() // MICROSECOND}")

    def notify_status(self, text: str) -> None:
        """Show one line in `systemctl status`."""
        self._send(f"STATUS={_one_line(text)}")

    def notify_watchdog(self) -> None:
        """Notify that the daemon makes progress."""
        self._send("WATCHDOG=1")

    def notify_stopping(self, status: str = "") -> None:
        """Notify that the daemon ends on purpose."""
        self._send("STOPPING=1", *([f"STATUS={_one_line(status)}"] if status else []))

    def extend_timeout(self, extension_s: float = MAX_STEP_S) -> None:
        """Request `extension_s` more seconds to start or stop, counted from now. Called after each finished step."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(extension_s * 1_000_000)}")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        # The daemon goes on when systemd is gone or its queue is full.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto("\n".join(lines).encode(), self._address)


def _one_line(text: str) -> str:
    return make_printable(text[:400])
