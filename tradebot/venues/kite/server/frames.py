"""Corrupts binary ticker frames on purpose: splits them into packets, patches them, joins them. Pure.

A frame is `u16 count`, then count times (`u16 length`, body), big-endian. A body begins with the token and the last
price. Only packets of 184 bytes (full) and 32 bytes (index, full) carry a timestamp.
"""

from __future__ import annotations

import struct

FULL, INDEX_FULL = 184, 32
STAMP_OFFSETS = {FULL: 60, INDEX_FULL: 28}  # length of a packet -> offset of the exchange timestamp
TRADE_STAMP_OFFSET = 44  # the time of the last trade, in a full packet
DEPTH_OFFSET = 64  # five bids, then five offers, of 12 bytes each: quantity, price, orders
DEPTH_ENTRY_BYTES = 12
HOUR_S = 3600
U32 = 2**32


def split_frame(frame: bytes) -> list[bytes]:
    """Return the packets of a well-formed frame."""
    packets, at = [], 2
    for _ in range(int.from_bytes(frame[:2], "big")):
        length = int.from_bytes(frame[at : at + 2], "big")
        packets.append(frame[at + 2 : at + 2 + length])
        at += 2 + length
    return packets


def join_packets(packets: list[bytes]) -> bytes:
    """Return the frame that holds these packets."""
    return struct.pack(">H", len(packets)) + b"".join(struct.pack(">H", len(p)) + p for p in packets)


def token_of(packet: bytes) -> int:
    """Return the instrument token of a packet."""
    return read_word(packet, 0)


def read_word(packet: bytes, at: int) -> int:
    """Return the unsigned 4-byte word at offset `at`."""
    return int.from_bytes(packet[at : at + 4], "big")


def with_word(packet: bytes, at: int, value: int) -> bytes:
    """Return the packet with `value` as the 4-byte word at offset `at`; a negative value is in two's complement."""
    return packet[:at] + (value % U32).to_bytes(4, "big") + packet[at + 4 :]


def with_price(packet: bytes, name: str) -> bytes:
    """Return the packet with the last price set by the fault `name`."""
    last = read_word(packet, 4)
    prices = {
        "zero-quote": 0,
        "negative-quote": -last,
        "tenfold-quote": min(last * 10, 2**31 - 1),
        "hundredth-quote": max(last // 100, 1),
    }
    return with_word(packet, 4, prices[name])


def with_crossed_depth(packet: bytes) -> bytes:
    """Return the packet with bids and offers swapped; a packet without depth is unchanged."""
    if len(packet) != FULL:
        return packet
    middle = DEPTH_OFFSET + 5 * DEPTH_ENTRY_BYTES
    return packet[:DEPTH_OFFSET] + packet[middle:] + packet[DEPTH_OFFSET:middle]


def with_stamp(packet: bytes, name: str) -> bytes:
    """Return the packet with the timestamp set by the fault `name`; a packet without a timestamp is unchanged."""
    at = STAMP_OFFSETS.get(len(packet))
    if at is None:
        return packet
    stamp = {
        "epoch-stamps": 0,
        "backward-stamps": max(read_word(packet, at) - HOUR_S, 0),
        "future-stamps": read_word(packet, at) + HOUR_S,
    }[name]
    return with_word(packet, at, stamp)


def with_stamps_of(packet: bytes, then: bytes) -> bytes:
    """Return `then` with the timestamps of `packet`: an old quote that looks new."""
    if len(packet) != len(then):
        return packet
    if len(packet) == FULL:
        then = with_word(then, TRADE_STAMP_OFFSET, read_word(packet, TRADE_STAMP_OFFSET))
    at = STAMP_OFFSETS.get(len(packet))
    return then if at is None else with_word(then, at, read_word(packet, at))


def with_garbage_length(frame: bytes) -> bytes:
    """Return the frame with a first packet whose length exceeds the frame."""
    return frame[:2] + struct.pack(">H", 0xFFF0) + frame[4:]
