"""What authors of strategies import keeps its place and name: their files and old journals run the same code."""

from __future__ import annotations

import importlib

import pytest

IMPORTED = {
    "tradebot": ("backtest", "load_bars"),
    "tradebot.domain.market": ("Bar",),
    "tradebot.domain.messages": ("Action",),
    "tradebot.indicators.expressions": (
        "Bars", "crossed_above", "crossed_below", "lag", "maximum", "minimum", "opening_range", "rank", "resample",
        "session_vwap", "ta", "zscore",
    ),
    "tradebot.strategies.frame_strategy": ("FrameStrategy",),
    "tradebot.strategies.strategy": ("Holding", "Intent", "Param", "Rules", "Strategy"),
}  # fmt: skip


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in IMPORTED.items() for name in names])
def test_what_authors_import_is_where_it_was(module: str, name: str) -> None:
    assert getattr(importlib.import_module(module), name)
