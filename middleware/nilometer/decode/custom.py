"""Decoders of users: three lines from a body to named columns.

    @decoder("application/x-trade")
    def trades(body, media_type):
        return dict(zip(("side", "price"), struct.unpack("<bd", body)))

A decoder is asked before ours, in the order of registration, for the media types and paths that its
patterns match. It returns one value or one list of values a column, or None for a body that it
leaves to the next. Where it raises, or returns what is no table, the body is counted as
``decoder_failed``.

The modules that hold decoders are named where those with profilers are: ``profilers`` of the agent,
or of the middleware with ``profile_in="process"``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeAlias

import numpy as np

from nilometer.decode.budget import check_cells
from nilometer.decode.columns import MAX_COLUMNS, Block, Column, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.media import media_type
from nilometer.values.errors import ConfigError, Undecodable
from nilometer.values.reasons import UndecodableReason

Function: TypeAlias = Callable[[bytes, str], Mapping[str, object] | None]


@dataclass(frozen=True, slots=True)
class Decoder:
    """A function with the patterns of what it takes.

    Attributes:
        media_type: Pattern of the content type without parameters, such as ``application/x-*``.
        path: Pattern of the request's path.
        function: From a body, decompressed, and its content type to columns.
    """

    media_type: str
    path: str
    function: Function

    def __call__(self, body: bytes, media_type: str) -> Mapping[str, object] | None:
        """What the function makes of *body*: a decoder can be tried like one."""
        return self.function(body, media_type)

    def takes(self, media: str, path: str) -> bool:
        """Whether its patterns match."""
        return fnmatchcase(media, self.media_type) and fnmatchcase(path, self.path)


registered: list[Decoder] = []  # of this process


def decoder(media_type: str, *, path: str = "*") -> Callable[[Function], Decoder]:
    """Register a function as a decoder; see the module.

    Args:
        media_type: Pattern of the content types it takes, in lower case.
        path: Pattern of the paths it takes.

    Raises:
        ConfigError: If *media_type* is empty or has parameters.
    """
    if not media_type or ";" in media_type:
        raise ConfigError(f"decoder: {media_type!r} is no media type without parameters")

    def register(function: Function) -> Decoder:
        made = Decoder(media_type.lower(), path, function)
        registered.append(made)
        return made

    return register


def takes(content_type: str) -> bool:
    """Whether a registered decoder may take a body of *content_type*, on some path."""
    media = media_type(content_type)
    return any(fnmatchcase(media, one.media_type) for one in registered)


def decode(body: bytes, content_type: str, path: str, side: Side) -> Facts | None:
    """Add what the first decoder that takes *body* makes of it; None where none does.

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
        except (Exception, SystemExit) as error:  # a guest's fault is a count
            raise Undecodable(UndecodableReason.DECODER_FAILED.value) from error
        check_cells(block.rows * len(block.columns))
        side.add_block(block)
        return Facts(Protocol.CUSTOM)
    return None


def _block(produced: Mapping[str, object]) -> Block:
    """One row of values, or columns of one length."""
    if len(produced) > MAX_COLUMNS or not all(isinstance(name, str) for name in produced):
        raise ValueError(f"names are text, and at most {MAX_COLUMNS}")
    columns: dict[str, Column] = {}
    lengths: set[int] = set()
    for name, value in produced.items():
        column = _column(value)
        columns[name] = [value] if column is None else column
        lengths.add(len(columns[name]))
    if len(lengths) > 1:
        raise ValueError(f"columns have {sorted(lengths)} rows")
    rows = lengths.pop() if lengths else 0
    return Block(rows, columns)


def _column(value: object) -> Column | None:
    """*value* as a column; None where it is one cell."""
    if isinstance(value, np.ndarray):
        return value if value.ndim else None
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
        return value
    return None
