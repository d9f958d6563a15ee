"""Executors run the trials: in processes of this machine, in those of a Dask cluster, or inline; with one interface.

The bars go to each worker once: processes map one file, a cluster scatters them. A trial itself is a few bytes.
"""

from __future__ import annotations

import importlib
import multiprocessing
import pickle
import tempfile
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from tradebot.backtest.job import Job
from tradebot.backtest.pool import init_worker, kill_pool, may_fork
from tradebot.domain.market import SERIES_COLUMNS, BarSeries
from tradebot.errors import ClusterUnavailable, ConfigError
from tradebot.sweep.trial import SweepData, SweepTrial, TrialBatch, run_trials

CONNECT_S = 10  # time limit to connect to a scheduler on the local network
_shared_data: SweepData | None = None  # the shared data of a worker process


class TrialExecutor(Protocol):
    """Runs batches of trials. After one of `worker_errors` a worker died, and its batch may be submitted again."""

    worker_count: int
    worker_errors: tuple[type[BaseException], ...]

    def submit_batch(self, trials: Sequence[SweepTrial]) -> Future[TrialBatch]:
        """Send a batch to a free worker."""
        ...

    def replace_workers(self) -> None:
        """Replace workers that died or hang; their batches are lost."""
        ...

    def stop_workers(self) -> None:
        """Stop all workers, busy ones too."""
        ...


class ProcessExecutor:
    """An executor with processes on this machine. They map the bars from one file, so the bars are in memory once."""

    worker_errors: tuple[type[BaseException], ...] = (BrokenExecutor,)

    def __init__(self, shared_data: SweepData, worker_count: int) -> None:
        self.worker_count = worker_count
        self._folder = tempfile.TemporaryDirectory(prefix="tradebot-sweep-")
        self._place = Path(self._folder.name)
        write_shared_data(shared_data, self._place)
        # A forked worker has its imports already; they take a second per worker, as much as twenty trials.
        self._pool = self._made(multiprocessing.get_context("fork") if may_fork() else _context())
        self._pool.submit(_run_in_worker, ())  # starts the workers now, before there are threads

    def submit_batch(self, trials: Sequence[SweepTrial]) -> Future[TrialBatch]:
        return self._pool.submit(_run_in_worker, tuple(trials))

    def replace_workers(self) -> None:
        kill_pool(self._pool)
        self._pool = self._made(_context())

    def stop_workers(self) -> None:
        kill_pool(self._pool)
        self._folder.cleanup()

    def _made(self, context: BaseContext) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.worker_count, mp_context=context, initializer=_start_worker, initargs=(str(self._place),)
        )


class InlineExecutor:
    """An executor without workers, which runs trials in this process; for tests, and for `--workers 0`."""

    worker_count = 1
    worker_errors: tuple[type[BaseException], ...] = ()

    def __init__(self, shared_data: SweepData) -> None:
        self._shared_data = shared_data

    def submit_batch(self, trials: Sequence[SweepTrial]) -> Future[TrialBatch]:
        future: Future[TrialBatch] = Future()
        future.set_result(run_trials(self._shared_data, trials))
        return future

    def replace_workers(self) -> None:
        pass

    def stop_workers(self) -> None:
        pass


LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")


class ClusterExecutor:
    """An executor with the workers of a Dask cluster, whose scheduler sends a dead worker's trials to another.

    Dask runs any code that it is sent. Without TLS the scheduler must therefore be on this machine, or `is_trusted`
    must state that the network is trusted.
    """

    def __init__(self, shared_data: SweepData, address: str, *, is_trusted: bool = False) -> None:
        try:
            distributed: Any = importlib.import_module("distributed")
        except ImportError:
            raise ConfigError("--cluster needs Dask: pip install 'tradebot[cluster]'") from None
        try:
            # Checked before a client exists: with an invalid address it takes 20 s to close and prints a traceback.
            host, _ = importlib.import_module("distributed.comm.addressing").get_address_host_port(address)
        except ValueError as fault:
            raise ConfigError(f"--cluster {address} is no address: {fault}; expected one as tcp://host:8786") from None
        if not is_trusted and not address.startswith("tls://") and host not in LOOPBACK:
            raise ConfigError(
                f"--cluster {address} is another machine without TLS: whoever is on the way can run code there and"
                " here; say tls://..., or --cluster-without-tls where the network is yours alone"
            )
        self.worker_errors: tuple[type[BaseException], ...] = (
            distributed.scheduler.KilledWorker,
            distributed.client.FutureCancelledError,
            BrokenExecutor,
        )
        try:
            self._client: Any = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
            self.worker_count = sum(self._client.nthreads().values())
        except (OSError, ValueError, TimeoutError) as fault:
            raise ClusterUnavailable(f"no Dask scheduler answers at {address}: {fault or 'timed out'}") from fault
        if not self.worker_count:
            self._client.close()
            raise ClusterUnavailable(
                f"the Dask scheduler at {address} has no workers; start some with: dask worker {address}"
            )
        self._shared_data = shared_data
        self._scatter()

    def submit_batch(self, trials: Sequence[SweepTrial]) -> Future[TrialBatch]:
        future: Future[TrialBatch] = self._executor.submit(run_trials, self._shared, tuple(trials))
        return future

    def replace_workers(self) -> None:
        self._executor.shutdown(wait=False)
        self._scatter()

    def stop_workers(self) -> None:
        self._executor.shutdown(wait=False)
        self._client.close()

    def _scatter(self) -> None:
        self._shared = self._client.scatter(self._shared_data, broadcast=True, hash=False)
        self._executor: Executor = self._client.get_executor(pure=False)


def write_shared_data(shared_data: SweepData, folder: Path) -> None:
    """Write the data that all trials share into `folder`: the bars as one int64 array, shape (6, n), and the rest."""
    (folder / "job").write_bytes(pickle.dumps(shared_data.job))
    index = [(one.symbol, one.interval, len(one)) for one in shared_data.series.values()]
    (folder / "index").write_bytes(msgspec.msgpack.encode(index))
    whole = np.lib.format.open_memmap(
        folder / "bars.npy", mode="w+", dtype=np.int64, shape=(len(SERIES_COLUMNS), sum(rows for _, _, rows in index))
    )
    for row, name in enumerate(SERIES_COLUMNS):
        np.concatenate([getattr(one, name) for one in shared_data.series.values()], out=whole[row])
    whole.flush()


def map_shared_data(folder: Path) -> SweepData:
    """Return the data that `write_shared_data` wrote, with the bars mapped and not copied."""
    job: Job = pickle.loads((folder / "job").read_bytes())
    whole = np.load(folder / "bars.npy", mmap_mode="r")
    series, at = {}, 0
    for symbol, interval, rows in msgspec.msgpack.decode((folder / "index").read_bytes()):
        columns = {name: np.asarray(whole[row, at : at + rows]) for row, name in enumerate(SERIES_COLUMNS)}
        series[symbol] = BarSeries(symbol=symbol, interval=interval, **columns)
        at += rows
    return SweepData(job=job, series=series)


def _context() -> BaseContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tradebot.trading.analysis.worker_preload", "tradebot.sweep.trial"])
    return context


def _start_worker(folder: str) -> None:
    global _shared_data
    init_worker()
    _shared_data = map_shared_data(Path(folder))


def _run_in_worker(trials: tuple[SweepTrial, ...]) -> TrialBatch:
    assert _shared_data is not None, "the worker was started by the pool, which settles it first"
    return run_trials(_shared_data, trials)
