"""Where something trades of which nothing says more; a file of its own, so that asking costs nothing."""

from __future__ import annotations

HOME_EXCHANGE = "NSE"  # journals leave it out
