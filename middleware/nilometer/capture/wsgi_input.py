"""`wsgi.input` of an observed application, which reads from the server's object."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

ALL = object()  # stands for a missing size


class Reader(Protocol):
    """Records the application's reads of the request body. Its methods never raise.

    Attributes:
        stream: The server's `wsgi.input`.
    """

    stream: Any

    def note_read(self, chunk: Any, size: Any = ALL) -> None:
        """Record *chunk*, which the server returned for a read of *size* bytes."""

    def note_position(self, position: Any) -> None:
        """Record that the next read begins at *position*, in bytes from the start."""

    def note_result(self, note: "Note", result: Any, given: tuple[Any, ...]) -> None:
        """Record *result*, which the server returned for the arguments *given*, by *note*."""

    def note_input_error(self, error: BaseException) -> None:
        """Record that the server could not read the body."""


class Input:
    """The server's `wsgi.input`, whose reads are recorded.

    It has the server's arguments, results and exceptions, and only the methods that the server has.
    """

    __slots__ = ("nilometer_reader",)
    nilometer_reader: Reader

    def read(self, size: Any = ALL) -> Any:
        """Read like the server's object."""
        reader = self.nilometer_reader
        try:
            chunk = reader.stream.read() if size is ALL else reader.stream.read(size)
        except BaseException as error:
            reader.note_input_error(error)
            raise
        reader.note_read(chunk, size)
        return chunk

    def readline(self, *asked: Any) -> Any:
        """Read a line like the server's object."""
        return self.nilometer_noted(self.nilometer_reader.stream.readline)(*asked)

    def readlines(self, *asked: Any) -> Any:
        """Read lines like the server's object."""
        return self.nilometer_noted(self.nilometer_reader.stream.readlines, _note_lines)(*asked)

    def __iter__(self) -> Iterator[Any]:
        lines = iter(self.nilometer_reader.stream)
        return self if lines is self.nilometer_reader.stream else self.nilometer_lines(lines)

    def __next__(self) -> Any:
        return self.nilometer_noted(lambda: next(self.nilometer_reader.stream))()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.nilometer_reader.stream, name)
        note = _READS.get(name)
        return found if note is None else self.nilometer_noted(found, note)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.nilometer_reader.stream, name, value)

    def nilometer_lines(self, lines: Iterator[Any]) -> Iterator[Any]:
        """Return the lines of the server's iterator."""
        step = self.nilometer_noted(lines.__next__)
        while True:
            try:
                line = step()
            except StopIteration:
                return
            yield line

    def nilometer_noted(
        self, method: Callable[..., Any], note: "Note | None" = None
    ) -> Callable[..., Any]:
        """Return a *method* of the server's object whose results are recorded."""
        reader = self.nilometer_reader

        def noted(*asked: Any, **named: Any) -> Any:
            try:
                result = method(*asked, **named)
            except StopIteration:
                raise
            except BaseException as error:
                reader.note_input_error(error)
                raise
            given = asked or tuple(named.values())
            if note is None:
                reader.note_read(result, *given[:1])
            else:
                reader.note_result(note, result, given)
            return result

        return noted


# An `Input` sets its attributes on the server's object; this function sets them on itself.
set_reader: Callable[[Input, Reader], None] = vars(Input)["nilometer_reader"].__set__

Note = Callable[[Reader, Any, tuple[Any, ...]], None]


def _note_lines(reader: Reader, lines: Any, asked: tuple[Any, ...]) -> None:
    if type(lines) is list:
        reader.note_read(b"".join(lines), *asked[:1])


def _note_into(reader: Reader, count: Any, asked: tuple[Any, ...]) -> None:
    reader.note_read(bytes(memoryview(asked[0]).cast("B")[:count]) if count else b"", len(asked[0]))


def _note_plain(reader: Reader, chunk: Any, asked: tuple[Any, ...]) -> None:
    reader.note_read(chunk, *asked[:1])


def _note_position(reader: Reader, position: Any, _: tuple[Any, ...]) -> None:
    reader.note_position(position)


# Further methods for reading that some servers have.
_READS: dict[str, Note] = {
    "read1": _note_plain,
    "readall": _note_plain,
    "readinto": _note_into,
    "readinto1": _note_into,
    "seek": _note_position,
}
