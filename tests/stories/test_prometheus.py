"""Debian's Prometheus scrapes two minutes of a fast day: every query of board and rules answers, and a halt fires."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.metrics.debian_prometheus import installed, promtool
from tests.metrics.promql import board_expressions, selectors
from tests.stories.kite_person import free_port
from tests.stories.real_process import Daemon
from tradebot.__main__ import run_command_line

pytestmark = pytest.mark.timeout(300)
# Ten that the shipped strategy trades in the first hour of the invented day.
SYMBOLS = "EICHERMOT,BHARTIARTL,APOLLOHOSP,WIPRO,HCLTECH,SHRIRAMFIN,KOTAKBANK,M&M,ULTRACEMCO,TCS"
SPEED = 120  # a session lasts three minutes
SCRAPED_S, FIRES_WITHIN_S = 120.0, 30.0


class Prometheus:
    """A running Prometheus; `ask` sends it a request of its HTTP API and returns the data."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}/api/v1"

    def ask(self, route: str, **parameters: str | float) -> Any:
        """Return the data of an answer; an error is a failure that says the query."""
        address = f"{self._address}/{route}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def over(self, expression: str, began: float) -> list[dict[str, Any]]:
        """Return the series of an expression since `began` (Unix seconds)."""
        found: list[dict[str, Any]] = self.ask("query_range", query=expression, start=began, end=time.time(), step=2)[
            "result"]  # fmt: skip
        return found

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire now."""
        return {one["labels"]["alertname"] for one in self.ask("alerts")["alerts"] if one["state"] == "firing"}


@contextmanager
def scraping(target: int, token_file: Path, rules: str, folder: Path) -> Iterator[Prometheus]:
    """Run Prometheus over the metrics of the daemon whose API listens at the port `target`."""
    (folder / "rules.yml").write_text(rules)
    jobs = [{"job_name": "tradebot", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}],
             "authorization": {"type": "Bearer", "credentials_file": str(token_file)}}]  # fmt: skip
    settings = {"global": {"scrape_interval": "2s", "evaluation_interval": "2s"}, "rule_files": ["rules.yml"],
                "scrape_configs": jobs}  # fmt: skip
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    promtool("check", "config", str(folder / "prometheus.yml"))
    port = free_port()
    command = [installed("prometheus"), f"--config.file={folder / 'prometheus.yml'}", "--log.level=warn",
               f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
    with (folder / "prometheus.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as running:
        try:
            yield Prometheus(port)
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(30)


def look_on(daemon: Daemon, seconds: float) -> None:
    """Read the daemon's log, which never pauses for long, until so much time has passed."""
    until = time.monotonic() + seconds
    daemon.until(lambda _: time.monotonic() > until)


def test_prometheus_reads_two_minutes_of_a_day_and_a_halt_fires(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, target = tmp_path / "state", free_port()
    for verb in ("rules", "grafana"):
        assert run_command_line(["metrics", verb]) == 0
        (tmp_path / verb).write_text(capsys.readouterr().out)
    rules, board = (tmp_path / "rules").read_text(), json.loads((tmp_path / "grafana").read_text())
    daemon = Daemon(
        "run", "--symbols", SYMBOLS, "--state-dir", str(state), "--speed", str(SPEED), "--interval", "1m",
        "--log-format", "json", "--log-level", "debug", env={"TRADEBOT_API__LISTEN": f"127.0.0.1:{target}"},
    )  # fmt: skip
    began = time.time()
    token_file = Path(daemon.event("api_opened")["token_file"])
    with scraping(target, token_file, rules, tmp_path) as prometheus:
        try:
            daemon.event("trading_started")
            look_on(daemon, SCRAPED_S)
            assert "TradebotHalted" not in prometheus.firing()

            assert run_command_line(["halt", "to see it fire", "--state-dir", str(state)]) == 0
            until = time.monotonic() + FIRES_WITHIN_S
            daemon.until(lambda _: time.monotonic() > until or "TradebotHalted" in prometheus.firing())
            assert "TradebotHalted" in prometheus.firing()

            (scraped,) = prometheus.ask("targets")["activeTargets"]
            assert (scraped["health"], scraped["lastError"]) == ("up", "")
            empty = [
                f"{title}: {expression}"
                for title, expression in board_expressions(board)
                if not prometheus.over(expression, began)
            ]
            for rule in yaml.safe_load(rules)["groups"][0]["rules"]:
                prometheus.ask("query", query=rule["expr"])
                empty += [
                    f"{rule['alert']}: {one.text}"
                    for one in selectors(rule["expr"])
                    if not prometheus.over(one.text, began)
                ]
            assert not empty, "\n".join(empty)
            assert all(group["lastError"] == "" for group in health(prometheus)), health(prometheus)
            read = {one["metric"]["purpose"]: float(one["values"][-1][1])
                    for one in prometheus.over("tradebot_fills_total", began)}  # fmt: skip
            shown = {"Authorization": f"Bearer {token_file.read_text().strip()}"}
            page = urllib.request.Request(f"http://127.0.0.1:{target}/metrics", headers=shown)
            with urllib.request.urlopen(page, timeout=10) as answer:
                promtool("check", "metrics", given=answer.read())
        finally:
            done = daemon.stop(30)
    assert done.code == 0, done.errors
    assert sum(read.values()) > 0
    assert sum(read.values()) <= done.one("run_summarized")["fills"]


def health(prometheus: Prometheus) -> list[dict[str, Any]]:
    """Return the rules as Prometheus evaluates them."""
    return [rule | {"lastError": rule.get("lastError", "")}
            for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]  # fmt: skip
