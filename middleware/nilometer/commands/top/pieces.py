"""Pieces of a frame: a piece is text with a style, a line is pieces, a frame is lines.

Colour is never the only sign of a state: a word gives the same information.
"""

from enum import Enum
from typing import TypeAlias


class Style(Enum):
    """The style of a piece; one of eight colours that are readable on light and dark."""

    PLAIN = "plain"
    BOLD = "bold"
    DIM = "dim"
    BAD = "bad"
    WARNING = "warning"
    GOOD = "good"
    HEAD = "head"
    SELECTED = "selected"


Piece: TypeAlias = tuple[str, Style]
Line: TypeAlias = tuple[Piece, ...]
