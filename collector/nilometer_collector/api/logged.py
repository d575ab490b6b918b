"""The JSON form of logged samples, one structure for each data type, and its conversion.

JSON Schema cannot require rows of one length, columns of one type, or unique names. The server
checks these rules; its error names the place.
"""

import math
from typing import Annotated, Literal, TypeAlias

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType

from nilometer.profile import (
    Content,
    Coverage,
    FeatureRecorder,
    FeatureSpec,
    ScoreProfile,
    SummarySample,
)
from nilometer.profile.logged import confusion_matrix, line, matrix, table, text
from nilometer.profile.logged.amounts import MAX_VALUE, MAX_WEIGHT, Aggregation, Head, Stamp
from nilometer.profile.logged.number import Number
from nilometer.profile.performance import Ranking, Regression, binary, classes_only
from nilometer.profile.performance.ranking import CUTOFFS, MAX_CUTOFF, MAX_CUTOFFS
from nilometer.values.clock import NANOSECONDS, nanoseconds
from nilometer.values.entity import LOGGED, NAME
from nilometer.values.labels import KEY, OVERFLOW_KEY, Labels
from nilometer.values.window import Window
from nilometer_collector.limits.bounds import LAST_NS, MAX_COUNT, PRINTABLE
from nilometer_collector.limits.logged import MAX_UNIT_CHARACTERS
from nilometer_collector.limits.rows import MAX_LABELS

MAX_VALUES = 10_000  # most values or scores in one sample
MAX_CATEGORIES = 1000
MAX_LISTS = 1000  # most lists of a ranking in one sample
MAX_SUMMARY_CHARACTERS = 60  # longest name after `logged.`; at most 256 bytes in all
MAX_LABEL_CHARACTERS = 64  # longest value of a label; at most 256 bytes
MAX_TEXT_CHARACTERS = 64  # longest name in a content; at most 256 bytes
MAX_SECONDS = 400 * 86_400  # longest window
LAST_START_SECONDS = LAST_NS // NANOSECONDS - MAX_SECONDS

Finite: TypeAlias = Annotated[float, Meta(ge=-MAX_VALUE, le=MAX_VALUE)]
Weight: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_WEIGHT)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_COUNT >> 20)]
ShortText: TypeAlias = Annotated[
    str, Meta(max_length=MAX_TEXT_CHARACTERS, pattern=f"^{PRINTABLE}*$")
]
LongText: TypeAlias = Annotated[
    str, Meta(max_length=text.MAX_CHARACTERS, pattern=f"^{PRINTABLE}*$")
]
UnitText: TypeAlias = Annotated[
    str, Meta(max_length=MAX_UNIT_CHARACTERS, pattern=f"^{PRINTABLE}*$")
]
Cell: TypeAlias = ShortText | Finite | None
Probability: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Relevance: TypeAlias = Annotated[float, Meta(ge=0, le=1e9)]


