"""The command line: each command loads its module under `cli/` only when it is used; an error prints one sentence."""

from __future__ import annotations

import difflib
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from tradebot import __version__
from tradebot.errors import ConfigError, ExitCode, TradebotError
from tradebot.printable import make_printable
from tradebot.printing import print_error_line, print_error_text

# Linear algebra uses one thread. This must be set before numpy is imported. A dot product over some ten thousand bars
# takes twice as long on two threads as on one, and processes, not threads, use the other cores here.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

VERBS = {  # verb -> (module:command, its line in `--help`: listing the verbs must not import them)
    "run": ("run.run:run", "Trade: stream quotes, compute signals, send orders."),
    "exchange": ("exchange:exchange", "Serve the simulated exchange on loopback."),
    "login": ("login:login", "Log the running daemon in at the broker, each morning."),
    "status": ("control.status:status", "Show the running daemon: halts, feed, positions, orders."),
    "halt": ("control.halt:halt", "Stop new positions until `resume`."),
    "resume": ("control.halt:resume", "End a halt, also the one of `kill`."),
    "flatten": ("control.flatten:flatten", "Halt and close every position."),
    "cancel": ("control.cancel:cancel", "Cancel one order."),
    "pause": ("control.pause:pause", "Stop new positions of one strategy."),
    "reload": ("control.reload:reload", "Take up changed limits, parameters and alerts of the config."),
    "unpause": ("control.pause:unpause", "Let a paused strategy open positions again."),
    "kill": ("control.kill:kill", "Bar new orders and cancel all at the venue, daemon or not."),
    "pnl": ("control.lists:pnl", "Show profit and charges of the running daemon."),
    "signals": ("control.lists:signals", "List the newest signals of the running daemon."),
    "risk": ("control.lists:risk", "Show halts, limits and denials of the running daemon."),
    "session": ("control.lists:session", "Show session, clock and login of the running daemon."),
    "strategies": ("control.lists:strategies", "List the strategies of the running daemon."),
    "symbols": ("control.lists:symbols", "List the symbols of the running daemon."),
    "api": ("control.api:api", "The API over HTTP: its token, its description."),
    "notify": ("notify.notify:notify", "Try the receivers of alerts; watch a daemon from outside."),
    "events": ("events:events", "Explain the events of the log, or follow those of the daemon."),
    "why": ("journal.why:why", "Explain one order: signal, checks, states, fills."),
    "orders": ("journal.orders:orders", "List the orders in the journal."),
    "trades": ("journal.trades:trades", "List the fills in the journal."),
    "positions": ("journal.positions:positions", "List the positions the journal adds up to."),
    "bars": ("journal.bars:bars", "Print the recorded bars of a symbol."),
    "verify": ("journal.verify:verify", "Check the journal's hash chain row by row."),
    "backup": ("journal.backup:backup", "Take a verified backup of the state, also while it runs."),
    "restore": ("journal.restore:restore", "Make a new state directory of a backup; it starts halted."),
    "backtest": ("backtest.backtest:backtest", "Trade past bars by the code that trades live."),
    "data": ("data.data:data", "Import, download, check and export past bars."),
    "replay": ("replay:replay", "Decide a recorded run again and compare every signal and order."),
    "paper": ("paper.paper:paper", "Reset the paper account; compare live fills with paper."),
    "db": ("db:db", "Show, migrate and feed the tables people query."),
    "sweep": ("sweep.sweep:sweep", "Backtest many sets of parameters and show the best."),
    "simulate": ("simulate:simulate", "Play whole days on virtual time, faults and kills included."),
    "bench": ("bench.bench:bench", "Measure this machine: feed, indicators, order path."),
    "init": ("init.init:init", "Write a folder to begin with: settings, a strategy, its test."),
    "doctor": ("doctor:doctor", "Look for what keeps this machine from trading well."),
    "config": ("config:config", "Show and check the configuration."),
    "metrics": ("metrics.metrics:metrics", "Print the Grafana board, the alert rules, the metrics."),
    "service": ("systemd.unit:service", "Print or install the systemd unit."),
    "completion": ("completion:completion", "Print the completion script of a shell."),
    "version": ("version:version", "Print the version and those of what it stands on."),
}


class LazyGroup(click.Group):
    """A click group that knows its verbs by name and imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order in which a user needs them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a verb, or None for an unknown verb."""
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(f"tradebot.cli.{module}"), name)
        assert isinstance(command, click.Command), f"tradebot.cli.{module}:{name} is not a command"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of the first argument. Raises UsageError that suggests the nearest verb."""
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            near = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(f"No such command '{args[0]}'.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each verb with its one-line description to the help text."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, sentence) for verb, (_, sentence) in VERBS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name="tradebot", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, envvar="TRADEBOT_DEBUG", help="Show tracebacks of errors.")
def tradebot(debug: bool) -> None:
    """An asyncio trading daemon: streams quotes, computes indicators in worker processes, trades, and survives.

    The first run needs no account and no network: tradebot run --symbols RELIANCE,TCS
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(run_command_line(list(sys.argv[1:] if args is None else args)))


def run_command_line(args: list[str]) -> int:
    """Run the command line and return the exit code. An error that a user can act on prints one sentence to stderr."""
    # No command gains from linear algebra threads; they would take cores from the processes and the event loop.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if sys.stdout is None:  # the parent process closed it: nothing reads the output, which is no reason to fail
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    out = sys.stdout
    debug = "--debug" in args[:1] or os.environ.get("TRADEBOT_DEBUG", "0") not in ("", "0")
    try:
        result: Any = tradebot.main(args, prog_name="tradebot", standalone_mode=False)
        sys.stdout.flush()
    except TradebotError as error:
        return _say(error, error.exit_code, debug=debug)
    except BaseExceptionGroup as group:
        ours = _only_ours(group)
        if ours is None:
            raise
        return _say(ours, ours.exit_code, debug=debug)
    except click.ClickException as error:
        if debug:
            raise
        told = io.StringIO()
        vars(error)["message"] = make_printable(error.message)  # it quotes user input and is a single line
        error.show(told)
        print_error_text(told.getvalue())
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        print_error_line("tradebot: interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe (`| head`). The rest of the buffer would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return ExitCode.OK
    except SystemExit as end:
        # The same broken pipe, raised inside a table or inside click, which then replaces stdout by another stream.
        if not isinstance(end.__context__, BrokenPipeError) and sys.stdout is out:
            raise
        return ExitCode.OK
    return result if isinstance(result, int) and not isinstance(result, bool) else ExitCode.OK


def _only_ours(group: BaseExceptionGroup[BaseException]) -> TradebotError | None:
    ours, others = group.split(TradebotError)
    if ours is None or others is not None:
        return None
    leaf: BaseException = ours
    while isinstance(leaf, BaseExceptionGroup):
        leaf = leaf.exceptions[0]
    return leaf if isinstance(leaf, TradebotError) else None


def _say(error: TradebotError, code: int, *, debug: bool) -> int:
    if debug:
        raise error
    # A list of config errors keeps each `file:line:column` at the start of its line, so that editors can follow it.
    text = str(error)
    if isinstance(error, ConfigError) and error.is_list and "\n" in text:
        print_error_text(f"tradebot: the configuration is refused\n{text}\n")
    else:
        print_error_line(f"tradebot: {text}")
    return code


if __name__ == "__main__":
    main()
