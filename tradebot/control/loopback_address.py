"""An address of loopback with its port, as a setting names it; every other address is refused."""

from __future__ import annotations

import re
from typing import NamedTuple

LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\]):(\d{1,5})", re.IGNORECASE)
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
LAST_PORT = 65_535


class LoopbackAddress(NamedTuple):
    """Where HTTP is listened on: `host` without brackets."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> LoopbackAddress:
        """Return the address of a text. Raises ValueError with a sentence."""
        match = LOOPBACK.fullmatch(text.strip())
        if match is None or not 0 < int(match[2]) <= LAST_PORT:
            raise ValueError(
                "should be an address of this machine alone with a port, such as 127.0.0.1:8765, [::1]:8765 or"
                " localhost:8765; to reach it from elsewhere, forward the port over ssh"
            )
        host = match[1].lower().strip("[]")
        return cls("127.0.0.1" if host == "localhost" else host, int(match[2]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
