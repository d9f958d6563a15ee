"""Every metric by the conventions of Prometheus, and every name on the board and in the rules among them."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

from tests.metrics.metrics_rig import MetricsRig, scraped
from tests.metrics.promql import board_expressions, grouped_labels, selectors
from tests.trading.desk.desk_rig import DeskRig
from tradebot.metrics.catalogue import METRICS
from tradebot.metrics.metric_spec import MetricKind, MetricSpec
from tradebot.metrics.shipped import alert_rules, grafana_board
from tradebot.metrics.stage_metrics import LATENCY_MEANINGS

ROOT = Path(__file__).parents[2]
OF_THE_SCRAPE = {"instance", "job"}
UNITS = {
    "seconds": "seconds|Unix seconds.*",
    "bytes": "bytes",
    "ratio": "ratio.*",
    "rows": "count",
    "total": "count|seconds",
}


def exposed() -> dict[str, set[str]]:
    """Name of a sample -> its labels, of a run in which everything has a figure."""
    rig, desk = MetricsRig(), DeskRig()
    desk.bought()
    rig.attach(desk.desk.account)
    found: dict[str, set[str]] = {"up": set()}
    for name, labels in scraped(rig.metrics.render_text()):
        found.setdefault(name, set()).update(label for label, _ in labels)
    return found


def expressions() -> list[tuple[str, str]]:
    rules = [
        (rule["alert"], rule["expr"]) for group in yaml.safe_load(alert_rules())["groups"] for rule in group["rules"]
    ]
    return rules + board_expressions(json.loads(grafana_board()))


@pytest.mark.parametrize("spec", METRICS.values(), ids=METRICS)
def test_a_metric_is_named_and_described_by_the_conventions(spec: MetricSpec) -> None:
    assert re.fullmatch(r"(?:tradebot|process)_[a-z0-9_]+", spec.name)
    assert spec.name.endswith("_total") is (spec.kind is MetricKind.COUNTER)
    assert not re.search(r"_(?:ms|us|ns|mb|kb|percent|minutes)(?:_|$)", spec.name), "base units only"
    assert all((spec.what, spec.unit, spec.source)), "the help says what, its unit and its source"
    assert re.fullmatch(UNITS.get(spec.name.rpartition("_")[2], ".+"), spec.unit), "the unit is that of the name"
    assert not spec.what.endswith(".")
    assert "order_id" not in spec.labels


def test_a_run_exposes_every_metric_of_the_catalogue_and_no_other() -> None:
    names = {
        re.sub(r"_(?:bucket|sum|count)$", "", name) if name.startswith("tradebot_") else name for name in exposed()
    }
    assert names - {"up"} == set(METRICS)


def test_every_latency_that_is_measured_has_its_histogram() -> None:
    measured: set[str] = set()
    for path in (ROOT / "tradebot").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if called in ("measure", "_measure"):
                    measured.add(str(node.args[0].value))
    assert measured == set(LATENCY_MEANINGS)


def test_every_name_and_label_on_the_board_and_in_the_rules_is_exposed() -> None:
    known, wrong = exposed(), list[str]()
    for where, expression in expressions():
        found = list(selectors(expression))
        assert found, f"{where}: {expression} selects nothing"
        for one in found:
            if one.name not in known:
                wrong.append(f"{where}: no metric {one.name}")
            elif strange := set(one.labels) - known[one.name] - OF_THE_SCRAPE:
                wrong.append(f"{where}: {one.name} has no label {', '.join(strange)}")
        labels = set[str]().union(*(known.get(one.name, set()) for one in found)) | OF_THE_SCRAPE
        if strange := grouped_labels(expression) - labels:
            wrong.append(f"{where}: grouped by {', '.join(strange)}, which nothing has")
    assert not wrong, "\n".join(wrong)


def test_every_value_of_a_label_that_is_named_is_one_that_is_exposed() -> None:
    rig, desk = MetricsRig(), DeskRig()
    desk.bought()
    rig.attach(desk.desk.account)
    values: dict[tuple[str, str], set[str]] = {}
    for name, labels in scraped(rig.metrics.render_text()):
        for label, value in labels:
            values.setdefault((name, label), set()).add(value)
    for where, expression in expressions():
        for one in selectors(expression):
            for label, pattern in one.labels.items():
                if label not in OF_THE_SCRAPE:
                    for part in pattern.split("|"):
                        assert part in values[one.name, label], f"{where}: {one.text}"


def test_what_the_rules_say_names_labels_that_their_expression_leaves() -> None:
    known = exposed()
    for group in yaml.safe_load(alert_rules())["groups"]:
        for rule in group["rules"]:
            kept = grouped_labels(rule["expr"]) if " by " in rule["expr"] else set[str]().union(
                *(known[one.name] for one in selectors(rule["expr"])))  # fmt: skip
            text = " ".join(rule["annotations"].values())
            assert set(re.findall(r"\$labels\.(\w+)", text)) <= kept | OF_THE_SCRAPE, rule["alert"]
            assert set(rule["annotations"]) == {"summary", "description"}
            assert rule["labels"]["severity"] in ("warning", "critical")


def test_the_board_has_its_rows_and_reads_from_the_source_that_a_person_chooses() -> None:
    board = json.loads(grafana_board())
    assert [one["title"] for one in board["panels"] if one["type"] == "row"] == [
        "Money", "Orders", "Feed", "Engine", "Storage"
    ]  # fmt: skip
    ids = [one["id"] for one in board["panels"]]
    assert len(ids) == len(set(ids))
    assert all(one["datasource"]["uid"] == "${datasource}" for one in board["panels"] if one["type"] != "row")
    assert all(one["gridPos"]["x"] + one["gridPos"]["w"] <= 24 for one in board["panels"])


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('up{job="a"} == 0', ["up"]),
        ("sum by (le, job) (rate(a_b_total[5m])) > 1e3", ["a_b_total"]),
        ('a{x="b{c} and d"} and on (instance) b == 1', ["a", "b"]),
        ("1000 * a / on (queue) b unless c offset 5m", ["a", "b", "c"]),
        ("time() - process_start_time_seconds{}", ["process_start_time_seconds"]),
    ],
)
def test_the_metrics_of_an_expression_are_found(expression: str, names: list[str]) -> None:
    assert [one.name for one in selectors(expression)] == names
