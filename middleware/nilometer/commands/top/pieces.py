"""Pieces of a frame: text with a style. A line is pieces, a frame is lines.

Colour is never the only sign of anything: what is red is also a word.
"""

from enum import Enum
from typing import TypeAlias


class Style(Enum):
    """How a piece looks; eight colours only, so that it is readable on light and on dark."""

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
