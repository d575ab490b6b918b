"""Collects the frames of home-made streams of generated text into one row.

`nilometer.bodies.fragments` says which frames have a fragment of a text. A stream is one response if
more of its frames are fragments than records. Such a stream has no known end mark, so every stream
that ends normally is complete.
"""

from collections.abc import Mapping

from nilometer.bodies.fragments import REASONS, fragment_in, is_fragment
from nilometer.decode.answer import Answer, Dialect
from nilometer.decode.facts import Protocol
from nilometer.decode.openai_response import tokens_of
from nilometer.profile.feature import Cell

_REPEATED = 8  # shortest text, in characters, that is recognised when the last frame repeats it
_GROWING = 3  # frames after which a text that grows with each frame is the text so far


def _add(answer: Answer, value: Mapping[str, Cell]) -> None:
    # An `id` may be a counter of frames, the same in every stream, which is no id of a prediction.
    answer.name(value, identity="")
    answer.add_usage(value.get("usage"))
    for key in REASONS:
        answer.finish(value.get(key))


DIALECT = Dialect(protocol=Protocol.FRAGMENTS, begins=is_fragment, add=_add, tokens=tokens_of)


class Fragments:
    """Collects the frames of one stream. Not thread-safe.

    Args:
        only_marked: Whether a frame must show that it is a part of a text. Lines of JSON with a text
            are rows otherwise, because batches have such rows, too.
    """

    def __init__(self, *, only_marked: bool = False) -> None:
        self._only_marked = only_marked
        self._answer = Answer(DIALECT, streamed=True)
        self._text = self._latest = ""  # texts of all frames, and of the latest; not kept
        self._grows = True  # whether each text begins with the text before
        self._fragments = self._records = 0

    def add(self, value: Cell, place: int, kind: str = "") -> bool:
        """Add the frame at *place* (see `Frames`); return False if it is a record.

        Args:
            value: JSON value of the frame.
            place: Place of the end of the frame.
            kind: Type of the event; may be empty.
        """
        found = fragment_in(value, kind)
        if found is None or (self._only_marked and found.text and not found.is_marked):
            self._records += 1
            return False
        self._answer.add(found.beside, place)
        if found.is_reasoning:
            self._answer.reasoning(found.text)
        elif found.text:
            self._add_text(found.text)
        self._fragments += bool(found.text)
        return True

    def interrupt(self, *, is_end_known: bool) -> None:
        """Record that frames are missing."""
        self._answer.interrupt(is_end_known=is_end_known)

    def answer(self, *, beside: int = 0) -> Answer | None:
        """Return the response; None if the stream has records, not fragments.

        Args:
            beside: Number of events that are not JSON.
        """
        if self._fragments <= self._records + beside:
            return None
        if self._grows and self._fragments >= _GROWING:
            self._answer.characters = len(self._latest)
        return self._answer

    def _add_text(self, text: str) -> None:
        """Add the text of a frame. Some servers repeat the text so far, in each frame or at the end."""
        self._grows = self._grows and text != self._latest and text.startswith(self._latest)
        if self._grows or text != self._text or len(text) < _REPEATED or self._fragments < _GROWING:
            self._answer.text(text)
            self._text += text
        self._latest = text
