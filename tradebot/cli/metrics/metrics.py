"""The verbs `metrics grafana`, `metrics rules`, `metrics list`: what Prometheus and Grafana are given."""

from __future__ import annotations

import click

from tradebot.cli.shared.tables import print_rows
from tradebot.metrics.catalogue import METRICS
from tradebot.metrics.shipped import alert_rules, grafana_board
from tradebot.printing import print_text


@click.group()
def metrics() -> None:
    """Print the board for Grafana, the alert rules for Prometheus, or the metrics that a daemon has.

    The daemon gives its metrics to a scraper at /metrics.
    """


@metrics.command()
def grafana() -> None:
    """Print the board as JSON: import it into Grafana, which asks for the Prometheus to read from."""
    print_text(grafana_board())


@metrics.command()
def rules() -> None:
    """Print the alert rules as YAML: a file for `rule_files` of Prometheus, whose job is called tradebot."""
    print_text(alert_rules())


@metrics.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_metrics(as_json: bool) -> None:
    """List every metric with its kind, its labels, and what it means: unit and source."""
    rows = [
        {
            "name": one.name,
            "kind": str(one.kind),
            "labels": ",".join(one.labels),
            "what": one.what,
            "unit": one.unit,
            "source": one.source,
        }
        for one in METRICS.values()
    ]
    print_rows(rows, as_json=as_json)
