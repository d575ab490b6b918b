"""Finds fields in many protobuf messages at once, without an object for each message.

Stored samples have the same few fields in ascending order. So each step reads one field of all
messages with a few numpy calls. Messages that are unusual in any way are refused, and the caller
parses them with protobuf.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nilometer.sketch.codec import from_varint_words

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
MAX_STEPS = 128  # most steps for one kind of message; a sample takes about ten

_WORD = 8  # bytes
_DONE = 0xFF  # tag that marks the end of a message
_STOPS = np.uint64(0x8080808080808080)


class Unscannable(ValueError):
    """The messages are damaged, or have fields in a form that only protobuf can read."""


class Places(NamedTuple):
    """The positions of *n* messages or texts in the scanned bytes.

    Attributes:
        starts: Offsets of the first bytes, shape (n,).
        ends: Offsets after the last bytes; equal to the start if the content is empty.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @property
    def held(self) -> NDArray[np.bool_]:
        """Whether the content at each position is non-empty."""
        return np.asarray(self.ends > self.starts)


class Found(NamedTuple):
    """The wanted fields of *n* messages, by number. An absent field is 0 or empty.

    Attributes:
        numbers: Varints, and the bits of fixed 64-bit values, each of shape (n,).
        places: Positions of messages, texts and packed numbers.
    """

    numbers: Mapping[int, NDArray[np.uint64]]
    places: Mapping[int, Places]


class Messages:
    """Consecutive serialized messages of one type.

    Args:
        packed: Bytes of each message.

    Attributes:
        whole: Positions of the messages.
    """

    def __init__(self, packed: Sequence[bytes]) -> None:
        self._bytes = b"".join([*packed, bytes(2 * _WORD)])
        ends = np.cumsum(np.fromiter(map(len, packed), np.int64, len(packed)))
        self.whole = Places(np.concatenate([[0], ends[:-1]]).astype(np.int64), ends)
        self._raw = np.frombuffer(self._bytes, dtype=np.uint8)
        words = len(self._bytes) - _WORD + 1
        # The eight bytes that start at each offset. `take` would copy all of them; an index does
        # not.
        self._words = np.ndarray((words,), "<u8", self._bytes, 0, (1,))

    def texts(self, places: Places) -> list[bytes]:
        """Return the bytes at each position."""
        packed, (starts, ends) = self._bytes, places
        return [packed[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]

    def fields(self, places: Places, wanted: Mapping[int, int]) -> Found:
        """Find fields of the messages at *places*.

        Args:
            places: Positions of the messages, shape (n,).
            wanted: Wire type of each wanted field, by field number (1 to 15).

        Raises:
            Unscannable: If a message is damaged, a wanted field repeats, or a field is unusual.
        """
        count = places.starts.size
        numbers = {one: np.zeros(count, np.uint64) for one in wanted if wanted[one] != BYTES}
        found = {
            one: Places(places.ends.copy(), places.ends.copy())
            for one in wanted
            if wanted[one] == BYTES
        }
        met = {one: np.zeros(count, np.bool_) for one in wanted}
        at, stop = places.starts.copy(), places.ends
        tags = self._tags(at, stop)
        for _ in range(MAX_STEPS):
            tag = int(tags.min(initial=_DONE))
            if tag == _DONE:
                return Found(numbers, found)
            # Usually all messages have the same next field, and a slice needs no copies.
            is_common = int(tags.max()) == tag
            rows = slice(None) if is_common else np.flatnonzero(tags == tag)
            start, end, value = self._field(tag & 7, at[rows] + 1)
            if (end > stop[rows]).any():
                raise Unscannable("a field is longer than its message")
            number = tag >> 3
            if number in wanted:
                if wanted[number] != tag & 7 or met[number][rows].any():
                    raise Unscannable(f"field {number} repeats or has another type")
                met[number][rows] = True
                if number in numbers:
                    numbers[number][rows] = value
                else:
                    found[number].starts[rows], found[number].ends[rows] = start, end
            at[rows] = end
            tags[rows] = self._tags(end, stop[rows])
        raise Unscannable("a message has too many fields")

    def _field(
        self, kind: int, at: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
        """Return start and end of the content of the field after each tag, and its number."""
        if kind == FIXED64:
            return at, at + _WORD, self._words[at]
        if kind == FIXED32:
            return at, at + _WORD // 2, self._words[at]
        if kind not in {VARINT, BYTES}:
            raise Unscannable("a field has an unknown wire type")
        words = self._words[at]
        stops = ~words & _STOPS
        if not stops.all():
            raise Unscannable("a number is longer than eight bytes")
        last = stops & (~stops + np.uint64(1))  # the lowest bit marks the last byte
        start = at + (np.frexp(last.astype(np.float64))[1] >> 3)
        words &= last - np.uint64(1)
        value = from_varint_words(words, _WORD)
        if kind == VARINT:
            return at, start, value
        # The length is limited before the addition, so that the sum cannot overflow.
        return start, start + np.minimum(value, np.uint64(1 << 40)).astype(np.int64), value

    def _tags(self, at: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the tag of the next field of each message, or `_DONE`."""
        tags = self._raw.take(at)
        inside = at < stop
        if ((tags >= 0x80) | (tags < 0x08))[inside].any():
            raise Unscannable("a field has a number outside 1 to 15")
        tags[~inside] = _DONE
        return tags
