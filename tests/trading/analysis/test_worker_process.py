"""One worker process: its jobs, its limits and its end."""

import asyncio
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tradebot.trading.analysis.worker_process import WorkerGone, WorkerProcess, job_result


@pytest.fixture
async def process():
    threads = ThreadPoolExecutor(2)
    died = asyncio.Event()
    made = WorkerProcess(threads, on_death=died.set)
    await made.open_process()
    made.died = died  # type: ignore[attr-defined]
    yield made
    made.kill()
    await made.close_process()
    threads.shutdown()


async def test_jobs_run_in_one_other_process_of_lower_priority_that_ignores_ctrl_c(process):
    assert await process.run_job(os.getpid, within_s=5) == process.pid != os.getpid()
    os.kill(process.pid, signal.SIGINT)
    assert await process.run_job(os.nice, 0, within_s=5) >= min(os.nice(0) + 5, 19)
    assert await process.run_job(signal.getsignal, signal.SIGINT, within_s=5) == signal.SIG_IGN


async def test_every_job_that_waits_when_its_process_is_killed_is_lost(process):
    jobs = [process.submit_job(signal.pause) for _ in range(4)]  # one runs, one is handed over, the others wait
    process.kill()
    await asyncio.wait(jobs, timeout=5)
    for job in jobs:
        with pytest.raises(WorkerGone, match="died"):
            job_result(job, 5.0)
    with pytest.raises(WorkerGone):
        process.submit_job(os.getpid)


async def test_a_job_past_its_limit_is_lost_and_what_a_job_raises_passes_through(process):
    with pytest.raises(ZeroDivisionError):
        await process.run_job(divmod, 1, 0, within_s=5)
    with pytest.raises(WorkerGone, match=r"passed its time limit of 0\.05 s"):
        await process.run_job(signal.pause, within_s=0.05)


async def test_a_death_is_heard_of_without_a_job(process):
    os.kill(process.pid, signal.SIGKILL)
    async with asyncio.timeout(5):
        await process.died.wait()


async def test_being_killed_on_purpose_is_no_news(process):
    process.kill()
    process.kill()
    await process.close_process()
    assert not process.died.is_set()


async def test_jobs_by_the_short_way_are_answered_in_order_by_the_same_process(process):
    process.open_socket_channel()
    big = bytes(3_000_000)  # more than a socket takes at once, both ways
    jobs = [
        process.submit_job(os.getpid),
        process.submit_job(bytes.__add__, big, b"1"),
        process.submit_job(divmod, 7, 2),
    ]
    await asyncio.wait(jobs, timeout=10)
    assert [job.result() for job in jobs] == [process.pid, big + b"1", (3, 1)]


async def test_by_the_short_way_too_limits_hold_and_what_a_job_raises_passes_through(process):
    process.open_socket_channel()
    with pytest.raises(ZeroDivisionError):
        await process.run_job(divmod, 1, 0, within_s=5)
    with pytest.raises(WorkerGone, match=r"passed its time limit of 0\.05 s"):
        await process.run_job(signal.pause, within_s=0.05)


@pytest.mark.both_loops
async def test_by_the_short_way_too_every_job_of_a_killed_process_is_lost(process):
    process.open_socket_channel()
    jobs = [process.submit_job(signal.pause) for _ in range(3)]
    os.kill(process.pid, signal.SIGKILL)
    await asyncio.wait(jobs, timeout=5)
    for job in jobs:
        with pytest.raises(WorkerGone, match="died"):
            job_result(job, 5.0)
    with pytest.raises(WorkerGone):
        process.submit_job(os.getpid)


async def test_an_answer_that_cannot_travel_loses_the_worker_and_not_the_loop(process):
    process.open_socket_channel()
    with pytest.raises(WorkerGone, match="died"):
        await process.run_job(iter, "ab", within_s=5) and await process.run_job(open, os.devnull, within_s=5)
