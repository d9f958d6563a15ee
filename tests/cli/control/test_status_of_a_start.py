"""The verb `status` at a start, which has neither desk nor feed yet: what it waits for, for people and cron jobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.start_in_thread import start_in_thread
from tests.control.start_rig import LOGGED_IN, WAITING, StartRig
from tradebot.__main__ import run_command_line

Say = Callable[..., tuple[int, str, str]]
WAITS = "it waits for a login: there is no login of today yet; run `tradebot login kite`"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[StartRig]:
    with start_in_thread(tmp_path) as rig:
        yield rig


@pytest.fixture
def say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    def give(verb: str, *args: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_command_line([verb, "--state-dir", str(tmp_path), *args])
        said = capsys.readouterr()
        return code, said.out, said.err

    return give


def test_a_start_that_waits_says_what_to_do(say: Say, daemon: StartRig) -> None:
    assert say("status") == (0, f"needs login, live on kite, run T1, pid 7\n{WAITS}\n", "")


def test_a_cron_job_gets_the_code_of_a_lost_login_and_then_that_of_a_start(say: Say, daemon: StartRig) -> None:
    assert say("status", "--check") == (11, f"{WAITS}\n", "")
    for login in (LOGGED_IN, None):
        daemon.login = login
        assert say("status", "--check") == (14, "the daemon is starting\n", "")
        assert say("status")[:2] == (0, "starting, live on kite, run T1, pid 7\nthe daemon is starting\n")


def test_json_has_the_login_and_the_verdict(say: Say, daemon: StartRig) -> None:
    code, out, _ = say("status", "--json")
    found = json.loads(out)
    assert (code, found["state"], found["login"], found["halts"]) == (0, "needs login", WAITING, [])
    assert found["check"] == {"code": 11, "sentence": WAITS}
    assert found["disk_free_mb"] > 0


def test_the_other_verbs_of_the_operator_get_one_sentence(say: Say, daemon: StartRig) -> None:
    for verb in (("halt",), ("resume",), ("flatten", "--yes")):
        code, _, err = say(*verb)
        assert (code, "the daemon is not trading yet (needs login), no order leaves" in err) == (2, True), err
