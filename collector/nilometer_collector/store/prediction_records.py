"""Records of logged predictions, as the store returns them."""

from dataclasses import dataclass
from typing import NamedTuple

from nilometer.predictions import PredictionRecord


class Logged(NamedTuple):
    """The stored rows of one prediction id.

    Attributes:
        rows: Records by row, ascending.
        is_ambiguous: Whether the id was used for different predictions; then nothing may join it.
    """

    rows: tuple[PredictionRecord, ...]
    is_ambiguous: bool


@dataclass(frozen=True, slots=True)
class PredictionPage:
    """Some stored predictions, in the order of their arrival.

    Attributes:
        records: Records of the page, of ambiguous ids, too.
        last: Number of the last examined row, for the next page; None at the end.
    """

    records: tuple[PredictionRecord, ...]
    last: int | None


@dataclass(frozen=True, slots=True)
class PredictionTotals:
    """Number and size of the stored predictions of one entity.

    Attributes:
        rows: Number of stored rows.
        bytes: Size of their contents in bytes, without indexes.
        ambiguous: Number of rows that carry the mark of an ambiguous id.
    """

    rows: int
    bytes: int
    ambiguous: int


@dataclass(frozen=True, slots=True)
class Predicted:
    """Effect of a shipment on the logged predictions.

    Attributes:
        stored: Number of rows that were stored.
        repeated: Number of rows that were stored before with the same content.
        conflicting: Number of rows that were not stored, because their id and row are stored with
            another content.
        ambiguous: Pairs of entity and prediction id that became ambiguous now.
    """

    stored: int = 0
    repeated: int = 0
    conflicting: int = 0
    ambiguous: tuple[tuple[str, str], ...] = ()


NOTHING_PREDICTED = Predicted()
