"""Cross checks: settings that are each allowed but contradict each other."""

from __future__ import annotations

import itertools
from urllib.parse import parse_qs, urlsplit

from tradebot.config.problems import suggest_name
from tradebot.config.sections import EMBEDDED, Config
from tradebot.control.loopback_address import LOOPBACK_HOSTS
from tradebot.venues import registry

Complaint = tuple[tuple[str | int, ...], str]  # (key path, what is wrong with it)


def cross_check(config: Config) -> list[Complaint]:
    """Return a complaint for each setting that contradicts another one."""
    risk, app = config.risk, config.app
    found: list[Complaint] = []
    ladder = ("order_notional", "max_order_notional", "max_position_notional", "max_gross_notional")
    rates = ("orders_per_second", "orders_per_minute", "orders_per_day")
    for names in (ladder, rates):
        for low, high in itertools.pairwise(names):
            if getattr(risk, low) > getattr(risk, high):
                found.append((("risk", low), f"is {getattr(risk, low)}, more than {high} ({getattr(risk, high)})"))
    if config.execution.product not in risk.permitted_products:
        found.append((("execution", "product"), f"{config.execution.product} is not in risk.permitted_products"))
    if risk.entries_until > risk.square_off_at:
        found.append((("risk", "entries_until"), f"is later than square_off_at ({risk.square_off_at})"))
    if config.exchange.prices == "recorded" and config.venue.name == EMBEDDED and not config.exchange.path:
        found.append((("exchange", "path"), "must name the files when prices are recorded"))
    if not app.symbols:
        found.append((("app", "symbols"), "names no symbol to trade"))
    if (adapter := registry.find_adapter(config.venue.name)) is not None:
        said = adapter.config_errors(config.venue_section(adapter), is_live=app.mode == "live")
        found += [((adapter.name, key), sentence) for key, sentence in said]
    elif app.mode == "live":
        found.append((("app", "mode"), "is live, but venue.name is the embedded exchange; name a real venue"))
    if config.history.in_store and not config.store.dsn.get_secret_value():
        found.append((("history", "in_store"), "is true, but store.dsn names no database"))
    if app.mode == "live" and not _is_private(config.store.dsn.get_secret_value()):
        found.append((("store", "dsn"), "must say sslmode=verify-full in live mode, or be of this machine"))
    return found + _check_notify(config)


def _check_notify(config: Config) -> list[Complaint]:
    notify, telegram = config.notify, config.telegram
    found: list[Complaint] = []
    for key, names in (("add", notify.add), ("leave_out", notify.leave_out)):
        if names:
            # Here, because most commands read settings and few of them name an event.
            from tradebot.notify.alert_choice import unusable_name_reason
            from tradebot.ops.events.catalogue import EVENTS

            for name in names:
                if reason := unusable_name_reason(name):
                    near = suggest_name(name, EVENTS) if name not in EVENTS else ""
                    found.append((("notify", key), f"{name} {reason}{near}"))
    if twice := sorted(set(notify.add) & set(notify.leave_out)):
        found.append((("notify", "leave_out"), f"{twice[0]} is in notify.add, too"))
    if notify.window_s > notify.longest_s:
        found.append((("notify", "window_s"), f"is {notify.window_s:g}, more than longest_s ({notify.longest_s:g})"))
    if telegram.token.get_secret_value() and not telegram.chat_id:
        found.append((("telegram", "chat_id"), "is missing: without it every chat could command the daemon"))
    server = urlsplit(telegram.server)
    if server.scheme != "https" and server.hostname not in LOOPBACK_HOSTS:
        found.append((("telegram", "server"), "must start with https://, or be of this machine: it gets the token"))
    return found


def _is_private(dsn: str) -> bool:
    # True if the connection cannot be read or changed on its way: TLS with a checked host name, or a local connection.
    parts = urlsplit(dsn)
    asked = parse_qs(parts.query)
    host = asked.get("host", [parts.hostname or ""])[0]
    is_local = host in ("", *LOOPBACK_HOSTS) or host.startswith("/")
    return is_local or asked.get("sslmode") == ["verify-full"]
