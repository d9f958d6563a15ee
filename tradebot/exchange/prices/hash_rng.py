"""Random numbers as a pure function of (key, counter, channel), for every symbol at once; for the synthetic prices.

A `numpy.random.Generator` per symbol would tie a path to the order of the draws, and 3,000 of them refill in bursts
that stall the loop. A hash needs no state: a symbol's path does not depend on the other symbols or on how time is
split.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND_MIX = np.uint64(0x94D049BB133111EB)
S27, S30, S31 = np.uint64(27), np.uint64(30), np.uint64(31)
LOW16 = np.uint64(0xFFFF)
FOUR_UNIFORMS_MEAN = 4 * 32767.5
FOUR_UNIFORMS_DEVIATION = 65536 / 3**0.5


def hash_key(*parts: object) -> int:
    """Return a 64-bit key of the parts; the same in every process."""
    return int.from_bytes(blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest(), "little")


def hash_keys(*parts: object, names: tuple[str, ...]) -> Bits:
    """Return one key per name, shape (n,)."""
    return np.array([hash_key(*parts, name) for name in names], dtype=np.uint64)


def random_bits(key_bits: Bits, counter: Bits, channel: int | Bits) -> Bits:
    """Return 64 random bits for each pair of key and counter, broadcast against each other.

    The hash is SplitMix64 (Steele, Lea, Flood 2014): the finalizer of a Weyl sequence. `channel`, below 2**16, keeps
    uses apart.
    """
    mixed: Bits = np.atleast_1d((counter << np.uint64(16)) + np.asarray(channel, dtype=np.uint64))
    z: Bits = key_bits + mixed * GOLDEN
    z ^= z >> S30
    z *= FIRST
    z ^= z >> S27
    z *= SECOND_MIX
    z ^= z >> S31
    return z


def uniform_floats(bits: Bits) -> Floats:
    """Return bits as floats in [0, 1)."""
    floats: Floats = (bits >> np.uint64(11)).astype(np.float64)
    floats *= 2.0**-53
    return floats


def bit_field(bits: Bits, shift: int, width: int) -> Floats:
    """Return `width` bits from bit `shift` on as floats in [0, 1). Fields that do not overlap are independent."""
    floats: Floats = ((bits >> np.uint64(shift)) & np.uint64((1 << width) - 1)).astype(np.float64)
    floats *= 2.0**-width
    return floats


def normal_floats(bits: Bits) -> Floats:
    """Return near-normal floats of mean 0 and deviation 1, never beyond 3.47: the sum of the four 16-bit parts.

    The thin tails of the sum do not show, because callers add jumps and changing volatility.
    """
    total = (bits & LOW16).astype(np.float64)
    for shift in (16, 32, 48):
        total += (bits >> np.uint64(shift)) & LOW16
    total -= FOUR_UNIFORMS_MEAN
    total *= 1 / FOUR_UNIFORMS_DEVIATION
    return total
