"""Binary ticker frames, broken on purpose: split into packets, patched, joined. Pure.

A frame is `u16 count`, then count times (`u16 length`, body), big-endian; a body begins with the token and the last
price. Only packets of 184 bytes (full) and 32 bytes (index, full) carry a stamp.
"""

from __future__ import annotations

import struct

FULL, INDEX_FULL = 184, 32
STAMP = {FULL: 60, INDEX_FULL: 28}  # length of a packet -> where the venue's stamp stands
TRADED_AT = 44  # of the last trade, in a full packet
DEPTH = 64  # five bids, then five offers, of 12 bytes: quantity, price, orders
ENTRY = 12
HOUR_S = 3600
U32 = 2**32


def split(frame: bytes) -> list[bytes]:
    """Return the packets of a sound frame."""
    packets, at = [], 2
    for _ in range(int.from_bytes(frame[:2], "big")):
        length = int.from_bytes(frame[at : at + 2], "big")
        packets.append(frame[at + 2 : at + 2 + length])
        at += 2 + length
    return packets


def join(packets: list[bytes]) -> bytes:
    """Return the frame of packets."""
    return struct.pack(">H", len(packets)) + b"".join(struct.pack(">H", len(p)) + p for p in packets)


def token_of(packet: bytes) -> int:
    """Return the instrument token of a packet."""
    return word(packet, 0)


def word(packet: bytes, at: int) -> int:
    """Return the 4-byte word at `at`."""
    return int.from_bytes(packet[at : at + 4], "big")


def patched(packet: bytes, at: int, value: int) -> bytes:
    """Return the packet with another 4-byte word at `at`; a negative value is written in two's complement."""
    return packet[:at] + (value % U32).to_bytes(4, "big") + packet[at + 4 :]


def with_price(packet: bytes, name: str) -> bytes:
    """Return the packet with the last price that the fault `name` gives it."""
    last = word(packet, 4)
    prices = {
        "zero-quote": 0,
        "negative-quote": -last,
        "tenfold-quote": min(last * 10, 2**31 - 1),
        "hundredth-quote": max(last // 100, 1),
    }
    return patched(packet, 4, prices[name])


def with_crossed_depth(packet: bytes) -> bytes:
    """Return the packet with its bids and its offers changed round; one without depth stays as it is."""
    if len(packet) != FULL:
        return packet
    middle = DEPTH + 5 * ENTRY
    return packet[:DEPTH] + packet[middle:] + packet[DEPTH:middle]


def with_stamp(packet: bytes, name: str) -> bytes:
    """Return the packet with the stamp that the fault `name` gives it; one without a stamp stays as it is."""
    at = STAMP.get(len(packet))
    if at is None:
        return packet
    stamp = {
        "epoch-stamps": 0,
        "backward-stamps": max(word(packet, at) - HOUR_S, 0),
        "future-stamps": word(packet, at) + HOUR_S,
    }[name]
    return patched(packet, at, stamp)


def frozen(packet: bytes, then: bytes) -> bytes:
    """Return `then` with the stamps of `packet`: the same quote, as if it were new."""
    if len(packet) != len(then):
        return packet
    if len(packet) == FULL:
        then = patched(then, TRADED_AT, word(packet, TRADED_AT))
    at = STAMP.get(len(packet))
    return then if at is None else patched(then, at, word(packet, at))


def with_garbage_length(frame: bytes) -> bytes:
    """Return the frame with a first packet that claims more bytes than there are."""
    return frame[:2] + struct.pack(">H", 0xFFF0) + frame[4:]
