"""The settings of the operator's API."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from tradebot.control.loopback_address import LoopbackAddress
from tradebot.section import Section


def _loopback(text: str) -> str:
    if text:
        LoopbackAddress.parse(text)
    return text


class ApiSection(Section):
    """The operator's API over HTTP on this machine; the control socket is always there."""

    listen: Annotated[str, AfterValidator(_loopback)] = Field(
        default="",
        max_length=64,
        description='"127.0.0.1:8765": answer there whoever has the token; empty: only on the control socket',
    )
