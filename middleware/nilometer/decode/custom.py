"""User-defined decoders: a function from a body to named columns, in a few lines.

    @decoder("application/x-trade")
    def trades(body, media_type):
        return dict(zip(("side", "price"), struct.unpack("<bd", body)))

Custom decoders run before the built-in ones, in the order of registration, if their patterns match
the media type and the path. A decoder returns one value or one list of values per column. It
returns None to leave a body to the next decoder. If it raises, or returns something that is not a
table, the body is counted as ``decoder_failed``.

The setting ``profilers`` names the modules with decoders as well: in the agent, or in the
middleware with ``profile_in="process"``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeAlias

import numpy as np

from nilometer.bodies.column_names import MAX_COLUMNS
from nilometer.bodies.media import media_type
from nilometer.decode.budget import check_cells
from nilometer.decode.columns import Block, Column, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.values.errors import ConfigError, Undecodable
from nilometer.values.reasons import UndecodableReason

Function: TypeAlias = Callable[[bytes, str], Mapping[str, object] | None]


@dataclass(frozen=True, slots=True)
class Decoder:
    """A decoding function with the patterns of the bodies it decodes.

    Attributes:
        media_type: Pattern of the content type without parameters, such as ``application/x-*``.
        path: Pattern of the request's path.
        function: Function from a decompressed body and its content type to columns.
    """

    media_type: str
    path: str
    function: Function

    def __call__(self, body: bytes, media_type: str) -> Mapping[str, object] | None:
        """Call the decoding function, so that a test can use a decoder like a function."""
        return self.function(body, media_type)

    def takes(self, media: str, path: str) -> bool:
        """Return whether the decoder's patterns match."""
        return fnmatchcase(media, self.media_type) and fnmatchcase(path, self.path)


registered: list[Decoder] = []  # decoders of this process


def decoder(media_type: str, *, path: str = "*") -> Callable[[Function], Decoder]:
    """Return a decorator that registers a function as a decoder; see the module docstring.

    Args:
        media_type: Pattern of the content types to decode, in lower case.
        path: Pattern of the request paths to decode.

    Raises:
        ConfigError: If *media_type* is empty or has parameters.
    """
    if not media_type or ";" in media_type:
        raise ConfigError(f"decoder: {media_type!r} must be a media type without parameters")

    def register(function: Function) -> Decoder:
        made = Decoder(media_type.lower(), path, function)
        registered.append(made)
        return made

    return register


def takes(content_type: str) -> bool:
    """Return whether a registered decoder matches *content_type* for some path."""
    media = media_type(content_type)
    return any(fnmatchcase(media, one.media_type) for one in registered)


def decode(body: bytes, content_type: str, path: str, side: Side) -> Facts | None:
    """Add the columns from the first decoder that accepts *body*; return None if none does.

    Raises:
        Undecodable: ``decoder_failed``, or ``too_large`` over `MAX_BODY_CELLS`.
    """
    media = media_type(content_type)
    for one in registered:
        if not one.takes(media, path):
            continue
        try:
            produced = one.function(body, media)
            if produced is None:
                continue
            block = _block(produced)
        except (Exception, SystemExit) as error:  # errors of the user's code are only counted
            raise Undecodable(UndecodableReason.DECODER_FAILED.value) from error
        check_cells(block.rows * len(block.columns))
        side.add_block(block)
        return Facts(Protocol.CUSTOM)
    return None


def _block(produced: Mapping[str, object]) -> Block:
    """Build a block from one row of values, or from columns of equal length."""
    if len(produced) > MAX_COLUMNS or not all(isinstance(name, str) for name in produced):
        raise ValueError(f"column names must be strings, at most {MAX_COLUMNS} of them")
    columns: dict[str, Column] = {}
    lengths: set[int] = set()
    for name, value in produced.items():
        column = _column(value)
        columns[name] = [value] if column is None else column
        lengths.add(len(columns[name]))
    if len(lengths) > 1:
        raise ValueError(f"columns have different lengths: {sorted(lengths)}")
    rows = lengths.pop() if lengths else 0
    return Block(rows, columns)


def _column(value: object) -> Column | None:
    """Return *value* as a column; None if it is a single cell."""
    if isinstance(value, np.ndarray):
        return value if value.ndim else None
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
        return value
    return None
