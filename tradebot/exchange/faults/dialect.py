"""What a fault must know of a protocol: the one interface between the faults and the server that commits them.

A server brings a dialect for its requests and one for its stream; the faults bring everything that is the same on each
wire: when they strike, what a broken connection does, pages of proxies, held, doubled and lost frames.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, TypeVar

Frame = str | bytes


class RefusalAnswer(Protocol):
    """A protocol's own way to say no."""

    notify_status: int


Error = TypeVar("Error", bound=RefusalAnswer)


class RestDialect(Protocol[Error]):
    """How requests are named, refused and lied to in one protocol."""

    points: Mapping[str, str]  # the server's route -> point of the catalogue
    refusals: Mapping[str, Error]  # fault -> what the venue itself would say
    bodies: Mapping[str, bytes]  # fault -> a sound answer of 200 whose content is wrong
    errors: tuple[type[Exception], ...]  # what carrying a request out may raise

    def placeholder_error(self, status: int, why: str) -> Error:
        """Return how a request is recorded that the venue's own words do not answer; a status of 0 is no answer."""
        ...

    def refusal_body(self, error: Error) -> bytes:
        """Return the body of a refusal."""
        ...

    def falsify_data(self, name: str, point: str, data: Any, *, draw: float) -> Any:
        """Return what the fault `name` makes of the data of an answer, which stays as it is."""
        ...


class StreamDialect(Protocol):
    """How one protocol's frames are told apart and spoiled."""

    unsolicited_frames: Sequence[Frame]  # frames with an error and a message, which no client asked for

    def order_update(self, frame: Frame) -> Mapping[str, Any] | None:
        """Return tag, order_id and status where a frame is an order update, else None."""
        ...

    def is_quote_frame(self, frame: Frame) -> bool:
        """True for a frame with quotes."""
        ...

    def choose_instrument(self, frame: Frame, draw: float) -> int:
        """Return the number of one instrument of a frame, 0 for a frame without any."""
        ...

    def without_instrument(self, frame: Frame, instrument: int) -> Frame:
        """Return a frame without the quotes of one instrument."""
        ...

    def with_frozen_quote(self, frame: Frame, instrument: int, first: dict[int, Any]) -> Frame:
        """Return a frame in which one instrument repeats the quote kept in `first`, or is kept there."""
        ...

    def corrupted_frame(self, frame: Frame, name: str, draw: float, sent: Collection[Frame]) -> Frame:
        """Return what the fault `name` makes of a frame of quotes; `sent` are earlier ones."""
        ...
