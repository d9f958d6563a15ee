"""What a fault must know about a protocol: the one interface between the faults and the server that commits them.

A server brings one dialect for its requests and one for its stream. The faults bring everything that is the same in
each protocol: when they strike, what a broken connection does, proxy pages, and held, doubled and lost frames.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, TypeVar

Frame = str | bytes


class RefusalAnswer(Protocol):
    """A protocol's own refusal."""

    status: int


Error = TypeVar("Error", bound=RefusalAnswer)


class RestDialect(Protocol[Error]):
    """How one protocol names requests, refuses them and falsifies answers."""

    points: Mapping[str, str]  # the server's route -> point of the catalogue
    refusals: Mapping[str, Error]  # fault -> the refusal that the venue itself would send
    # Fault -> a valid answer of 200 with wrong content; "fault:gtt" is that of the GTT requests, where it differs.
    bodies: Mapping[str, bytes]
    errors: tuple[type[Exception], ...]  # what a request may raise when it is carried out

    def placeholder_error(self, status: int, why: str) -> Error:
        """Return the error recorded for a request that the venue's words do not answer; `status` 0 is no answer."""
        ...

    def refusal_body(self, error: Error) -> bytes:
        """Return the body of a refusal."""
        ...

    def falsify_data(self, name: str, point: str, data: Any, *, draw: float) -> Any:
        """Return the data of an answer as the fault `name` falsifies them; `data` itself is not changed."""
        ...


class StreamDialect(Protocol):
    """How one protocol's frames are distinguished and corrupted."""

    unsolicited_frames: Sequence[Frame]  # an error frame and a message frame that no client asked for

    def order_update(self, frame: Frame) -> Mapping[str, Any] | None:
        """Return tag, order_id and status if a frame is an order update, else None."""
        ...

    def is_quote_frame(self, frame: Frame) -> bool:
        """Return whether a frame carries quotes."""
        ...

    def choose_instrument(self, frame: Frame, draw: float) -> int:
        """Return the number of the instrument of a frame that `draw` in [0, 1) picks, 0 for a frame without any."""
        ...

    def without_instrument(self, frame: Frame, instrument: int) -> Frame:
        """Return a frame without the quotes of one instrument."""
        ...

    def with_frozen_quote(self, frame: Frame, instrument: int, first: dict[int, Any]) -> Frame:
        """Return a frame in which one instrument repeats its quote in `first`.

        Without a quote of it there, store its quote in `first` and change nothing.
        """
        ...

    def corrupted_frame(self, frame: Frame, name: str, draw: float, sent: Collection[Frame]) -> Frame:
        """Return a frame of quotes as the fault `name` corrupts it; `sent` are earlier frames."""
        ...
