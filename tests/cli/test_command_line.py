"""The command line as a user meets it: quick, lazy, one sentence for an error, and the promised exit codes."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tradebot import __main__, __version__
from tradebot.errors import AccessDenied, DataError, StateError

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def tradebot(*args: str) -> int:
    return __main__.run_command_line(list(args))


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    @click.command()
    def command() -> None:
        raise error

    monkeypatch.setattr(__main__.LazyGroup, "get_command", lambda *_: command)


@pytest.mark.parametrize("args", [("--version",), ("-V",)])
def test_the_version_is_printed(args: tuple[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert tradebot(*args) == 0
    assert capsys.readouterr().out == f"tradebot {__version__}\n"


def test_help_lists_every_verb_without_loading_any(capsys: pytest.CaptureFixture[str]) -> None:
    assert tradebot("--help") == 0

    out = capsys.readouterr().out
    assert all(f"\n  {verb} " in out for verb in __main__.VERBS)


@pytest.mark.parametrize("args", [["--version"], ["--help"], ["rum"]])
def test_a_quick_answer_loads_no_heavy_library(args: list[str]) -> None:
    heavy = "pandas", "numpy", "aiohttp", "pydantic", "talib", "structlog", "asyncio", "tradebot.cli", "tradebot.config"
    code = (
        f"import sys; from tradebot.__main__ import run_command_line; run_command_line({args}); "
        f"sys.exit(any(m in sys.modules for m in {heavy}))"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr.decode()


def test_a_misspelt_verb_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert tradebot("rum") == 2
    assert "No such command 'rum'. Did you mean 'run'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [(DataError("ticks.csv:3: no price"), 65), (StateError("state: locked"), 73), (AccessDenied("x"), 77)],
)
def test_an_error_of_ours_is_one_sentence_and_its_code(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, error)

    assert tradebot("run") == code
    assert capsys.readouterr().err == f"tradebot: {error}\n"


def test_an_error_out_of_a_task_group_is_the_same_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, BaseExceptionGroup("tasks", [ExceptionGroup("inner", [DataError("bad row")])]))

    assert tradebot("run") == 65
    assert capsys.readouterr().err == "tradebot: bad row\n"


def test_a_bug_inside_a_task_group_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, ExceptionGroup("tasks", [DataError("bad row"), ZeroDivisionError()]))

    with pytest.raises(ExceptionGroup):
        tradebot("run")


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, DataError("bad row"))

    with pytest.raises(DataError):
        tradebot("--debug", "run")


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    failing(monkeypatch, KeyboardInterrupt())

    assert tradebot("run") == 130
    assert capsys.readouterr().err.strip() == "tradebot: interrupted"


def test_a_reader_that_leaves_early_sees_no_traceback() -> None:
    command = f"{sys.executable} -m tradebot config schema | true"

    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], cwd=ROOT, capture_output=True, check=False)

    assert done.stderr == b""


def test_a_reader_that_leaves_is_no_failure_whoever_meets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    end = SystemExit(1)  # what the library of the tables raises then
    end.__context__ = BrokenPipeError()
    failing(monkeypatch, end)
    assert tradebot("run") == 0

    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.undo()
    monkeypatch.setattr(sys, "stdout", Gone())
    assert tradebot("config", "path") == 0


def test_config_check_reports_every_mistake_and_ends_with_78(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.toml").write_text("[risk]\nmax_positon = 7\n[rsk]\n")

    assert tradebot("config", "check") == 78
    err = capsys.readouterr().err.splitlines()
    assert err[0] == "tradebot: the configuration is refused"
    assert err[1].startswith("config.toml:2:1: risk.max_positon: unknown key, did you mean max_position")
    assert "config.toml:3:2: rsk: unknown section, did you mean risk?" in err


def test_config_show_tells_the_origin_of_each_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.toml").write_text("[exchange]\nseed = 11\n")
    monkeypatch.setenv("TRADEBOT_LOG__LEVEL", "debug")

    assert tradebot("config", "show", "--origin") == 0
    lines = {line.split("#")[0].strip(): line.partition("# ")[2] for line in capsys.readouterr().out.splitlines()}
    assert lines["seed = 11"] == "config.toml:2"
    assert lines['level = "debug"'] == "environment TRADEBOT_LOG__LEVEL"
    assert lines["speed = 60.0"] == "default"

    assert tradebot("config", "show", "--origin", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["exchange.seed"] == {"value": 11, "origin": "config.toml:2"}
    assert shown["strategy.0.name"] == {"value": "ema_cross", "origin": "default"}


def test_config_show_defaults_is_a_file_that_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tradebot("config", "show", "--defaults") == 0
    (tmp_path / "config.toml").write_text(capsys.readouterr().out)

    assert tradebot("config", "check") == 0
    assert capsys.readouterr().out == "config.toml: good; mode paper\n"


def test_config_path_says_which_file_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        tradebot("config", "path")
    (tmp_path / "config.toml").write_text("")

    assert tradebot("config", "path") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'config.toml'}\n"


def test_config_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert tradebot("config", "schema") == 0
    assert json.loads(capsys.readouterr().out)["title"] == "tradebot configuration"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_for_this_program(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tradebot("completion", shell) == 0
    assert "_TRADEBOT_COMPLETE" in capsys.readouterr().out


def test_version_names_what_the_program_stands_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert tradebot("version", "--json") == 0
    versions = json.loads(capsys.readouterr().out)
    assert versions["tradebot"] == __version__
    assert {"uvloop", "aiohttp", "TA-Lib"} <= versions.keys()


def test_an_existing_unit_is_not_replaced_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tradebot.service"
    path.write_text("mine\n")

    assert tradebot("service", "install", "--path", str(path)) == 2
    assert path.read_text() == "mine\n"

    assert tradebot("service", "install", "--path", str(path), "--yes") == 0
    assert "ExecStart=" in path.read_text()
    assert "systemctl daemon-reload" in capsys.readouterr().out


def test_a_unit_that_cannot_be_written_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tradebot("service", "install", "--path", str(tmp_path / "absent/tradebot.service")) == 73
    assert "cannot be written: no such file" in capsys.readouterr().err


def test_a_unit_is_not_printed_for_symbols_that_cannot_be_traded(capsys: pytest.CaptureFixture[str]) -> None:
    assert tradebot("service", "print", "--symbols", "T/S") == 65
    assert "'T/S' is not a symbol" in capsys.readouterr().err
