"""Logs the official Kite Connect client in by the redirect of a browser, on a plan without market data; its own venv.

Usage: kiteconnect_morning.py '{"rest": ..., "ticker": ..., "api_key": ..., "api_secret": ...}'
"""

import json
import os
import queue
import sys
from urllib.parse import parse_qs, urlsplit

import requests
from kiteconnect import KiteConnect, KiteTicker, exceptions

WAIT_S = 15


def main() -> None:
    given = json.loads(sys.argv[1])
    kite = KiteConnect(given["api_key"], root=given["rest"])
    said = {"login_path": urlsplit(kite.login_url()).path, "login_query": parse_qs(urlsplit(kite.login_url()).query)}
    said["before"] = error_of(kite.profile)
    first = log_in(kite, given, said)
    said["profile"] = kite.profile()
    said["holdings"] = kite.holdings()
    said["instruments"] = len(kite.instruments("NSE"))
    said["quote"] = error_of(kite.quote, "NSE:TCS")
    said["ltp"] = error_of(kite.ltp, "NSE:TCS")
    said["candles"] = error_of(kite.historical_data, 2953217, "2026-11-20", "2026-11-21", "day")
    said["ticker"] = refusal_of_ticker(given, first)
    second = log_in(kite, given, said)
    said["second_works"] = kite.profile()["user_id"]
    said["are_equal"] = first == second
    said["first_now"] = error_of(KiteConnect(given["api_key"], access_token=first, root=given["rest"]).profile)
    sys.stdout.write(json.dumps(said, default=str))
    sys.stdout.flush()
    os._exit(0)  # the reactor's thread does not end by itself


def log_in(kite: KiteConnect, given: dict, said: dict) -> str:
    page = kite.login_url().replace("https://kite.zerodha.com", given["rest"])
    away = requests.get(page, headers={"Accept": "text/html"}, timeout=5)
    said["page"] = away.text
    pressed = requests.post(page, headers={"Accept": "text/html"}, allow_redirects=False, timeout=5)
    said["redirect"] = pressed.headers["Location"]
    query = parse_qs(urlsplit(said["redirect"]).query)
    session = kite.generate_session(query["request_token"][0], given["api_secret"])
    kite.set_access_token(session["access_token"])
    said["consent"] = session["meta"]["demat_consent"]
    return session["access_token"]


def refusal_of_ticker(given: dict, token: str) -> str:
    told: queue.Queue = queue.Queue()
    ticker = KiteTicker(given["api_key"], token, root=given["ticker"] + "/", reconnect=False)
    ticker.on_error = lambda socket, code, reason: told.put(f"{code} {reason}")
    ticker.connect(threaded=True)
    return told.get(timeout=WAIT_S)


def error_of(call, *args) -> list:
    try:
        call(*args)
    except exceptions.KiteException as error:
        return [type(error).__name__, error.code, str(error)]
    return []


if __name__ == "__main__":
    main()
