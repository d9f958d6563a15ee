"""Prometheus's own tool on rules and exposition: both are sound, each rule fires when it should, and none in peace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.metrics.debian_prometheus import promtool
from tests.metrics.metrics_rig import MetricsRig, scraped
from tests.trading.desk.desk_rig import OPEN, DeskRig
from tradebot.metrics.latency_histograms import BOUND_LABELS
from tradebot.metrics.shipped import alert_rules

pytestmark = pytest.mark.prove

# alert -> what some series of a healthy run become: 20 minutes, a sample every 15 s; it rises by what follows +.
TROUBLE: dict[str, dict[str, str]] = {
    "TradebotDown": {"up": "0x80"},
    "TradebotHalted": {"tradebot_halted": "1x80"},
    "TradebotScopeHalted": {'tradebot_halts{scope="symbol"}': "2x80"},
    "TradebotEntriesBlocked": {'tradebot_entries_blocked{reason="books"}': "1x80"},
    "TradebotFeedStale": {"tradebot_feed_age_seconds": "45x80"},
    "TradebotLoginNeeded": {'tradebot_login_state{state="NEED_LOGIN"}': "1x80", "tradebot_session_open": "0x80"},
    "TradebotLoginNeededInSession": {'tradebot_login_state{state="NEED_LOGIN"}': "1x80"},
    "TradebotPositionWithoutStop": {'tradebot_resting_stops{state="missing"}': "1x80"},
    "TradebotRejects": {'tradebot_rejects_total{purpose="entry"}': "0+1x80"},
    "TradebotLimitNear": {'tradebot_limit_used_ratio{limit="daily_loss"}': "0.85x80"},
    "TradebotExternalOrders": {"tradebot_external_orders_total": "0x60 1x20"},
    "TradebotJournalLag": {"tradebot_journal_lag_seconds": "2x80"},
    "TradebotDiskLow": {"tradebot_disk_level": "1x80"},
    "TradebotDiskShort": {"tradebot_disk_level": "2x80"},
    "TradebotOutboxBehind": {"tradebot_outbox_lag_rows": "20000x80"},
    "TradebotLoopSlow": {
        f'tradebot_loop_lag_seconds_bucket{{le="{le}"}}': "0x80" for le in BOUND_LABELS if float(le) <= 0.05
    },
    "TradebotWorkerRestarts": {"tradebot_worker_restarts_total": "0x60 1x20"},
    "TradebotRestarts": {"process_start_time_seconds": "100x20 200x20 300x20 400x20"},
    "TradebotLogLinesDropped": {"tradebot_log_lines_dropped_total": "0x70 9x10"},
    "TradebotErrorsLogged": {'tradebot_events_total{event="order_unknown",level="error"}': "0x70 1x10"},
}
# What fires beside it, because it is a part of the same trouble.
BESIDE = {"TradebotLoginNeededInSession": {"TradebotLoginNeeded"}}


def healthy() -> dict[str, str]:
    """Series -> values of a run in which all is well, in market hours, from what a run exposes."""
    rig, desk = MetricsRig(), DeskRig()
    rig.clock.now_ns = OPEN
    desk.bought()
    rig.attach(desk.desk.account)
    rig.latencies.record_duration("loop_lag", 1_000)
    found = {"up": "1x80"}
    for (name, labels), value in scraped(rig.metrics.render_text()).items():
        inner = ",".join(f"{label}={json.dumps(text)}" for label, text in labels)
        rises = "0+1x80" if name.startswith("tradebot_loop_lag_seconds") and value else f"{value:g}x80"
        found[f"{name}{{{inner}}}" if inner else name] = rises
    return found | {"tradebot_journal_lag_seconds": "0x80", "tradebot_disk_level": "0x80",
                    "tradebot_feed_age_seconds": "0.2x80"}  # fmt: skip


def fired(series: dict[str, str], folder: Path, *, expected: set[str]) -> None:
    """Let promtool evaluate the rules over the series, and hold what fires at the end against `expected`."""
    (folder / "rules.yml").write_text(alert_rules())
    inputs = []
    for name, values in series.items():
        bare, _, inner = name.partition("{")
        labels = ",".join(filter(None, (inner.rstrip("}"), 'job="tradebot"', 'instance="here"')))
        inputs.append({"series": f"{bare}{{{labels}}}", "values": values})
    samples = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(expected)]
    question = {"expr": 'count by (alertname) (ALERTS{alertstate="firing"}) >= bool 1', "eval_time": "19m45s",
                "exp_samples": samples}  # fmt: skip
    test = {"interval": "15s", "input_series": inputs, "promql_expr_test": [question]}
    (folder / "tests.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "15s",
                                                      "tests": [test]}))  # fmt: skip
    promtool("test", "rules", str(folder / "tests.yml"))


def test_the_rules_are_sound(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(alert_rules())
    assert "20 rules found" in promtool("check", "rules", "--lint=all", "--lint-fatal", str(tmp_path / "rules.yml"))


def test_the_exposition_is_sound() -> None:
    rig, desk = MetricsRig(), DeskRig()
    desk.bought()
    rig.attach(desk.desk.account)
    assert promtool("check", "metrics", given=rig.metrics.render_text()) == ""


def test_in_a_healthy_run_no_rule_fires(tmp_path: Path) -> None:
    fired(healthy(), tmp_path, expected=set())


def test_every_rule_has_its_trouble() -> None:
    rules = yaml.safe_load(alert_rules())["groups"][0]["rules"]
    assert [rule["alert"] for rule in rules] == list(TROUBLE)


@pytest.mark.parametrize("alert", TROUBLE)
def test_a_rule_fires_for_its_trouble_and_no_other_does(alert: str, tmp_path: Path) -> None:
    series = healthy()
    assert not set(TROUBLE[alert]) - set(series), "the run does not expose such a series"
    fired(series | TROUBLE[alert], tmp_path, expected={alert} | BESIDE.get(alert, set()))
