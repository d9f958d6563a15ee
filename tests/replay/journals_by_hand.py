"""Journals written again for the tests of the replay: a copy with some rows changed, under a hash chain that holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tradebot.domain.message import Message
from tradebot.journal.chain import GENESIS_HASH, chain_hash
from tradebot.journal.reader import read_rows
from tradebot.journal.rows import encode_body
from tradebot.journal.schema import FILE_NAME, connect_writer

Change = Callable[[str, Message], Message | None]  # (kind, message) -> the message to write, None to leave it out


def copy(journal: Path, folder: Path, change: Change) -> Path:
    """Write the rows of `journal` again into `folder`, each as `change` says; numbers and hashes are computed again."""
    folder.mkdir()
    target = connect_writer(folder / FILE_NAME)
    prev, seq = GENESIS_HASH, 0
    for row in read_rows(journal):
        message = change(row.kind, row.message)
        if message is None:
            continue
        seq, body = seq + 1, encode_body(row.kind, message)
        own = chain_hash(prev=prev, seq=seq, run=row.run, at=row.at, wall=row.wall_at, kind=row.kind, body=body)
        values = (seq, row.run, row.at, row.wall_at, row.kind, prev, own, body)
        target.execute("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        prev = own
    target.close()
    return folder / FILE_NAME
