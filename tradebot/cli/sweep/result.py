"""The results of a sweep: runs its best trial again, writes the heat map, prints the trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tradebot.cli.shared.tables import standard_console
from tradebot.printing import print_error_line, print_json, print_line


class BestTrial:
    """The best trial of a sweep, run again for its checks and its report."""

    def __init__(self, plan: Any, rows: Any, shared_data: Any) -> None:
        import msgspec

        from tradebot.backtest.parallel import run_parallel
        from tradebot.sweep.sweep import best_row
        from tradebot.sweep.trial import SweepTrial, trial_job

        self.plan, self.rows, self.shared_data, self.report_path = plan, rows, shared_data, ""
        found = None if plan.folds else best_row(rows, plan.objective)
        self.result = None
        if found is not None:
            job = trial_job(SweepTrial(number=found.number, values=found.values), shared_data.job)
            if plan.symbols:
                job = msgspec.structs.replace(job, shared=False)
            self.result = run_parallel(job, shared_data.series)

    def robustness_checks(self) -> list[Any]:
        """Return the checks that show how far the sweep's result can be trusted."""
        from tradebot.backtest import honesty_checks
        from tradebot.backtest.metrics import returns_per_year
        from tradebot.backtest.parallel import run_parallel
        from tradebot.sweep import sweep_results

        if self.plan.folds:
            return [sweep_results.walk_forward_check(self.rows, self.plan)]
        found = [sweep_results.parameter_cliff_check(self.rows, self.plan)]
        if self.result is not None:
            deviation = sweep_results.sharpe_deviation(self.rows, days=returns_per_year(self.result.equity))
            found += honesty_checks.run_honesty_checks(
                self.result,
                self.shared_data.series,
                run_parallel,
                trials=len(self.rows),
                deviation=deviation,
                seed=self.plan.seed,
            )
        return found

    def write_report(self, path: Path, checks: list[Any]) -> None:
        """Write the report of the best trial; say on standard error when there is no single best trial."""
        from tradebot.backtest import report, report_data

        if self.result is None:
            print_error_line("tradebot: no report: there is no one best trial to report on")
            return
        whole = report_data.result_summary(self.result, checks)
        report.write_report(
            path, report_data.report_data(self.result, self.shared_data.series, checks, summary_=whole), whole
        )
        self.report_path = str(path)


def write_heat_map(path: Path, plan: Any, rows: Any, checks: list[Any], ground: Any) -> None:
    """Write the heat map of all trials."""
    from tradebot.backtest.report import write_file_atomically
    from tradebot.sweep.heat_map import heat_map_page

    job = ground.job
    symbols = [instrument.symbol for instrument in job.instruments]
    title = f"Sweep of {job.strategies[0].name} on {', '.join(symbols[:4])}"
    title += f" and {len(symbols) - 4} more" if len(symbols) > 4 else ""
    bars = sum(map(len, ground.series.values()))
    period = f"{len(rows):,} trials by {plan.kind.value}, seed {plan.seed}; {bars:,} bars"
    made = heat_map_page(rows, plan, checks, title=title, period=period, currency=job.currency)
    write_file_atomically(path, made.encode())


def show_sweep(plan: Any, rows: Any, checks: list[Any], places: dict[str, Any], *, as_json: bool) -> None:
    """Print the trials and their checks, and where the files are."""
    from tradebot.sweep import summary

    if as_json:
        print_json(summary.summary_as_json(plan, rows, checks, **places))
        return
    summary.print_summary(plan, rows, checks, standard_console())
    seconds = places["seconds"]
    print_line()
    print_line(f"{len(rows):,} trials in {seconds:.1f} s, {len(rows) / max(seconds, 1e-9):.1f} trials/s")
    report = f", report {places['report']}" if places["report"] else ""
    print_line(f"rows {places['out']}, heat map {places['heat_map']}{report}")
