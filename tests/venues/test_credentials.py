"""Credentials: who sends asks one object, so that a renewal reaches both ways to a venue and hides what was."""

from __future__ import annotations

import pytest

from tradebot.venues.credentials import KEPT_KEY_SETS, Credentials

OLD, NEW = "token-of-yesterday", "token-of-today"


def test_a_renewal_changes_what_it_names_and_keeps_the_rest() -> None:
    keys = Credentials(api_key="key-of-the-app", access_token=OLD)

    keys.renew_keys(access_token=NEW)

    assert (keys["api_key"], keys["access_token"], keys.version) == ("key-of-the-app", NEW, 1)


def test_the_keys_before_stay_hidden_for_a_few_renewals() -> None:
    keys = Credentials(access_token=OLD)
    for n in range(KEPT_KEY_SETS - 1):
        keys.renew_keys(access_token=f"{NEW}-{n}")
    assert OLD not in keys.redactor.mask_text(f"bad token {OLD}")
    assert NEW not in keys.redactor.mask_text(f"bad token {NEW}-0")

    keys.renew_keys(access_token=NEW)

    assert OLD in keys.redactor.mask_text(f"bad token {OLD}")


def test_no_key_is_added_by_a_renewal_and_none_is_shown_by_the_object() -> None:
    keys = Credentials(access_token=OLD)
    with pytest.raises(KeyError, match="no acces_token"):
        keys.renew_keys(acces_token=NEW)
    assert (OLD in repr(keys), keys.version) == (False, 0)
