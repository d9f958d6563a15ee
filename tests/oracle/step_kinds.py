"""What the steps of a random day choose from, by name. The dice draw a place in a list: the order is part of a seed."""

from __future__ import annotations

from enum import StrEnum, auto


class AfterExit(StrEnum):
    """What comes between the exit of a reversal and its fill."""

    TOO_MUCH_TIME = auto()
    SOME_TIME = auto()
    FILL_OF_ANOTHER = auto()
    NOTHING = auto()


AFTER_EXIT = (
    AfterExit.TOO_MUCH_TIME, AfterExit.SOME_TIME, AfterExit.FILL_OF_ANOTHER,
    AfterExit.NOTHING, AfterExit.NOTHING, AfterExit.NOTHING,
)  # fmt: skip


class Retold(StrEnum):
    """How a trade is told again."""

    AS_IT_WAS = auto()
    UNDER_ANOTHER_ID = auto()
    TAKEN_BACK = auto()
    CORRECTED_IN_LISTS = auto()  # and no message tells of it
    CORRECTED_WITH_PRICE = auto()
    OF_ANOTHER_ORDER = auto()


class LateFill(StrEnum):
    """What follows a status that shows more filled than trades came for."""

    WHOLE_AND_BEYOND = auto()
    PART = auto()
    WHOLE_AFTER_ITS_STATUS = auto()
    NONE = auto()


LATE_FILLS = (
    LateFill.WHOLE_AND_BEYOND, LateFill.PART, LateFill.WHOLE_AFTER_ITS_STATUS, LateFill.NONE,
    LateFill.WHOLE_AND_BEYOND, LateFill.NONE,
)  # fmt: skip


class OddStatus(StrEnum):
    """In which way a status of an order is odd."""

    ANY_AT_THE_VENUE = auto()
    ANY_IN_A_MESSAGE = auto()
    OTHER_QUANTITY = auto()
    OTHER_PRICE = auto()
    OTHER_ID = auto()
    OLD = auto()
    REJECTED_AND_UNFILLED = auto()
    OPEN_AGAIN = auto()


class OddSnapshot(StrEnum):
    """In which way a snapshot of the account is odd."""

    LACKS_AN_ORDER_AND_A_FILL = auto()
    LACKS_ORDERS = auto()
    LACKS_A_POSITION = auto()
    NOTHING_FILLED = auto()
    EVERYTHING_TWICE = auto()
    SOUND = auto()


class Ghost(StrEnum):
    """How the venue shows an order that we think is not there."""

    FILLED = auto()
    IN_THE_LISTS = auto()
    BY_ITS_STATUS = auto()


GHOSTS = (Ghost.FILLED, Ghost.IN_THE_LISTS, Ghost.BY_ITS_STATUS, Ghost.BY_ITS_STATUS)


class Outside(StrEnum):
    """What another hand does in the account."""

    ORDER = auto()
    UNTOLD_FILL = auto()
    CHANGE = auto()
    CONVERSION = auto()
    LOSS = auto()  # the line of the position is gone


OUTSIDE = (Outside.ORDER, *Outside)


class Lost(StrEnum):
    """What is lost of the wires to the venue."""

    LINK = auto()
    LOGIN = auto()
    LOGIN_AND_ORDER_ROUTE = auto()
