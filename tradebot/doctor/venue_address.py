"""Connects to an address of a venue once, without keys: name, connection, TLS, and the time in its answer."""

from __future__ import annotations

import http.client
import socket
import ssl
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from tradebot.clock import SECOND, Clock
from tradebot.doctor.finding import Finding, green, red, yellow
from tradebot.errors import ConfigError
from tradebot.venues.adapter import VenueAccess
from tradebot.venues.tls import trusted_ssl_context

CONNECT_WITHIN_S = 4.0
PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}


class VenueReached(NamedTuple):
    """What one connection showed.

    `failure` is why it failed and `remedy` what to do, "" where it succeeded. `local_address` is the address of this
    machine that it left from. `offset_s` is by how much our clock is ahead of the time in the answer, None without one.
    """

    url: str
    failure: str = ""
    remedy: str = ""
    local_address: str = ""
    took_ms: float = 0.0
    offset_s: float | None = None


def reach_venue(url: str, *, bind_address: str, ca_bundle: str, clock: Clock) -> VenueReached:
    """Connect to the host of a URL and ask for the head of its root; no key is sent. Never raises OSError."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 443)
    began = clock.monotonic_ns()

    def failed(why: str, remedy: str) -> VenueReached:
        return VenueReached(url, f"{host}:{port}: {why}", remedy)

    try:
        source = (bind_address, 0) if bind_address else None
        plain = socket.create_connection((host, port), timeout=CONNECT_WITHIN_S, source_address=source)
    except socket.gaierror as error:
        return failed(f"its name cannot be looked up: {error.strerror}", "look at the network and /etc/resolv.conf")
    except OSError as error:
        return failed(f"no connection: {error.strerror or error}", "look at the network, the firewall and the address")
    with plain:
        local = str(plain.getsockname()[0])
        try:
            if parts.scheme not in ("https", "wss"):
                return _ask(plain, url, host, local, began, clock)
            with trusted_ssl_context(ca_bundle).wrap_socket(plain, server_hostname=host) as encrypted:
                return _ask(encrypted, url, host, local, began, clock)
        except ConfigError as error:
            return failed(str(error), "install the package ca-certificates, or correct ca_bundle")
        except ssl.SSLCertVerificationError as error:
            remedy = "look at this machine's date, at ca-certificates, and at who stands between it and the broker"
            return failed(f"its certificate is not trusted: {error.verify_message}", remedy)
        except (OSError, ssl.SSLError) as error:
            return failed(f"it does not speak TLS with us: {error}", "look at the address and at proxies on the way")


def _ask(link: socket.socket, url: str, host: str, local: str, began: int, clock: Clock) -> VenueReached:
    # An answer of any status has a date. Without an answer the connection stands all the same.
    try:
        asked_at = clock.wall_ns()
        link.sendall(f"HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = http.client.HTTPResponse(link, method="HEAD")
        answer.begin()
        answered_at = clock.wall_ns()
        said = answer.getheader("Date")
        answer.close()
    except (OSError, http.client.HTTPException):
        said, asked_at, answered_at = None, 0, 0
    took_ms = (clock.monotonic_ns() - began) / 1e6
    offset_s = None
    if said is not None:
        try:
            # The header has whole seconds: the middle of that second is the best guess.
            at = parsedate_to_datetime(said).timestamp() + 0.5
            offset_s = (asked_at + answered_at) / 2 / SECOND - at
        except (TypeError, ValueError):
            offset_s = None
    return VenueReached(url, local_address=local, took_ms=took_ms, offset_s=offset_s)


def judge_reached(reached: VenueReached) -> Finding:
    """Judge one connection to a venue."""
    if reached.failure:
        return red("broker", reached.failure, reached.remedy)
    return green("broker", f"{reached.url} answers, {reached.took_ms:.0f} ms with its connection")


def judge_bind_address(bind_address: str) -> Finding | None:
    """Judge whether `bind_address` is one of this machine; None where no address is set."""
    if not bind_address:
        return None
    remedy = "correct bind_address; ip address shows those of this machine"
    try:
        family = socket.AF_INET6 if ip_address(bind_address).version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((bind_address, 0))
    except ValueError:
        return red("address", f"bind_address {bind_address} is no IP address", remedy)
    except OSError as error:
        why = error.strerror or str(error)
        return red("address", f"bind_address {bind_address} is not an address of this machine: {why}", remedy)
    return green("address", f"bind_address {bind_address} is one of this machine")


def judge_local_address(local: str, access: VenueAccess, *, is_live: bool) -> Finding:
    """Judge the local address of a connection by the address that the settings expect.

    Behind a router the broker sees another address, which nothing here can know.
    """
    expected = access.expected_address
    if not expected:
        what = f"requests leave from {local}; the settings name no expected_address to compare it with"
        if is_live and not access.is_rehearsal:
            return yellow("address", what, "set expected_address to the static address registered for your app")
        return green("address", what)
    mine = ip_address(local)
    if mine == ip_address(expected):
        return green("address", f"requests leave from {local}, as expected")
    what = f"requests leave from {local}, and {expected} is expected"
    if mine.is_private and not mine.is_loopback:
        what += f": {local} is private, and what the broker sees is the address of the router"
        return yellow("address", what, "compare the router's outward address with the one registered for your app")
    return red("address", what, "set bind_address to it, or register this machine's address for your app")
