"""Paper accounts that are closed when a test ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.paper.paper_rig import Paper

OpenPaper = Callable[..., Awaitable[Paper]]


@pytest.fixture
async def open_paper(tmp_path: Path) -> AsyncIterator[OpenPaper]:
    opened: list[Paper] = []

    async def begin(**options: Any) -> Paper:
        opened.append(Paper(tmp_path, **options))
        return await opened[-1].open()

    yield begin
    for one in opened:
        one.market.close_market()


@pytest.fixture
async def paper(open_paper: OpenPaper) -> Paper:
    return await open_paper()
