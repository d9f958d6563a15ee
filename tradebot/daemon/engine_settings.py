"""The engine's settings out of a config: how long it waits, and the rules for sending orders."""

from __future__ import annotations

from collections.abc import Callable

from tradebot.config import Config
from tradebot.trading.engine import EngineSettings
from tradebot.trading.order_sender import SendRules
from tradebot.trading.poll_schedule import PollPace


def engine_settings(config: Config, *, killed: Callable[[], str]) -> EngineSettings:
    """Return the engine's settings from a config.

    `killed` returns why no order may be sent, "" while orders may.
    """
    return EngineSettings(
        stale_after_s=config.feed.stale_after_s,
        poll_every_s=config.feed.poll_every_s,
        poll_pace=PollPace(live_s=config.reconcile.live_every_s, idle_s=config.reconcile.idle_every_s),
        send_rules=SendRules(
            deadline_s=config.risk.max_signal_age_s,
            durable_within_s=config.journal.durable_within_s,
            kill_reason=killed,
        ),
    )
