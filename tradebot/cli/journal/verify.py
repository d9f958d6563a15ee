"""The verb `verify`: checks that the journal is intact and that the promises were kept."""

from __future__ import annotations

from pathlib import Path

import click

from tradebot.checker.promises import are_kept, judge_records, verdict_rows, verdicts_json
from tradebot.checker.verdict import PromiseStatus
from tradebot.cli.journal.options import journal_options, journal_path
from tradebot.cli.shared.tables import print_rows
from tradebot.errors import InvariantBroken, StateError
from tradebot.journal import journal_heads, reader
from tradebot.journal.schema import FILE_NAME
from tradebot.printing import print_json, print_line, print_text


@click.command()
@click.argument("journal", required=False, type=click.Path(path_type=Path))
@journal_options
@click.option("--head", metavar="HEX", help="A hash that must stand in the chain: shows that no rows were cut off.")
@click.option("--promises", is_flag=True, help="Judge what was promised as well; exit 70 when a promise is broken.")
@click.option(
    "--against", metavar="LOG", type=click.Path(path_type=Path), help="Judge against this log of the exchange."
)
@click.option("--trace", metavar="FILE", type=click.Path(path_type=Path), help="And this trace of commits and sends.")
def verify(
    journal: Path | None,
    state_dir: Path | None,
    config: str | None,
    as_json: bool,
    head: str | None,
    promises: bool,
    against: Path | None,
    trace: Path | None,
) -> None:
    """Check the hash chain row by row, of JOURNAL or of the configured state directory; exit 73 when it is broken.

    A journal that lacks the row with which a run ended, which stands in the file .heads beside it, is refused as well.

    With --promises, --against or --trace judge instead whether the promises were kept: exit 70 when one was not.
    """
    path = journal or journal_path(state_dir, config)
    path = path / FILE_NAME if path.is_dir() else path
    if promises or against is not None or trace is not None:
        _judge(path, against, trace, as_json=as_json)
        return
    verdict = reader.verify_chain(path)
    if not verdict.rows and verdict.is_intact:
        raise StateError(
            f"{path}: holds no row; a copy made while the daemon runs lacks what stands in {path.name}-wal: copy with "
            f"`sqlite3 {path.name} '.backup copy.sqlite3'`, or stop the daemon first"
        )
    if as_json:
        fields = {"path": str(path), "rows": verdict.rows, "head": verdict.head.hex(), "intact": verdict.is_intact}
        print_json(fields | ({} if verdict.is_intact else {"row": verdict.broken_row, "why": verdict.why}))
    if not verdict.is_intact:
        raise StateError(
            f"{path}: row {verdict.broken_row} is {verdict.why}; the {verdict.rows} rows before it are intact"
        )
    if head is not None and reader.find_row_by_hash(path, _digest(head)) is None:
        raise StateError(f"{path}: no row has the hash {head}; rows were cut off or this is another journal")
    if doubt := journal_heads.head_mismatch_reason(path):
        raise StateError(doubt)
    if not as_json:
        print_line(f"{path}: intact, {verdict.rows} rows, head {verdict.head.hex()}")


def _judge(path: Path, against: Path | None, trace: Path | None, *, as_json: bool) -> None:
    verdicts = judge_records(path, against=against, trace=trace)
    if as_json:
        print_text(verdicts_json(verdicts) + "\n")
    else:
        print_rows(verdict_rows(verdicts), as_json=False)
    if not are_kept(verdicts):
        names = ", ".join(v.promise for v in verdicts if v.status is PromiseStatus.BROKEN)
        raise InvariantBroken(f"{path}: these promises were broken: {names}")


def _digest(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise click.BadParameter("should be a hash in hexadecimal digits", param_hint="--head") from error
