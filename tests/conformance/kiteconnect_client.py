"""Drives the official Kite Connect client against an exchange and prints what it read as JSON; run in its own venv.

Usage: kiteconnect_client.py '{"rest": ..., "ticker": ..., "api_key": ..., "api_secret": ...}'
"""

import json
import os
import queue
import sys
import threading
from datetime import UTC, date, datetime

import requests
from kiteconnect import KiteConnect, KiteTicker, exceptions

WAIT_S = 15
TICKS = 3  # of each instrument
SYMBOLS = ("RELIANCE", "TCS", "INFY", "NIFTY 50")
DAY = date(2026, 11, 20)


def main() -> None:
    given = json.loads(sys.argv[1])
    kite = KiteConnect(given["api_key"], root=given["rest"])
    said = {"session": login(kite, given)}
    said |= account(kite)
    said["instruments"] = kite.instruments("NSE")
    tokens = {row["tradingsymbol"]: row["instrument_token"] for row in said["instruments"]}
    said |= market(kite, tokens)
    said["orders_seen"] = []
    updates: queue.Queue = queue.Queue()
    ticker, enough, ticks = stream(given, kite, tokens, updates)
    said |= trade(kite, updates, said["orders_seen"])
    said["gtt"] = triggers(kite)
    said["had_ticks"] = enough.wait(WAIT_S)
    said["ticks"] = list(ticks)
    ticker.close()
    said["errors"] = errors(kite)
    said["logged_out"] = kite.invalidate_access_token()
    said["errors"]["after logout"] = error_of(kite.profile)
    sys.stdout.write(json.dumps(said, default=plain))
    sys.stdout.flush()
    os._exit(0)  # the reactor's thread does not end by itself


def login(kite: KiteConnect, given: dict) -> dict:
    answer = requests.get(f"{given['rest']}/connect/login", params={"v": 3, "api_key": given["api_key"]}, timeout=5)
    return kite.generate_session(answer.json()["data"]["request_token"], given["api_secret"])


def account(kite: KiteConnect) -> dict:
    return {
        "profile": kite.profile(),
        "margins": kite.margins(),
        "equity": kite.margins("equity"),
        "holdings": kite.holdings(),
    }


def market(kite: KiteConnect, tokens: dict) -> dict:
    return {
        "quote": kite.quote("NSE:TCS", "NSE:NIFTY 50"),
        "ohlc": kite.ohlc("NSE:TCS"),
        "ltp": kite.ltp("NSE:TCS"),
        "candles": kite.historical_data(
            tokens["TCS"], datetime.combine(DAY, datetime.min.time()), f"{DAY} 15:30:00", "15minute"
        ),
    }


def stream(given: dict, kite: KiteConnect, tokens: dict, updates: queue.Queue) -> tuple:
    ticker = KiteTicker(given["api_key"], kite.access_token, root=given["ticker"] + "/")
    ticks, connected, enough = [], threading.Event(), threading.Event()
    modes = {
        "RELIANCE": ticker.MODE_LTP,
        "TCS": ticker.MODE_QUOTE,
        "INFY": ticker.MODE_FULL,
        "NIFTY 50": ticker.MODE_FULL,
    }

    def on_connect(socket, response) -> None:
        socket.subscribe([tokens[symbol] for symbol in SYMBOLS])
        for symbol, mode in modes.items():
            socket.set_mode(mode, [tokens[symbol]])
        connected.set()

    def on_ticks(socket, some: list) -> None:
        ticks.extend(some)
        right = [
            t for t in ticks if any(tokens[s] == t["instrument_token"] and t["mode"] == m for s, m in modes.items())
        ]
        counts = [sum(t["instrument_token"] == tokens[symbol] for t in right) for symbol in SYMBOLS]
        if min(counts) >= TICKS:
            enough.set()

    ticker.on_connect, ticker.on_ticks = on_connect, on_ticks
    ticker.on_order_update = lambda socket, data: updates.put(data)
    ticker.connect(threaded=True)
    if not connected.wait(WAIT_S):
        raise SystemExit("the ticker did not connect")
    return ticker, enough, ticks


