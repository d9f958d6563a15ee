"""The registry: the venues by name, and what it costs a verb to ask."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tradebot.venues import registry


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="there is a venue called kite already"):
        registry.register_adapter(registry.default_adapter())
    assert registry.find_adapter("embedded") is None


def test_settings_and_rooms_are_read_without_what_only_trading_needs() -> None:
    heavy = ("numpy", "pandas", "aiohttp", "websockets", "tradebot.venues.venue", "tradebot.exchange.exchange")
    code = f"import sys, tradebot.config, tradebot.cli.control.kill; print([m for m in {heavy} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == "[]"