class _Content(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """The content of one sample."""


class LoggedNumber(_Content, frozen=True, kw_only=True, tag="number"):
    """A number."""

    value: Finite
    weight: Weight = 1  # weight in a mean


class LoggedString(_Content, frozen=True, kw_only=True, tag="string"):
    """A text; the newest text replaces older ones."""

    value: LongText


class LoggedCategories(_Content, frozen=True, kw_only=True, tag="categories"):
    """Counts by name, which add up."""

    counts: Annotated[dict[ShortText, Count], Meta(max_length=MAX_CATEGORIES)]


class LoggedDistribution(_Content, frozen=True, kw_only=True, tag="distribution"):
    """Values, stored as a t-digest, a histogram and moments."""

    values: Annotated[list[Finite], Meta(min_length=1, max_length=MAX_VALUES)]


class LoggedTable(_Content, frozen=True, kw_only=True, tag="table"):
    """Rows of texts and numbers. Rows with equal texts are merged, except with `last`."""

    columns: Annotated[list[ShortText], Meta(min_length=1, max_length=table.MAX_COLUMNS)]
    rows: Annotated[
        list[Annotated[list[Cell], Meta(max_length=table.MAX_COLUMNS)]],
        Meta(max_length=table.MAX_ROWS),
    ]
    weight: Weight = 1


class LoggedMatrix(_Content, frozen=True, kw_only=True, tag="matrix"):
    """Numbers in rows of one length, merged cell by cell."""

    rows: Annotated[
        list[Annotated[list[Finite], Meta(min_length=1, max_length=matrix.MAX_SIDE)]],
        Meta(min_length=1, max_length=matrix.MAX_SIDE),
    ]
    weight: Weight = 1


class LoggedLine(_Content, frozen=True, kw_only=True, tag="line"):
    """Points with x and y; points with the same x are merged."""

    points: Annotated[list[tuple[Finite, Finite]], Meta(min_length=1, max_length=line.MAX_POINTS)]
    weight: Weight = 1


class LoggedConfusionMatrix(_Content, frozen=True, kw_only=True, tag="confusion_matrix"):
    """Counts of predictions: a row for each true class, a column for each predicted one."""

    labels: Annotated[list[ShortText], Meta(min_length=1, max_length=confusion_matrix.MAX_LABELS)]
    counts: Annotated[
        list[Annotated[list[Count], Meta(max_length=confusion_matrix.MAX_LABELS)]],
        Meta(min_length=1, max_length=confusion_matrix.MAX_LABELS),
    ]


class LoggedScores(_Content, frozen=True, kw_only=True, tag="score_histogram"):
    """Scores of a classifier, counted in bins by predicted class, and by true class if known."""

    scores: Annotated[list[Probability], Meta(min_length=1, max_length=MAX_VALUES)]
    truth: Annotated[list[ShortText], Meta(max_length=MAX_VALUES)] | UnsetType = UNSET


class LoggedClassification(_Content, frozen=True, kw_only=True, tag="classification"):
    """Predictions of a classifier with their true classes; null is a row without one."""

    truth: Annotated[list[ShortText | None], Meta(min_length=1, max_length=MAX_VALUES)]
    predicted: Annotated[list[ShortText | None], Meta(max_length=MAX_VALUES)] | UnsetType = (
        UNSET  # default: the scores are compared with the threshold
    )
    scores: Annotated[list[Finite | None], Meta(max_length=MAX_VALUES)] | UnsetType = (
        UNSET  # probabilities of the positive class; other numbers are counted as unusable
    )
    positive: ShortText = "1"
    negative: ShortText = "0"
    threshold: Annotated[float, Meta(gt=0, lt=1)] = 0.5


class LoggedRegression(_Content, frozen=True, kw_only=True, tag="regression"):
    """Predictions of a regression with their true values; null is a row without one."""

    truth: Annotated[list[Finite | None], Meta(min_length=1, max_length=MAX_VALUES)]
    predicted: Annotated[list[Finite | None], Meta(max_length=MAX_VALUES)]


class LoggedRanking(_Content, frozen=True, kw_only=True, tag="ranking"):
    """The relevance of the items of ranked lists, in the order of their ranks."""

    relevance: Annotated[
        list[Annotated[list[Relevance], Meta(max_length=MAX_CUTOFF)]],
        Meta(min_length=1, max_length=MAX_LISTS),
    ]
    cutoffs: (
        Annotated[
            list[Annotated[int, Meta(ge=1, le=MAX_CUTOFF)]],
            Meta(min_length=1, max_length=MAX_CUTOFFS),
        ]
        | UnsetType
    ) = UNSET  # ranks down to which the lists are judged; default 1, 3, 5 and 10


AnyContent: TypeAlias = (
    LoggedNumber
    | LoggedString
    | LoggedCategories
    | LoggedDistribution
    | LoggedTable
    | LoggedMatrix
    | LoggedLine
    | LoggedConfusionMatrix
    | LoggedScores
    | LoggedClassification
    | LoggedRegression
    | LoggedRanking
)


class LoggedSample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One sample of a summary, over one window."""

    entity: Annotated[str, Meta(pattern=f"^{NAME.pattern}$")]
    summary: Annotated[
        str, Meta(pattern=rf"^{LOGGED[:-1]}\.{PRINTABLE}{{1,{MAX_SUMMARY_CHARACTERS}}}$")
    ]
    start: Annotated[float, Meta(ge=0, le=LAST_START_SECONDS)]  # start of the window, Unix seconds
    seconds: Annotated[float, Meta(ge=1, le=MAX_SECONDS)]  # length of the window
    content: AnyContent
    created: Annotated[float, Meta(ge=0, le=LAST_START_SECONDS)] | UnsetType = (
        UNSET  # time at which the sample was made, Unix seconds; default now
    )
    labels: Annotated[
        dict[
            Annotated[str, Meta(pattern=f"^{KEY.pattern}$")],
            Annotated[str, Meta(max_length=MAX_LABEL_CHARACTERS, pattern=f"^{PRINTABLE}*$")],
        ],
        Meta(max_length=MAX_LABELS),
    ] = {}
    aggregation: Literal["sum", "mean", "min", "max", "last"] = (
        "last"  # how amounts are merged; only amounts have it
    )
    unit: UnitText = ""  # unit of an amount


def sample_of(row: LoggedSample, now_ns: int) -> SummarySample:
    """Return the sample that *row* describes.

    Raises:
        ValueError: If its content contradicts itself; the message begins with the place.
    """
    if OVERFLOW_KEY in row.labels:
        raise ValueError(f"labels: {OVERFLOW_KEY} is reserved")
    start_ns = nanoseconds(row.start)
    window = Window(start_ns, start_ns + nanoseconds(row.seconds))
    created_ns = now_ns if row.created is UNSET else nanoseconds(row.created)
    content = _content_of(row, Stamp(window.end_ns, created_ns))
    return SummarySample(
        entity=row.entity,
        summary=row.summary,
        labels=Labels.of(row.labels),
        window=window,
        coverage=Coverage(profiled=content.cells),
        content=content,
    )


def _content_of(row: LoggedSample, stamp: Stamp) -> Content:
    logged = row.content
    head = Head(Aggregation(row.aggregation), row.unit, stamp)
    match logged:
        case LoggedNumber():
            return Number.of(logged.value, head, logged.weight)
        case LoggedString():
            return text.Text(logged.value, 1, stamp)
        case LoggedCategories():
            recorder = FeatureRecorder(FeatureSpec(readable=True))
            recorder.observe_categories(logged.counts)
            return recorder.profile()
        case LoggedDistribution():
            recorder = FeatureRecorder()
            recorder.observe_numbers(np.array(logged.values, dtype=np.float64))
            return recorder.profile()
        case LoggedTable():
            return table.Table.of(logged.columns, logged.rows, head, logged.weight)
        case LoggedMatrix():
            return matrix.Matrix.of(logged.rows, head, logged.weight)
        case LoggedLine():
            return line.Line.of(logged.points, head, logged.weight)
        case LoggedConfusionMatrix():
            return confusion_matrix.ConfusionMatrix.of(logged.labels, logged.counts, head)
        case LoggedScores() | LoggedClassification() | LoggedRegression() | LoggedRanking():
            return _content_of_predictions(logged)


def _scores_of(logged: LoggedScores) -> ScoreProfile:
    truth = None if logged.truth is UNSET else logged.truth
    if truth is not None and len(truth) != len(logged.scores):
        raise ValueError("truth: must have one class for each score")
    profile = ScoreProfile()
    profile.observe(np.array(logged.scores, dtype=np.float64), truth)
    return profile


def _content_of_predictions(
    logged: LoggedScores | LoggedClassification | LoggedRegression | LoggedRanking,
) -> Content:
    match logged:
        case LoggedScores():
            return _scores_of(logged)
        case LoggedRegression():
            return Regression.of(_numbers(logged.predicted), _numbers(logged.truth))
        case LoggedRanking():
            cutoffs = CUTOFFS if logged.cutoffs is UNSET else logged.cutoffs
            return Ranking.of(logged.relevance, cutoffs=cutoffs)
        case LoggedClassification():
            return _classification_of(logged)


def _classification_of(logged: LoggedClassification) -> Content:
    predicted = None if logged.predicted is UNSET else logged.predicted
    if logged.scores is UNSET:
        if predicted is None:
            raise ValueError("predicted: must be given without scores")
        return classes_only(predicted, logged.truth)
    return binary(
        _numbers(logged.scores),
        logged.truth,
        predicted,
        positive=logged.positive,
        negative=logged.negative,
        threshold=logged.threshold,
    )


def _numbers(cells: list[float | None]) -> list[float]:
    return [math.nan if cell is None else cell for cell in cells]
