"""The metrics of one process as text for a scraper: the start's own, and from `attach_run` on those of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tradebot.clock import SECOND, Clock
from tradebot.metrics.account_figures import account_figures
from tradebot.metrics.catalogue import METRICS
from tradebot.metrics.event_counts import EventCounts
from tradebot.metrics.figure import Figure, one_of
from tradebot.metrics.latency_histograms import LatencyHistograms
from tradebot.metrics.metric_spec import MetricKind
from tradebot.metrics.process_figures import process_figures
from tradebot.metrics.run_sources import RunSources
from tradebot.metrics.stage_figures import LOGIN_STATES, NEED_LOGIN, RUN_STATES, stage_figures


class RunMetrics(Collector):
    """Reads every metric at the moment of a scrape, in the event loop; it keeps only counts of events and histograms.

    `counts` is to listen to the bus. `lines_dropped` returns how many lines of the log were lost, `needs_login` whether
    the start waits for a login. The registry is its own: no other library's metrics are in the text.
    """

    def __init__(
        self,
        *,
        version: str,
        mode: str,
        clock: Clock,
        lines_dropped: Callable[[], int],
    ) -> None:
        self.counts = EventCounts()
        self.needs_login: Callable[[], bool] = lambda: False
        self._build, self._lines_dropped, self._began_s = (version, mode), lines_dropped, clock.wall_ns() / SECOND
        self._sources: RunSources | None = None
        self._histograms: LatencyHistograms | None = None
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def attach_run(self, sources: RunSources) -> None:
        """Read the metrics of a run from now on."""
        self._sources, self._histograms = sources, LatencyHistograms(sources.latencies)
        account = sources.account
        self.counts.purpose_of = lambda id_: (
            order.request.purpose if (order := account.kept_orders().get(id_)) is not None else None
        )

    def render_text(self) -> bytes:
        """Return every metric in Prometheus's text format, version 0.0.4."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric that has a figure now, in the order of the catalogue; the client library calls this."""
        figures: dict[str, list[Figure]] = {}
        for figure in self._figures():
            figures.setdefault(figure.name, []).append(figure)
        families = {family.name: family for family in self._latency_families()}
        for missed in self._missed():
            figures.setdefault(missed.name, []).append(missed)
        for name in METRICS:
            if name in families:
                yield families[name]
            elif name in figures:
                yield _family(name, figures[name])

    def _figures(self) -> Iterator[Figure]:
        yield Figure("tradebot_build_info", 1, self._build)
        yield Figure("tradebot_log_lines_dropped_total", self._lines_dropped())
        yield from self.counts.read_figures()
        yield from process_figures(self._began_s)
        if (sources := self._sources) is None:
            yield from one_of("tradebot_state", "starting", RUN_STATES)
            yield from one_of("tradebot_login_state", NEED_LOGIN if self.needs_login() else "", LOGIN_STATES)
        else:
            yield from account_figures(sources.account, killed=sources.killed())
            yield from stage_figures(sources)

    def _latency_families(self) -> Iterable[Metric]:
        return () if self._histograms is None else self._histograms.read_families()

    def _missed(self) -> Iterator[Figure]:
        if self._histograms is not None:
            for name, count in self._histograms.missed_counts().items():
                yield Figure("tradebot_latencies_missed_total", count, (name,))


def _family(name: str, figures: Iterable[Figure]) -> Metric:
    spec = METRICS[name]
    kind = CounterMetricFamily if spec.kind is MetricKind.COUNTER else GaugeMetricFamily
    family = kind(name, spec.meaning, labels=spec.labels)
    for figure in figures:
        assert len(figure.labels) == len(spec.labels), f"{name} has the labels {spec.labels}, not {figure.labels}"
        family.add_metric(figure.labels, figure.value)
    return family
