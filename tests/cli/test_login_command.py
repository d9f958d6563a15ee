"""The verb `login` against the socket of a start: the link, the browser's way back, and what is refused."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port

from tests.cli.start_in_thread import Browser, start_in_thread
from tests.control.start_rig import LINK, LOGGED_IN, StartRig
from tradebot.__main__ import run_command_line
from tradebot.errors import LinkLost, LoginRefused

QUERY = "request_token=Req0123456789ab&action=login&status=success&nonce=0a1b"
DONE = "logged in as AB1234; it ends at 2026-01-06T06:00; sales from the demat account: physical\n"

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def redirect() -> str:
    return f"http://127.0.0.1:{unused_port()}/kite"


@pytest.fixture
def daemon(tmp_path: Path, redirect: str) -> Iterator[StartRig]:
    with start_in_thread(tmp_path, redirect=redirect) as rig:
        yield rig


@pytest.fixture
def browser(redirect: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    found = Browser(redirect, QUERY)
    monkeypatch.setattr("webbrowser.open", found.open)
    yield found
    if found.opened:
        found.wait()


@pytest.fixture
def say(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    """Run `login` for the daemon of the test's folder; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def give(*args: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_command_line(["login", "--state-dir", str(tmp_path), *args])
        said = capsys.readouterr()
        return code, said.out, said.err

    return give


def test_the_link_is_printed_and_opened_and_the_browser_that_comes_back_logs_the_daemon_in(
    say: Say, daemon: StartRig, browser: Browser, redirect: str
) -> None:
    code, out, err = say("kite")
    assert (code, out) == (0, DONE), err
    assert err.splitlines()[0] == f"log in here:  {LINK}"
    assert f"waiting at {redirect}, the redirect URL of your app" in err
    assert "tradebot login kite 'the address the browser came to'" in err
    browser.wait()
    assert (browser.opened, [status for status, _ in browser.answers]) == ([LINK], [200])
    assert daemon.texts == [f"{redirect}?{QUERY}"]
    assert "Req0123456789ab" not in out + err


def test_without_a_browser_only_the_link_is_printed_and_the_venue_need_not_be_named(
    say: Say, daemon: StartRig, browser: Browser
) -> None:
    browser.start()  # on another machine
    code, out, err = say("--no-browser")
    browser.wait()
    assert (code, out, browser.opened) == (0, DONE, []), err
    assert LINK in err


def test_a_refusal_is_said_and_the_wait_goes_on(
    say: Say, daemon: StartRig, redirect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser(redirect, QUERY, QUERY)
    monkeypatch.setattr("webbrowser.open", browser.open)
    answers = iter((LoginRefused("used up: log in again"), LOGGED_IN))

    async def log_in(text: str) -> dict[str, object]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    daemon.apis.login.log_in = log_in
    code, out, err = say("kite")
    browser.wait()
    assert (code, out) == (0, DONE)
    assert "refused: used up: log in again\n" in err
    assert [status for status, _ in browser.answers] == [409, 200]


@pytest.mark.parametrize(
    "args", [("kite", f"http://127.0.0.1:8790/kite?{QUERY}"), ("kite", "--request-token", "Req0123456789ab")]
)
def test_an_address_or_a_token_that_is_given_needs_no_browser(
    args: tuple[str, ...], say: Say, daemon: StartRig, browser: Browser
) -> None:
    assert say(*args) == (0, DONE, "")
    assert (daemon.texts, browser.opened) == ([args[-1]], [])


def test_the_state_is_json_on_request(say: Say, daemon: StartRig) -> None:
    code, out, _ = say("kite", "--request-token", "Req0123456789ab", "--json")
    assert (code, json.loads(out)) == (0, LOGGED_IN)


def test_what_the_venue_does_not_say_is_left_out(say: Say, daemon: StartRig) -> None:
    daemon.answer = LOGGED_IN | {"ends_at": None, "consent": None}
    assert say("kite", "--request-token", "Req0123456789ab") == (0, "logged in as AB1234\n", "")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("kite", f"http://127.0.0.1/?{QUERY}", "--request-token", "x"), "give ADDRESS or --request-token, not both"),
        (("other",), "trades at kite, not at other"),
        (("other", f"http://127.0.0.1/?{QUERY}"), "trades at kite, not at other"),
        (("other", "--request-token", "Req0123456789ab"), "trades at kite, not at other"),
        (("kite", "--within", "0.5"), "0.5 is not in the range"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_a_token_is_used(
    args: tuple[str, ...], sentence: str, say: Say, daemon: StartRig, browser: Browser
) -> None:
    code, out, err = say(*args)
    assert (code, out, sentence in err) == (2, "", True), err
    assert (daemon.texts, browser.opened) == ([], [])


def test_a_redirect_url_of_another_machine_gets_the_link_and_the_command_for_afterwards(
    tmp_path: Path, say: Say, browser: Browser
) -> None:
    with start_in_thread(tmp_path, redirect="https://desk.example.com/back"):
        code, _, err = say("kite")
    assert (code, browser.opened) == (2, [])
    assert f"log in here:  {LINK}\nthen run  tradebot login kite 'ADDRESS'  with the whole address" in err
    assert "the redirect URL https://desk.example.com/back is not of this machine" in err


def test_a_refusal_of_the_daemon_is_its_sentence_and_a_silent_venue_another_code(say: Say, daemon: StartRig) -> None:
    daemon.answer = LoginRefused("used up: log in again")
    assert say("kite", "--request-token", "Req0123456789ab") == (2, "", "tradebot: used up: log in again\n")
    daemon.answer = LinkLost("POST /session/token: HTTP 502")
    assert say("kite", "--request-token", "Req0123456789ab") == (69, "", "tradebot: POST /session/token: HTTP 502\n")


def test_no_login_in_time_ends_with_its_own_code(say: Say, daemon: StartRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    code, out, err = say("kite", "--within", "1")
    assert (code, out) == (75, "")
    assert err.endswith("no login came within 1 s; the daemon still waits\n")


def test_a_port_in_use_is_one_sentence_that_names_the_other_way(
    say: Say, daemon: StartRig, redirect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    with socket.create_server(("127.0.0.1", int(redirect.split(":")[2].split("/")[0]))):
        code, _, err = say("kite")
    assert (code, "give the redirected address as argument" in err) == (69, True), err


def test_beside_no_daemon_and_at_a_run_without_a_login_it_says_so(tmp_path: Path, say: Say) -> None:
    code, _, err = say("kite")
    assert (code, f"no daemon runs on {tmp_path}" in err) == (69, True)
    with start_in_thread(tmp_path, has_login=False):
        for args in (("kite",), ("kite", "--request-token", "Req0123456789ab")):
            code, _, err = say(*args)
            assert (code, "this run has no login" in err) == (2, True), err
