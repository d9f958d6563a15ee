"""The trace of a session: all bytes on the network and all commits to disk, in the order of the events.

Two runs of a seed are compared by its digest. It also proves that a row was on disk before its request was sent.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from tradebot.clock import SECOND
from tradebot.exchange.event_log import read_event_log
from tradebot.simulation.network import Endpoint, Network
from tradebot.venues.adapter import WritePatterns

DATE_HEADER = re.compile(rb"\r\nDate: [^\r]*")  # the servers' header has the time of this machine
# Fields of a run's first row that depend on this machine: its process id, and a hash over its paths.
MACHINE_FIELDS = ("pid", "config_hash")
SELECT_ROWS = "SELECT seq, run, at, wall, kind, body FROM rows ORDER BY seq"


class SessionTrace:
    """Records the writes on a network; `create_counts` counts the create requests by tag, as they were sent.

    `patterns` recognize the requests of the venue's protocol.
    """

    def __init__(self, network: Network, patterns: WritePatterns) -> None:
        self._loop, self._patterns = network.loop, patterns
        self._digest = hashlib.sha256()
        self._lines: list[dict[str, Any]] = []
        self._open: dict[Endpoint, dict[str, Any]] = {}  # create requests whose body has not been sent yet
        self.create_counts: Counter[str] = Counter()
        self.write_count = self.commit_count = 0
        network.taps.append(self._on_write)

    def on_synced(self, seq: int) -> None:
        """Record that the journal's rows up to `seq` are on disk."""
        self.commit_count += 1
        self._lines.append({"did": "synced", "seq": seq})
        self._note(b"synced %d" % seq)

    def _on_write(self, end: Endpoint, content: bytes) -> None:
        self.write_count += 1
        self._note(
            end.name.encode() + b" " + (DATE_HEADER.sub(b"", content) if content.startswith(b"HTTP/") else content)
        )
        for kind, pattern in self._patterns.writes:
            if begin := pattern.match(content):
                line = {"did": "sent", "request": kind, "order_id": ""}
                if kind == "create":
                    self._open[end] = line
                else:
                    line["venue_order_id"] = begin["id"].decode()
                self._lines.append(line)
                break
        if end in self._open and (found := self._patterns.order_tag.search(content)):
            tag = found[1].decode()
            self._open.pop(end)["order_id"] = tag
            self.create_counts[tag] += 1

    def _note(self, content: bytes) -> None:
        self._digest.update(b"%d %d " % (round(self._loop.time() * SECOND), len(content)) + content)

    def write_evidence(self, path: Path, log: Path) -> None:
        """Write the checker's trace; the exchange's `log` maps modified and cancelled orders to their tags."""
        tags = {line["order_id"]: line["ticket"]["tag"] for line in read_event_log(log) if line["kind"] == "order"}
        with path.open("w", encoding="utf-8") as file:
            for line in self._lines:
                if "venue_order_id" in line:
                    line = line | {"order_id": tags.get(line["venue_order_id"], "")}
                if line["did"] == "synced" or line["order_id"]:
                    file.write(json.dumps(line) + "\n")

    def trace_digest(self, journal: Path, log: Path) -> str:
        """Return the SHA-256 (hex) over network, commits, journal rows and exchange log, equal on every machine."""
        digest = self._digest.copy()
        digest.update(log.read_bytes())
        db = sqlite3.connect(f"file:{journal}?mode=ro", uri=True)
        try:
            for seq, run, at, wall, kind, body in db.execute(SELECT_ROWS):
                digest.update(f"{seq} {run} {at} {wall} {kind} ".encode() + _plain(kind, body))
        finally:
            db.close()
        return digest.hexdigest()


def _plain(kind: str, body: bytes) -> bytes:
    if kind != "run":
        return body
    fields = {name: value for name, value in json.loads(body).items() if name not in MACHINE_FIELDS}
    return json.dumps(fields, sort_keys=True).encode()
