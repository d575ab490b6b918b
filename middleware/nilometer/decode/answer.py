"""Collects one response of a language model into one row, from a whole body or from frames.

No text is kept. All dialects produce the same columns. For the times of a stream, the positions of
the frames with generated text are kept, in bytes of the body.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from nilometer.decode.columns import Row, Side
from nilometer.decode.facts import Facts, Frames, Protocol, count_of, id_of, text_of
from nilometer.profile.feature import Cell
from nilometer.values.reasons import StreamEnd

INPUT_TOKENS, OUTPUT_TOKENS = "input_tokens", "output_tokens"
CACHED_TOKENS, REASONING_TOKENS = "cached_tokens", "reasoning_tokens"


class Answer:
    """One response, whole or collected from its frames. Not thread-safe.

    Args:
        dialect: Dialect of the response.
        streamed: Whether the response is a stream, which must end with the dialect's end marker.

    Attributes:
        at: Position of the frame that is being added, see `Frames`.
        characters: Number of characters of the text so far.
        end: COMPLETED or ERROR as a frame reported it; None before that.
        error: Type of the reported error; empty without one.
    """

    __slots__ = (
        "_calls",
        "_choices",
        "_finish",
        "_first",
        "_first_reasoning",
        "_frames",
        "_id",
        "_interrupted",
        "_is_end_known",
        "_last",
        "_last_reasoning",
        "_model",
        "_shown",
        "_streamed",
        "_tokens",
        "_version",
        "at",
        "characters",
        "dialect",
        "end",
        "error",
    )

    def __init__(self, dialect: "Dialect", *, streamed: bool = False) -> None:
        self.dialect = dialect
        self.at = 0
        self.characters = 0
        self.end: StreamEnd | None = None
        self.error = ""
        self._streamed = streamed
        self._id = self._model = self._version = ""
        self._finish: str | None = None
        self._choices: set[int] = set()
        self._calls: set[object] = set()
        self._tokens: dict[str, int] = {}
        self._interrupted = False
        self._is_end_known = True
        self._first: int | None = None
        self._last: int | None = None
        self._first_reasoning: int | None = None
        self._last_reasoning: int | None = None
        self._frames = 0  # frames with generated text
        self._shown = 0  # tokens that the frames themselves report

    def add(self, value: Mapping[str, Cell], at: int = 0) -> None:
        """Add a whole response, or the frame at position *at*."""
        self.at = at
        self.dialect.add(self, value)

    def name(
        self,
        value: Mapping[str, Cell],
        model: str = "model",
        identity: str = "id",
        version: str | None = None,
    ) -> None:
        """Take the id, the model and its version under these keys, unless they are known."""
        self._id = self._id or id_of(value.get(identity))
        self._model = self._model or text_of(value.get(model))
        if version is not None:
            self._version = self._version or id_of(value.get(version))

    def choice(self, index: Cell) -> None:
        """Count the choice with this index."""
        self._choices.add(count_of(index) or 0)

    def text(self, text: Cell) -> None:
        """Add generated text: a text, or a list of parts with texts."""
        length = length_of(text)
        if length:
            self.characters += length
            self.generated()

    def count(self, text: Cell) -> None:
        """Count the characters of text that a frame repeats."""
        self.characters += length_of(text)

    def tell(self, tokens: int) -> None:
        """Count the tokens that a frame itself reports."""
        self._shown += tokens

    def generated(self) -> None:
        """Record that the frame has generated content."""
        if self._first is None:
            self._first = self.at
        self._count_frame()
        self._last = self.at

    def reasoning(self, text: Cell) -> None:
        """Record the reasoning in the frame, which does not belong to the text."""
        if not length_of(text):
            return
        if self._first_reasoning is None:
            self._first_reasoning = self.at
        self._count_frame()
        self._last_reasoning = self.at

    def _count_frame(self) -> None:
        """Count the frame, unless it was already counted."""
        self._frames += self.at not in (self._last, self._last_reasoning)

    def call(self, key: object) -> None:
        """Add a tool call, or a part of one; *key* distinguishes it from other calls."""
        self._calls.add(key)
        self.generated()

    def count_call(self, key: object) -> None:
        """Count a tool call that a frame repeats."""
        self._calls.add(key)

    def finish(self, reason: Cell) -> None:
        """Take the reason why the model stopped, unless it is already known."""
        self._finish = self._finish or text_of(reason) or None

    def usage(self, tokens: Mapping[str, int | None]) -> None:
        """Take the token counts by column; later counts replace earlier ones."""
        self._tokens |= {column: count for column, count in tokens.items() if count is not None}

    def add_usage(self, usage: Cell) -> None:
        """Take the token counts of a usage object."""
        if isinstance(usage, dict):
            self.usage(self.dialect.tokens(usage))

    def restart(self) -> None:
        """Forget the text and the calls, because the frame repeats the whole response."""
        self.characters = 0
        self._calls.clear()
        self._interrupted = False

    def done(self) -> None:
        """Record the end marker of a complete stream."""
        self.end = self.end or StreamEnd.COMPLETED

    def failed(self, error: str) -> None:
        """Record that the stream reports an *error*, as `error.type` names it."""
        self.end, self.error = StreamEnd.ERROR, self.error or error

    def interrupt(self, *, is_end_known: bool) -> None:
        """Record that frames are missing, so that counts over the whole stream are unknown."""
        self._interrupted = True
        self._is_end_known = is_end_known

    def row(self) -> Row:
        """Return the response as one row; unknown or incomplete values are absent."""
        row: dict[str, Cell] = {
            "model": self._model or None,
            "finish_reason": self._finish,
            "choices": max(len(self._choices), 1),
            "characters": None if self._interrupted else self.characters,
            "tool_calls": None if self._interrupted else len(self._calls),
        }
        tokens = self._tokens if any(self._tokens.values()) else {}
        if self.stream_end is not None:
            row["stream_end"] = self.stream_end.value
        return row | tokens

    @property
    def stream_end(self) -> StreamEnd | None:
        """The end that the stream itself reports; None for a whole response."""
        if not self._streamed:
            return None
        if self.end is None and self._is_end_known:
            return StreamEnd.CUT
        return self.end

    def facts(self, value: Cell = None) -> Facts:
        """Return the facts besides the row; *value* is the document of a whole response."""
        tokens = self._tokens if any(self._tokens.values()) else {}
        return Facts(
            self.dialect.protocol,
            value=value,
            prediction_id=self._id,
            model=self._model,
            model_version=self._version,
            input_tokens=tokens.get(INPUT_TOKENS),
            output_tokens=tokens.get(OUTPUT_TOKENS),
            stream_end=self.stream_end,
            partial=self._interrupted,
            error=self.error,
            frames=self.frames(),
        )

    def frames(self) -> Frames | None:
        """Return the frames with generated text; None for a whole response."""
        if not self._streamed:
            return None
        return Frames(
            self._first, self._last, self._first_reasoning, self._last_reasoning, self._told()
        )

    def _told(self) -> float:
        """Return the tokens in the frames of one choice: from usage or frames, or one per frame."""
        tokens = self._tokens.get(OUTPUT_TOKENS, 0)
        if tokens and self._first_reasoning is None:  # no reasoning came before the first frame
            tokens -= self._tokens.get(REASONING_TOKENS, 0)
        if tokens <= 0:
            tokens = self._shown or (0 if self._interrupted else self._frames)
        return tokens / max(len(self._choices), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The format in which one kind of server writes responses.

    Attributes:
        protocol: Protocol of the responses.
        begins: Function that returns whether an object begins a stream of this dialect, or is a
            frame of it.
        add: Function that adds a whole response, or a frame.
        tokens: Function that returns the token counts of a usage object, by column.
    """

    protocol: Protocol
    begins: Callable[[Mapping[str, Cell]], bool]
    add: Callable[[Answer, Mapping[str, Cell]], None]
    tokens: Callable[[Mapping[str, Cell]], Mapping[str, int | None]]


def decode(dialect: Dialect, value: Mapping[str, Cell], side: Side) -> Facts:
    """Add a whole response as one row."""
    answer = Answer(dialect)
    answer.add(value)
    side.add_rows([answer.row()])
    return answer.facts(value)


def objects(items: Cell) -> Iterator[dict[str, Cell]]:
    """Yield the objects in a list; yield nothing if it is not a list."""
    if isinstance(items, list):
        yield from (item for item in items if isinstance(item, dict))


def length_of(text: Cell) -> int:
    """Return the number of characters of a text, or of all texts in a list of parts."""
    if isinstance(text, str):
        return len(text)
    return sum(length_of(part.get("text")) for part in objects(text))


def object_of(value: Cell) -> Mapping[str, Cell]:
    """Return *value* if it is an object; otherwise an empty object."""
    return value if isinstance(value, dict) else {}
