"""What every room of a venue must keep, those of the registry and the tiny one: one suite for all of them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from tests.venues.tiny.tiny_adapter import TinyRoom
from tradebot.clock import ManualClock
from tradebot.errors import ConfigError
from tradebot.section import Section
from tradebot.venues import registry
from tradebot.venues.adapter import VenueAdapter, is_loopback

ROOMS: tuple[VenueAdapter, ...] = (*registry.all_adapters(), TinyRoom())
ORDER_ROUTES = ("submit", "modify", "cancel", "write")
pytestmark = pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)


def entry_of(adapter: VenueAdapter) -> dict[str, str]:
    """Return what a running exchange would print for a room."""
    addresses = dict.fromkeys(adapter.entry_names - set(adapter.credential_names), "http://127.0.0.1:1")
    return addresses | {key: f"a-long-{key}" for key in adapter.credential_names}


def settings_of(adapter: VenueAdapter, scheme: str) -> Any:
    """Return settings whose addresses have a scheme of HTTP, and the one of a stream that belongs to it."""
    fields = adapter.settings_class().model_fields
    keys = {key: SecretStr(f"a-long-{key}") for key in adapter.credential_names}
    addresses = {}
    for name in adapter.entry_names - set(adapter.credential_names):
        is_stream = str(fields[name].default).startswith("ws")
        addresses[name] = f"{scheme.replace('http', 'ws') if is_stream else scheme}://venue.invalid"
    return adapter.settings_class()(**addresses, **keys, account_id="A1")


def test_its_section_is_whole_by_default_and_hides_its_keys(room: VenueAdapter) -> None:
    section = room.settings_class()
    assert issubclass(section, Section)
    assert section().model_config["extra"] == "forbid"
    secret = {name for name, field in section.model_fields.items() if field.annotation is SecretStr}
    assert secret == {*room.credential_names, *room.kept_secret_names}
    assert room.venue_rules.name == room.name


def test_it_says_what_is_missing_before_anything_is_opened(room: VenueAdapter) -> None:
    keys = {key for key, _ in room.config_errors(room.settings_class()(), is_live=True)}
    assert {*room.kept_secret_names, "account_id"} <= keys
    assert room.config_errors(settings_of(room, "https"), is_live=True) == []


def test_keys_leave_encrypted_alone(room: VenueAdapter) -> None:
    access = room.access_from_settings(settings_of(room, "https"))
    assert [access.credentials[key] for key in room.credential_names] == [
        f"a-long-{key}" for key in room.credential_names
    ]
    with pytest.raises(ConfigError, match="must be encrypted"):
        room.access_from_settings(settings_of(room, "http"))


def test_the_access_to_a_running_exchange_has_the_addresses_that_it_printed_and_no_other(room: VenueAdapter) -> None:
    access = room.access_from_entry(entry_of(room))
    assert access.addresses
    assert all(map(is_loopback, access.addresses.values()))
    for missing in room.entry_names:
        with pytest.raises(KeyError):
            room.access_from_entry({name: text for name, text in entry_of(room).items() if name != missing})


async def test_what_only_reads_has_no_order_route(room: VenueAdapter) -> None:
    async with room.build_read_only_venue(room.access_from_entry(entry_of(room)), ManualClock()) as source:
        for held in (source, source.broker, *vars(source.broker).values()):
            assert not [name for name in ORDER_ROUTES if hasattr(held, name)]


async def test_what_trades_holds_the_credentials_that_it_was_given(room: VenueAdapter) -> None:
    access = room.access_from_entry(entry_of(room))
    async with room.build_trading_venue(access, ManualClock(), room.settings_class()(), silent_after_s=5.0) as venue:
        assert all(hasattr(venue.broker, name) for name in ORDER_ROUTES[:3])
        assert venue.venue_rules == room.venue_rules
        held = [value for part in (venue, venue.broker) for value in vars(part).values()]
        assert not {text for text in held if isinstance(text, str)} & set(entry_of(room).values()) - set(
            access.addresses.values()
        ), "a copy of a key would outlive its renewal"


def test_an_emergency_takes_its_own_keys_before_those_of_the_section(room: VenueAdapter) -> None:
    own, section = {key: f"own-{key}" for key in room.credential_names}, entry_of(room)
    assert [room.emergency_access(own, section).credentials[key] for key in room.credential_names] == list(own.values())
    assert [room.emergency_access({}, section).credentials[key] for key in room.credential_names] == [
        section[k] for k in room.credential_names
    ]
    with pytest.raises(ConfigError):
        room.emergency_access({}, {})
    with pytest.raises(ConfigError, match="it must be https"):
        room.emergency_access(own, section | {"rest": "http://venue.invalid"})
