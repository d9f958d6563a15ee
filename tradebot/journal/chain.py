"""The hash chain through the rows: each row's hash covers its own content and the hash of the row before. Pure."""

from __future__ import annotations

import hashlib
import struct

DIGEST_BYTES = 32
GENESIS_HASH = bytes(DIGEST_BYTES)  # what stands before the first row

_header = struct.Struct("<qqqII")


def chain_hash(*, prev: bytes, seq: int, run: str, at: int, wall: int, kind: str, body: bytes) -> bytes:
    """Return the hash of a row: BLAKE2b-256 over all its fields, lengths included, so that no two rows read alike."""
    run_bytes, kind_bytes = run.encode(), kind.encode()
    digest = hashlib.blake2b(prev, digest_size=DIGEST_BYTES)
    digest.update(_header.pack(seq, at, wall, len(run_bytes), len(kind_bytes)) + run_bytes + kind_bytes)
    digest.update(body)
    return digest.digest()