def trade(kite: KiteConnect, updates: queue.Queue, seen: list) -> dict:
    plain_order = {"exchange": "NSE", "tradingsymbol": "TCS", "product": kite.PRODUCT_MIS, "validity": "DAY"}
    low = kite.quote("NSE:TCS")["NSE:TCS"]["lower_circuit_limit"]
    resting = kite.place_order(
        "regular", transaction_type="BUY", quantity=1, order_type="LIMIT", price=low, tag="rest1", **plain_order
    )
    until(updates, seen, resting, "OPEN")
    kite.modify_order("regular", resting, price=low + 1, quantity=2)
    until(updates, seen, resting, "MODIFIED")
    kite.cancel_order("regular", resting)
    until(updates, seen, resting, "CANCELLED")
    taking = kite.place_order(
        "regular",
        transaction_type="BUY",
        quantity=3,
        order_type="MARKET",
        market_protection=-1,
        tag="take1",
        **plain_order,
    )
    until(updates, seen, taking, "COMPLETE")
    return {
        "resting": resting,
        "taking": taking,
        "orders": kite.orders(),
        "history": kite.order_history(resting),
        "trades": kite.trades(),
        "order_trades": kite.order_trades(taking),
        "positions": kite.positions(),
    }


def triggers(kite: KiteConnect) -> dict:
    last = kite.ltp("NSE:INFY")["NSE:INFY"]["last_price"]
    kept = {"tradingsymbol": "INFY", "exchange": "NSE", "last_price": last}
    sale = {"transaction_type": "SELL", "quantity": 1, "order_type": "LIMIT", "product": "CNC"}
    low, lower, high = (float(round(last * share)) for share in (0.9, 0.88, 1.1))
    single = kite.place_gtt(kite.GTT_TYPE_SINGLE, trigger_values=[low], orders=[sale | {"price": low}], **kept)
    both = kite.place_gtt(
        kite.GTT_TYPE_OCO,
        trigger_values=[low, high],
        orders=[sale | {"price": low}, sale | {"price": high}],
        **kept,
    )
    modified = kite.modify_gtt(
        single["trigger_id"], kite.GTT_TYPE_SINGLE, trigger_values=[lower], orders=[sale | {"price": lower}], **kept
    )
    shown = kite.get_gtt(single["trigger_id"])
    return {
        "wanted": [lower, low, high],
        "single": single,
        "both": both,
        "modified": modified,
        "shown": shown,
        "listed": kite.get_gtts(),
        "deleted": kite.delete_gtt(both["trigger_id"]),
        "after": kite.get_gtt(both["trigger_id"]),
        "too close": error_of(
            kite.place_gtt,
            kite.GTT_TYPE_SINGLE,
            trigger_values=[round(last - 0.1, 2)],
            orders=[sale | {"price": low}],
            **kept,
        ),
    }


def until(updates: queue.Queue, seen: list, order_id: str, status: str) -> None:
    while True:
        data = updates.get(timeout=WAIT_S)
        seen.append(data)
        if (data["order_id"], data["status"]) == (order_id, status):
            return


def errors(kite: KiteConnect) -> dict:
    sane = {"exchange": "NSE", "tradingsymbol": "TCS", "product": "MIS", "transaction_type": "BUY", "quantity": 1}
    stranger = KiteConnect(kite.api_key, access_token="stolen", root=kite.root)
    return {
        "no protection": error_of(kite.place_order, "regular", order_type="MARKET", **sane),
        "unknown order": error_of(kite.cancel_order, "regular", "77"),
        "nothing to sell": error_of(
            kite.place_order,
            "regular",
            order_type="MARKET",
            market_protection=2,
            **(sane | {"product": "CNC", "transaction_type": "SELL"}),
        ),
        "bad token": error_of(stranger.profile),
        "unknown route": error_of(kite.mf_orders),
        "unknown trigger": error_of(kite.get_gtt, 7),
        "no trigger ranges": error_of(kite.trigger_range, "BUY", "NSE:TCS"),
        "nothing to convert": error_of(
            kite.convert_position, "NSE", "TCS", "BUY", "day", 1_000, old_product="MIS", new_product="CNC"
        ),
    }


def error_of(call, *args, **kw) -> list:
    try:
        call(*args, **kw)
    except exceptions.KiteException as error:
        return [type(error).__name__, error.code, str(error)]
    return []


def plain(value: object) -> object:
    if isinstance(value, datetime):
        # The client writes the stamps of ticks in the zone of this host, without saying so.
        return value.timestamp() if value.tzinfo is None else value.astimezone(UTC).isoformat()
    return str(value)


if __name__ == "__main__":
    main()
