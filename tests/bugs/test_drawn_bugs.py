"""Ten seeded bugs, drawn by the commit, are caught by the tests they name."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest

import tradebot
from tests.bugs.hunt import REPOSITORY, Bug, bugs, copy, hunt

BUGS = bugs()
DRAWN = 10


def commit() -> str:
    """The commit the tests run on; outside a repository the version."""
    asked = ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
    except OSError:
        return tradebot.__version__
    return done.stdout.strip() if done.returncode == 0 else tradebot.__version__


def drawn() -> list[Bug]:
    seed = int.from_bytes(blake2b(commit().encode(), digest_size=8).digest(), "big")
    places = np.random.default_rng(seed).choice(len(BUGS), size=DRAWN, replace=False)
    return [BUGS[int(place)] for place in sorted(places)]


@pytest.fixture(scope="module")
def spoiled() -> Iterator[Path]:
    with copy() as root:
        yield root


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bug", drawn(), ids=lambda bug: bug.name)
def test_a_bug_drawn_by_the_commit_is_caught(bug: Bug, spoiled: Path) -> None:
    catch = hunt(bug, spoiled)
    assert catch.is_caught, f"{bug.says} Nobody noticed:\n{catch.said[-2000:]}"
