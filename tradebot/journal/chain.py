"""The hash chain of the journal: the hash of a row covers its content and the hash of the previous row. Pure."""

from __future__ import annotations

import hashlib
import struct

DIGEST_BYTES = 32
GENESIS_HASH = bytes(DIGEST_BYTES)  # the previous hash of the first row

_header = struct.Struct("<qqqII")


def chain_hash(*, prev: bytes, seq: int, run: str, at: int, wall: int, kind: str, body: bytes) -> bytes:
    """Return the BLAKE2b-256 hash of a row: all fields with their lengths, so that no two rows hash the same bytes."""
    run_bytes, kind_bytes = run.encode(), kind.encode()
    digest = hashlib.blake2b(prev, digest_size=DIGEST_BYTES)
    digest.update(_header.pack(seq, at, wall, len(run_bytes), len(kind_bytes)) + run_bytes + kind_bytes)
    digest.update(body)
    return digest.digest()
