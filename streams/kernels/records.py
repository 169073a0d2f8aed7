"""Reads canonical events from the bytes of their records into columns.

A record is plain where it is one JSON object without a line break, an escape or a character beyond ASCII, each of its
fields is one of ours and stands there once, and all of them are within the limits. Of others nothing is said:
`events.decoding` decodes them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel
from streams.kernels.memory import address, word

NAMES = (
    *("event_id", "user_id", "action", "source", "item_id", "session_id", "recommendation_id"),
    *("timestamp", "value", "text", "media"),
)
# The first so many have their place in the record told, and the next two may stand there only to be passed over.
TOLD, STRINGS = 5, 7
EVENT_ID, USER_ID, ACTION, SOURCE, ITEM_ID = range(TOLD)
TIMESTAMP, VALUE = 7, 8
# event_id, user_id, action, item_id and timestamp.
REQUIRED = 0b10010111
# An event's key is of so many bytes at most: source, a zero and event id.
LONGEST_KEY = 128

# Behind the last record the buffer has so many bytes of nothing, for bytes are read by eight.
PADDING = bytes(32)


def _words(name: str) -> Any:
    """The name with its closing quote as three words of eight bytes, and which of their bits count."""
    written = f'{name}"'.encode()
    return [
        [int.from_bytes(one.ljust(24, b"\0")[at : at + 8], "little") for at in (0, 8, 16)]
        for one in (written, b"\xff" * len(written))
    ]


_WORDS = np.array([_words(name) for name in NAMES], dtype=np.uint64)
_LENGTHS = np.array([len(name) for name in NAMES])
_QUOTE, _COLON, _COMMA, _OPEN, _CLOSE = (ord(character) for character in '":,{}')
_SPACE, _ZERO, _NINE, _MINUS, _POINT, _N = (ord(character) for character in " 09-.n")
# A byte of each eight: 1, its highest bit, a space, a quote, a backslash, a delete.
_ONES, _HIGH, _SPACES, _QUOTES, _BACKSLASHES, _DELETES = (
    np.uint64(byte * 0x0101010101010101) for byte in (0x01, 0x80, 0x20, 0x22, 0x5C, 0x7F)
)
# Below 2**53 as a number of digits, and powers of ten that a float64 holds exactly.
_DIGITS, _POWERS = 15, 10.0 ** np.arange(16)


@helper
def _special(eight: Any) -> Any:
    """The highest bit of each byte that is a quote, a backslash, or beyond printable ASCII.

    It may be set above the first such byte, too, for there a difference borrows.
    """
    quotes, backslashes, deletes = eight ^ _QUOTES, eight ^ _BACKSLASHES, eight ^ _DELETES
    below = ((eight - _SPACES) & ~eight) | ((quotes - _ONES) & ~quotes)
    others = ((backslashes - _ONES) & ~backslashes) | ((deletes - _ONES) & ~deletes)
    return (below | others | eight) & _HIGH


@helper
def _string_end(buffer: Any, at: int, end: int) -> int:
    """Where the closing quote stands of a string that begins at `at`; -1 where it is not plain."""
    while at < end:
        found = _special(word(buffer, at))
        if found:
            lowest = found & (~found + np.uint64(1))
            at += int((((lowest - np.uint64(1)) & _ONES) * _ONES) >> np.uint64(56)) - 1
            return at if at < end and buffer[at] == _QUOTE else -1
        at += 8
    return -1


@helper
def _is(buffer: Any, first: int, field: int) -> bool:
    for i in range(1 + _LENGTHS[field] // 8):
        if (word(buffer, first + 8 * i) & _WORDS[field, 1, i]) != _WORDS[field, 0, i]:
            return False
    return True


@helper
def _field(buffer: Any, first: int, guess: int) -> int:
    """Which of NAMES stands there, with its closing quote; -1 for another. guess: looked at first."""
    if _is(buffer, first, guess):
        return guess
    for field in range(len(_LENGTHS)):
        if _is(buffer, first, field):
            return field
    return -1


@helper
def _after_blanks(buffer: Any, at: int, end: int) -> int:
    while at < end and buffer[at] == _SPACE:
        at += 1
    return at


@helper
def _digits(buffer: Any, at: int, end: int) -> Any:
    """(the number of the digits there, where they end)."""
    number = 0
    first = at
    while at < end and _ZERO <= buffer[at] <= _NINE and at - first <= _DIGITS:
        number = number * 10 + (buffer[at] - _ZERO)
        at += 1
    return number, at


@helper
def _whole(buffer: Any, at: int, end: int) -> Any:
    """(the whole number there, where it ends); -1 for the end of one that is not plain."""
    number, after = _digits(buffer, at, end)
    count = after - at
    if count == 0 or count > _DIGITS or (count > 1 and buffer[at] == _ZERO):
        return 0, -1
    return number, after


@helper
def _decimal(buffer: Any, at: int, end: int) -> Any:
    """(the number there as float64, where it ends); -1 for the end of one that is not plain.

    Both sides of the division are exact, so the quotient is the float64 next to what is written.
    """
    minus = buffer[at] == _MINUS
    at += minus
    number, after = _whole(buffer, at, end)
    digits, decimals = after - at, 0
    if after >= 0 and after < end and buffer[after] == _POINT:
        fraction, behind = _digits(buffer, after + 1, end)
        decimals = behind - after - 1
        if decimals == 0 or digits + decimals > _DIGITS:
            return 0.0, -1
        number, after = number * int(_POWERS[decimals]) + fraction, behind
    if after < 0 or (minus and number == 0):
        return 0.0, -1
    value = float(number) / _POWERS[decimals]
    return (-value if minus else value), after


@helper
def _null_end(buffer: Any, at: int, end: int) -> int:
    if (
        at + 4 <= end
        and buffer[at] == _N
        and buffer[at + 1] == 117
        and buffer[at + 2] == 108 == buffer[at + 3]
    ):
        return at + 4
    return -1


@helper
def _value(buffer: Any, at: int, end: int, field: int, longest: Any, span: Any, row: int) -> Any:
    """(where the field's value ends, the number that it is); -1 for the end of one that is not plain.

    The place of a string is written to span[2 * (row + field)] and behind it.
    """
    if at >= end:
        return -1, 0.0
    if field < STRINGS and buffer[at] == _QUOTE:
        close = _string_end(buffer, at + 1, end)
        length = close - at - 1
        if close < 0 or length > longest[field] or (length == 0 and field != SOURCE):
            return -1, 0.0
        if field < TOLD:
            span[2 * (row + field)], span[2 * (row + field) + 1] = at + 1, length
        return close + 1, 0.0
    if field == TIMESTAMP:
        whole, after = _whole(buffer, at, end)
        return after, float(whole)
    if field > ITEM_ID and buffer[at] == _N:
        return _null_end(buffer, at, end), np.nan
    if field == VALUE:
        value, after = _decimal(buffer, at, end)
        return after, value
    return -1, 0.0


@helper
def _record(buffer: Any, at: int, end: int, longest: Any, span: Any, row: int, guesses: Any) -> Any:
    """(true where the record is plain, its time, its value). guesses: of the field that stands first, second, ..."""
    seen, place, time, value = 0, 0, 0.0, np.nan
    ends = at >= end or buffer[at] != _OPEN
    while not ends:
        at = _after_blanks(buffer, at + 1, end)
        field = _field(buffer, at + 1, guesses[place]) if at < end and buffer[at] == _QUOTE else -1
        if field < 0 or (seen >> field) & 1:
            break
        guesses[place] = field
        seen, place = seen | (1 << field), place + 1
        at = _after_blanks(buffer, at + 2 + _LENGTHS[field], end)
        if at >= end or buffer[at] != _COLON:
            break
        at, number = _value(buffer, _after_blanks(buffer, at + 1, end), end, field, longest, span, row)
        if at < 0:
            break
        time, value = (number if field == TIMESTAMP else time), (number if field == VALUE else value)
        at = _after_blanks(buffer, at, end)
        if at >= end or buffer[at] != _COMMA:
            return at == end - 1 and buffer[at] == _CLOSE and seen & REQUIRED == REQUIRED, int(time), value
    return False, 0, value


@kernel("u1:C1 i8:C2 i8:C1 i8 i8 i8 i8:C3! i8:C1! f8:C1! b1:C1!")
def read(
    buffer: Any,
    places: Any,
    longest: Any,
    most_bytes: int,
    first_time: int,
    last_time: int,
    spans: Any,
    times: Any,
    values: Any,
    plain: Any,
) -> None:
    """Read n records in the buffer, PADDING behind them.

    places: (n, 2) begin and length of each. longest: of each string. Written of the plain ones: spans (n, TOLD, 2),
    begin and length of each string; times (n,); values (n,), no number where none is given.
    """
    guessed = np.zeros(len(_LENGTHS) + 1, np.int64)
    text, bounds, span, guesses = address(buffer), address(longest), address(spans), address(guessed)
    for i in range(len(places)):
        begin, length = places[i, 0], places[i, 1]
        spans[i, SOURCE, 1] = 0
        found, times[i], values[i] = _record(text, begin, begin + length, bounds, span, TOLD * i, guesses)
        in_key = spans[i, EVENT_ID, 1] + 1 + spans[i, SOURCE, 1]
        fits = length <= most_bytes and first_time <= times[i] <= last_time and in_key <= LONGEST_KEY
        plain[i] = found and fits
    # Until here the array of guesses must live.
    guessed[0] = 0
