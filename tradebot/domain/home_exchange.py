"""The default exchange of an instrument; a module of its own, so that importing it costs nothing."""

from __future__ import annotations

HOME_EXCHANGE = "NSE"  # rows in the journal omit it
