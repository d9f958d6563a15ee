"""Delta debugging: a smallest set of struck faults that still breaks a seed, as a script for `--faults`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

MAX_RUNS = 150  # sessions; each takes about half a second


def shrink_faults(
    words: Sequence[str], breaks: Callable[[list[str]], bool], *, runs: int = MAX_RUNS
) -> list[str] | None:
    """Return a subset of `words` that breaks the seed while no part of it does, as far as `runs` tries show.

    Return None when all of them together do not break it: then other randomness of the seed is part of the cause.
    """
    left = runs

    def tried(some: list[str]) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and breaks(some)

    if tried([]):
        return []
    found = list(words)
    if not tried(found):
        return None
    parts = 2
    while len(found) >= 2:
        size = -(-len(found) // parts)
        pieces = [found[i : i + size] for i in range(0, len(found), size)]
        rests = [[word for j, piece in enumerate(pieces) if j != i for word in piece] for i in range(len(pieces))]
        smaller = next((some for some in (*pieces, *rests) if len(some) < len(found) and tried(some)), None)
        if smaller is not None:
            parts = 2 if smaller in pieces else max(parts - 1, 2)
            found = smaller
        elif parts >= len(found) or left <= 0:
            break
        else:
            parts = min(2 * parts, len(found))
    return found
