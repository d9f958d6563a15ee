"""The kill switch says what it stopped: the right daemon, another one, or none; beside any configuration."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tradebot.__main__ import run_command_line
from tradebot.clock import WallClock
from tradebot.control.halt_file import HaltFile
from tradebot.control.running_daemons import announce_daemon, running_daemons
from tradebot.errors import StateError
from tradebot.journal.lock import StateLock, lock_holder
from tradebot.journal.rows import RunRecord
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.writer import Journal

Verb = Callable[..., tuple[int, str]]
LIVE = "[app]\nmode = 'live'\nstate_dir = '{state}'\n[venue]\nname = 'kite'\n"


@pytest.fixture
def say(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Verb:
    """Run a verb in an empty folder that is not the daemon's; returns its exit code and all it said."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    def give(*args: str) -> tuple[int, str]:
        capsys.readouterr()
        code = run_command_line(list(args))
        said = capsys.readouterr()
        return code, said.out + said.err

    return give


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Path]:
    """The state directory of a daemon that holds its lock and has announced itself."""
    with ExitStack() as stack:
        yield running_on(tmp_path / "daemon", stack)


def running_on(folder: Path, stack: ExitStack) -> Path:
    folder.mkdir()
    (folder / FILE_NAME).touch()
    lock = StateLock(folder)
    lock.acquire_lock()
    stack.callback(lock.release_lock)
    stack.enter_context(announce_daemon(folder))
    return folder


def test_it_names_the_daemon_that_it_stopped(say: Verb, daemon: Path) -> None:
    code, said = say("kill", "fat finger", "--state-dir", str(daemon))
    assert (code, f"halted: the daemon of pid {os.getpid()} on {daemon}" in said) == (0, True), said
    assert "fat finger" in HaltFile(daemon).read_reason()


def test_beside_no_daemon_it_does_not_say_halted_and_names_the_one_that_runs(say: Verb, daemon: Path) -> None:
    code, said = say("kill", "emergency")
    assert (code, "NOT HALTED" in said, "halted: " in said) == (75, True, False), said
    assert f"STILL RUNNING: pid {os.getpid()} on {daemon}" in said
    assert HaltFile(daemon).read_reason() == ""


def test_with_all_it_stops_every_daemon_of_the_user(say: Verb, daemon: Path) -> None:
    code, said = say("kill", "--all", "emergency")
    assert (code, "emergency" in HaltFile(daemon).read_reason()) == (0, True), said


