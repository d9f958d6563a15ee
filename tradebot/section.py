"""The parent class of every section of config.toml, and the address types; the settings of venues use them too."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


class Section(BaseModel):
    """A table of config.toml. It is frozen and rejects unknown keys, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


def _url(*schemes: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(rf"(?:{'|'.join(schemes)})://[^\s/?#@]+(?:/[^\s?#@]*)?", text):
            raise ValueError(f"should be an address that starts with {' or '.join(s + '://' for s in schemes)}")
        return text

    return AfterValidator(check)


HttpAddress = Annotated[str, _url("https", "http")]
StreamAddress = Annotated[str, _url("wss", "ws")]
