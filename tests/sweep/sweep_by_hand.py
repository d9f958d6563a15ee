"""The bars and the job that small sweeps share: two days of one symbol, and one day of it."""

from __future__ import annotations

from tests.backtest.result_by_hand import bars, job
from tradebot.sweep.trial import SweepData

SERIES = {"RELIANCE": bars("RELIANCE", 2)}
SHARED_DATA = SweepData(job=job(), series=SERIES)
DAY_DATA = SweepData(job=job(), series={"RELIANCE": bars("RELIANCE", 1)})
