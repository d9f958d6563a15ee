"""The board for Grafana and the alert rules for Prometheus as they are shipped; a test holds each name in them."""

from __future__ import annotations

from importlib.resources import files

DATA = files("tradebot.metrics") / "data"


def grafana_board() -> str:
    """Return the board as JSON text, as Grafana imports it."""
    return (DATA / "grafana.json").read_text(encoding="utf-8")


def alert_rules() -> str:
    """Return the alert rules as YAML text, as a rule file of Prometheus."""
    return (DATA / "rules.yml").read_text(encoding="utf-8")
