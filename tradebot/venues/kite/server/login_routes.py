"""Kite's login routes: the page on which a person logs in, the way back to the app, and the session that follows."""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tradebot.clock import Clock
from tradebot.exchange.access import RegisteredApp
from tradebot.venues.kite.rules import EXCHANGES, PRODUCTS
from tradebot.venues.kite.server.rest_call import PageAnswer, Redirect, RestCall
from tradebot.venues.kite.server.session import LoginSessions
from tradebot.venues.kite.server.wire import KiteError, render_stamp, required_parameter

ORDER_TYPES = ("MARKET", "LIMIT", "SL", "SL-M")
PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font-family: sans-serif; max-width: 32em; margin: 4em auto }} button {{ font-size: 1.2em }}</style>
</head>
<body><h1>{title}</h1>
{content}
</body></html>
"""
FORM = """<p>The simulated exchange stands in for Kite here. It asks for no password and moves no money.</p>
<p>App: <code>{api_key}</code>. Account: <code>{account_id}</code>.</p>
<form method="post" action=""><input type="hidden" name="api_key" value="{api_key}">
<input type="hidden" name="redirect_params" value="{redirect_params}">
<button type="submit">Log in (simulated)</button></form>"""
LOGGED_IN = """<p>No redirect address is registered for this app. Give it this request token within minutes; it works
once:</p>
<p><code id="request_token">{request_token}</code></p>"""


class KiteLoginRoutes:
    """The routes of login and logout, and the profile. Every method raises KiteError where Kite would refuse."""

    def __init__(self, sessions: LoginSessions, app: RegisteredApp, clock: Clock, *, account_id: str) -> None:
        self._sessions, self._app, self._clock = sessions, app, clock
        self._account_id = account_id

    def login_page(self, call: RestCall) -> Any:
        """Return the page with the button for a person; a program is logged in at once."""
        api_key = required_parameter(call.params, "api_key")
        if not call.wants_page:
            return self.finish_login(call)
        if api_key != self._sessions.api_key:
            raise KiteError(400, "InputException", "Invalid `api_key`.")
        form = FORM.format(
            api_key=escape(api_key),
            account_id=escape(self._account_id),
            redirect_params=escape(call.params.get("redirect_params", "")),
        )
        return PageAnswer(html=PAGE.format(title="Kite, simulated: log in", content=form))

    def finish_login(self, call: RestCall) -> Any:
        """Issue a request token and send the browser to the app with it.

        Without a registered address the answer holds the token. The redirect is the address with
        `?action=login&type=login&status=success&request_token=...`, followed by the app's own `redirect_params`.
        """
        token = self._sessions.issue_request_token(required_parameter(call.params, "api_key"))
        if self._app.redirect_url is None:
            if call.wants_page:
                told = LOGGED_IN.format(request_token=escape(token))
                return PageAnswer(html=PAGE.format(title="Logged in", content=told))
            return {"request_token": token, "action": "login", "status": "success"}
        parts = urlsplit(self._app.redirect_url)
        answer = {"action": "login", "type": "login", "status": "success", "request_token": token}
        extra = parse_qsl(call.params.get("redirect_params", ""))
        query = urlencode([*parse_qsl(parts.query), *answer.items(), *extra])
        return Redirect(location=urlunsplit(parts._replace(query=query)))

    def create_session(self, call: RestCall) -> dict[str, Any]:
        """Exchange a request token for an access token, and return it with the profile."""
        token = self._sessions.create_session(
            api_key=required_parameter(call.params, "api_key"),
            request_token=required_parameter(call.params, "request_token"),
            checksum=required_parameter(call.params, "checksum"),
        )
        return {
            **self.user_profile(),
            "api_key": self._sessions.api_key,
            "access_token": token,
            "public_token": token[:16],
            "enctoken": token[16:],
            "refresh_token": "",
            "silo": "",
            "login_time": render_stamp(self._clock.market_ns()),
        }

    def end_session(self, call: RestCall) -> bool:
        """End the session."""
        self._sessions.end_session(
            api_key=required_parameter(call.params, "api_key"),
            access_token=required_parameter(call.params, "access_token"),
        )
        return True

    def user_profile(self) -> dict[str, Any]:
        """Return the profile of the account's owner."""
        return {
            "user_id": self._account_id,
            "user_type": "individual",
            "email": "trader@example.invalid",
            "user_name": "Simulated Trader",
            "user_shortname": "Trader",
            "broker": "SIMULATED",
            "exchanges": list(EXCHANGES),
            "products": list(PRODUCTS),
            "order_types": list(ORDER_TYPES),
            "avatar_url": None,
            "meta": {"demat_consent": self._app.demat_consent},
        }