def test_a_folder_that_a_daemon_left_is_barred_but_the_one_that_runs_is_not_forgotten(
    say: Verb, daemon: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere/state").mkdir()
    (tmp_path / "elsewhere/state" / FILE_NAME).touch()
    code, said = say("kill")
    assert (code, "NOT HALTED" in said, "STILL RUNNING" in said) == (75, True, True), said
    assert HaltFile(tmp_path / "elsewhere/state").read_reason()
    code, said = say("kill", "--state-dir", "state")  # by name it is what was meant
    assert (code, "STILL RUNNING" in said) == (0, True), said


def test_a_folder_that_is_not_there_gets_one_true_sentence(say: Verb, tmp_path: Path) -> None:
    code, said = say("kill", "--state-dir", str(tmp_path / "nowhere"))
    assert code == 75
    assert "NOT HALTED" in said
    assert "halted: " not in said
    assert "takes its own orders back" not in said


def test_a_pointer_that_a_crash_left_behind_is_no_daemon(daemon: Path, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    with announce_daemon(tmp_path / "gone"):
        assert [
            one.state_dir for one in running_daemons()
        ] == []  # the pointer of this process names another folder now
        assert lock_holder(tmp_path / "gone") is None
    assert lock_holder(daemon) == os.getpid()


@pytest.mark.parametrize(
    ("config", "environment"),
    [
        (LIVE, {}),
        (LIVE + "[risk]\nmax_daily_lost = 5\n", {}),
        (LIVE + "[kite]\naccess_token = 'abc\n", {}),
        (LIVE.replace("[venue]", "[venue"), {}),
        (LIVE, {"TRADEBOT_X__Y": "1"}),
        ("", {"TRADEBOT_APP__STATE_DIR": "{state}", "TRADEBOT_RISK__MAX_OPEN_ORDERS": "many"}),
    ],
)
def test_beside_a_configuration_that_run_refuses_every_verb_of_an_emergency_works(
    config: str, environment: dict[str, str], say: Verb, daemon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("config.toml").write_text(config.format(state=daemon))
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(state=daemon))
    for verb in (("status",), ("halt",), ("resume",), ("flatten", "--yes")):
        code, said = say(*verb)
        assert (code, f"no daemon runs on {daemon}" in said) == (69, True), said  # its socket is not there
    assert say("orders")[0] != 78
    code, said = say("kill", "stop")
    assert "stop" in HaltFile(daemon).read_reason()
    assert (code == 75) is ("NOT CANCELLED: no credentials" in said), said
    assert "abc" not in said


def test_a_full_disk_still_takes_an_empty_halt_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(handle: int, content: bytes) -> int:
        if content:
            raise OSError(errno.ENOSPC, "No space left on device")
        return 0

    monkeypatch.setattr(os, "write", write)
    HaltFile(tmp_path).write_reason("stop")
    assert [path.name for path in tmp_path.iterdir()] == ["HALT"]
    assert HaltFile(tmp_path).read_reason()


def test_a_link_planted_as_the_lock_is_refused_and_what_it_names_is_left_alone(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "lock").symlink_to(victim)
    with pytest.raises(StateError, match="is a link"):
        StateLock(tmp_path).acquire_lock()
    assert victim.read_text() == "precious"
    assert lock_holder(tmp_path) is None


PAPER = LIVE.replace("'live'", "'paper'") + "[kite]\nrest = 'https://127.0.0.1:1'\napi_key = 'a'\naccess_token = 'b'\n"


@pytest.mark.parametrize(
    ("mode", "venue", "config", "environment", "is_left_alone"),
    [
        ("paper", "kite", PAPER, {}, True),
        ("paper", "kite", PAPER.replace("mode = 'paper'\n", ""), {}, True),
        ("live", "kite", PAPER, {}, False),  # the command line said live
        ("paper", "kite", PAPER.replace("'paper'", "'live'"), {}, False),  # a live run may be about to begin
        ("paper", "exchange", PAPER, {}, False),
        ("", "", PAPER, {}, False),  # a journal that no run began
        ("paper", "kite", PAPER, {"TRADEBOT_KILL__API_KEY": "a", "TRADEBOT_KILL__ACCESS_TOKEN": "b"}, False),
    ],
)
def test_beside_a_paper_run_the_orders_of_others_at_the_venue_are_left_alone(
    mode: str, venue: str, config: str, environment: dict[str, str], is_left_alone: bool, say: Verb, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    state = tmp_path / "state"
    begin_run(state, mode, venue)
    path = tmp_path / "config.toml"
    path.write_text(config.format(state=state))
    path.chmod(0o600)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code, said = say("kill", "--config", str(path), "--state-dir", str(state), "--within", "1")
    assert HaltFile(state).read_reason()
    assert ("the newest run traded on paper" in said) is is_left_alone, said
    assert (code, "NOT CLEAN" in said) == ((0, False) if is_left_alone else (75, True)), said


def begin_run(state: Path, mode: str, venue: str) -> None:
    async def begin() -> None:
        async with Journal(state, run="T1", clock=WallClock()) as journal:
            if mode:
                row = RunRecord(
                    run_id="T1", mode=mode, account="A", symbols=("TCS",), venue=venue, config_hash="", versions={},
                    pid=1,
                )  # fmt: skip
                journal.append("run", row, at=1)

    asyncio.run(begin())
