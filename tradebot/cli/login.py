"""The verb `login`: a person logs in at the broker's page, and the running daemon gets the request token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tradebot.cli.control.daemon import daemon_options, post_command
from tradebot.cli.shared.state_dir import state_dir_of
from tradebot.errors import ExitCode
from tradebot.printing import print_error_line, print_json, print_line


@click.command()
@daemon_options
@click.argument("venue", required=False)
@click.argument("address", required=False)
@click.option("--request-token", "token", metavar="TOKEN", help="The request token alone, instead of ADDRESS.")
@click.option("--no-browser", is_flag=True, help="Only print the link.")
@click.option("--within", "within_s", type=click.FloatRange(1, 3600), default=300.0, show_default=True, help="Seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print the state of the login as JSON.")
def login(
    path: str | None,
    state_dir: Path | None,
    venue: str | None,
    address: str | None,
    token: str | None,
    no_browser: bool,
    within_s: float,
    as_json: bool,
) -> int:
    """Log the running daemon in at its VENUE: print the link to the login page and wait for the browser to come back.

    On a machine without a browser, open the link anywhere and give ADDRESS, the whole address to which the browser came
    after the login, in quotes. The daemon needs no restart and no resume. Exit 2: refused; 75: nothing came in time.
    """
    from tradebot.control.client import send_request

    if address is not None and token is not None:
        raise click.UsageError("give ADDRESS or --request-token, not both")
    folder = state_dir_of(state_dir, path)
    told = send_request(folder, "GET", "/login")
    if venue not in (None, told["venue"]):
        raise click.UsageError(f"the daemon on {folder} trades at {told['venue']}, not at {venue}")
    if (text := address or token) is not None:
        _show(post_command(path, state_dir, "/login", {"text": text}), as_json=as_json)
        return ExitCode.OK
    found = _from_browser(told, folder, no_browser=no_browser, within_s=within_s)
    if found is None:
        print_error_line(f"no login came within {within_s:g} s; the daemon still waits")
        return ExitCode.TEMPORARY
    _show(found, as_json=as_json)
    return ExitCode.OK


def _from_browser(told: dict[str, Any], folder: Path, *, no_browser: bool, within_s: float) -> dict[str, Any] | None:
    import asyncio
    import webbrowser

    from tradebot.clock import WallClock
    from tradebot.control.client import send_request
    from tradebot.control.login_callback import is_loopback_redirect, wait_for_redirect

    redirect = told["redirect"]
    print_error_line(f"log in here:  {told['address']}")
    if not is_loopback_redirect(redirect):
        print_error_line(
            f"then run  tradebot login {told['venue']} 'ADDRESS'  with the whole address to which the browser came"
        )
        raise click.UsageError(f"the redirect URL {redirect} is not of this machine, so this command cannot wait there")

    def say_waiting() -> None:
        print_error_line(f"or, from another machine:  tradebot login {told['venue']} 'the address the browser came to'")
        print_error_line(f"waiting at {redirect}, the redirect URL of your app")
        if not no_browser:
            webbrowser.open(told["address"])  # returns False without a browser, and the printed link counts then

    return asyncio.run(
        wait_for_redirect(
            redirect,
            lambda text: send_request(folder, "POST", "/login", {"text": text}),
            clock=WallClock(),
            within_s=within_s,
            on_refused=lambda sentence: print_error_line(f"refused: {sentence}"),
            on_listening=say_waiting,
        )
    )


def _show(state: dict[str, Any], *, as_json: bool) -> None:
    from tradebot.clock import format_iso
    from tradebot.markets.market import HOME_MARKET

    if as_json:
        print_json(state, indent=2)
        return
    ends = state["ends_at"]
    until = f"; it ends at {format_iso(ends, HOME_MARKET.tzinfo)[:16]}" if ends else ""
    consent = f"; sales from the demat account: {state['consent']}" if state["consent"] else ""
    print_line(f"logged in as {state['account']}{until}{consent}")
