"""The verbs of metrics print what a person hands to Prometheus and to Grafana, and what there is."""

from __future__ import annotations

import json

import pytest
import yaml

from tradebot.__main__ import run_command_line
from tradebot.metrics.catalogue import METRICS


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run_command_line(["metrics", *words]) == 0
    return capsys.readouterr().out


def test_the_board_is_one_that_grafana_can_import(capsys: pytest.CaptureFixture[str]) -> None:
    board = json.loads(printed(capsys, "grafana"))
    assert board["title"] == "tradebot"
    assert {one["type"] for one in board["panels"]} <= {"row", "stat", "timeseries", "table"}


def test_the_rules_are_a_rule_file(capsys: pytest.CaptureFixture[str]) -> None:
    (group,) = yaml.safe_load(printed(capsys, "rules"))["groups"]
    alerts = [rule["alert"] for rule in group["rules"]]
    assert len(alerts) == len(set(alerts)) == 20


def test_every_metric_is_listed_with_its_unit_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(printed(capsys, "list", "--json"))
    assert [row["name"] for row in rows] == list(METRICS)
    assert all(row["unit"] and row["source"] for row in rows)
    lines = printed(capsys, "list").splitlines()
    assert len(lines) == len(METRICS) + 1
