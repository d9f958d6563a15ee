"""Receivers that apprise reaches: an address each, in a thread of its own, so that one that hangs holds up nothing.

apprise is the extra `notify`; it is imported when the receivers are made, and by nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import warnings
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any

from tradebot.notify.alert_text import AlertMessage
from tradebot.notify.receiver import NotDelivered

INSTALL_HINT = "needs apprise; run pip install 'tradebot[notify]'"
MAX_RECEIVERS = 16
DELIVER_WITHIN_S = 20.0  # apprise gives a connection and each read 4 s
MAX_REASON_CHARS = 300


class AppriseReceiver:
    """One address. `service` is apprise's own object for it; `name` says its scheme and its place among the others."""

    def __init__(self, name: str, service: Any) -> None:
        self.name, self._service = name, service
        self._thread: threading.Thread | None = None

    async def deliver_message(self, message: AlertMessage) -> None:
        """Deliver a message. Raises NotDelivered, also while an earlier delivery hangs."""
        if self._thread is not None and self._thread.is_alive():
            raise NotDelivered("an earlier message to it still hangs")
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[str] = loop.create_future()

        def settle(reason: str) -> None:
            if not answered.done():
                answered.set_result(reason)

        def deliver() -> None:
            reason = self._call(message)
            try:
                loop.call_soon_threadsafe(settle, reason)
            except RuntimeError:
                return  # the loop is closed: the daemon has ended

        # A daemon thread: one that hangs does not keep the process from ending.
        self._thread = threading.Thread(target=deliver, name=f"alert {self.name}", daemon=True)
        self._thread.start()
        try:
            async with asyncio.timeout(DELIVER_WITHIN_S):
                reason = await answered
        except TimeoutError as error:
            raise NotDelivered(f"no answer within {DELIVER_WITHIN_S:g} s") from error
        if reason:
            raise NotDelivered(reason)

    def _call(self, message: AlertMessage) -> str:
        # Returns why it was not delivered. What a plugin raises is of others' code, and only keeps its message back.
        _complaints.begin_thread()
        try:
            is_taken = self._service.notify(title=message.title, body=message.body)
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError) as error:
            return f"{type(error).__name__}: {error}"[:MAX_REASON_CHARS]
        return "" if is_taken else _complaints.last_of_thread() or "it did not take the message"


def split_addresses(text: str) -> list[str]:
    """Return the addresses of a setting that holds them with spaces or line ends between."""
    return text.split()


def receiver_name(address: str, number: int) -> str:
    """Return the name of the receiver with this address, the `number`th: its scheme, and nothing of the rest."""
    scheme = address.partition("://")[0][:20]
    return f"{scheme if scheme.isalnum() else 'address'} {number}"


def address_problems(addresses: Sequence[str]) -> list[str]:
    """Return a sentence for each thing that is wrong with the addresses; none of them quotes one."""
    if not addresses:
        return []
    if find_spec("apprise") is None:
        return [INSTALL_HINT]
    if len(addresses) > MAX_RECEIVERS:
        return [f"holds {len(addresses)} addresses, more than {MAX_RECEIVERS}"]
    unknown = [number for number, address in enumerate(addresses, 1) if _service_of(address) is None]
    return [f"address {number} of {len(addresses)} is not known to apprise" for number in unknown]


def create_receivers(addresses: Iterable[str]) -> list[AppriseReceiver]:
    """Return a receiver for each address that apprise knows; `address_problems` names the others."""
    made = ((number, address, _service_of(address)) for number, address in enumerate(addresses, 1))
    return [AppriseReceiver(receiver_name(address, number), one) for number, address, one in made if one is not None]


class _Complaints(logging.Handler):
    """What apprise logs of a delivery, by thread. It stays here: a line about an alert must not lead to an alert."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        self._said.text = record.getMessage()[:MAX_REASON_CHARS]

    def begin_thread(self) -> None:
        """Forget what this thread was told before."""
        self._said.text = ""

    def last_of_thread(self) -> str:
        """Return the last thing that apprise said in this thread."""
        return str(getattr(self._said, "text", ""))


_complaints = _Complaints()


def _service_of(address: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a plugin's own imports, on newer Pythons
        return _instantiate(address)


def _instantiate(address: str) -> Any:
    import apprise

    for name in ("apprise", "urllib3"):  # whose lines may hold an address
        logger = logging.getLogger(name)
        logger.propagate = False
        if _complaints not in logger.handlers:
            logger.addHandler(_complaints)
    try:
        service = apprise.Apprise.instantiate(address)
    except (ValueError, TypeError, LookupError, AttributeError):  # a plugin that stumbles over its own address
        return None
    if service is not None:
        service.overflow_mode = apprise.OverflowMode.SPLIT  # a chat that takes less gets two messages
    return service
