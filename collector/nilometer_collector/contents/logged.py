"""Contents that users log as the API shows them: one structure, of which each type fills a part."""

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from msgspec import UNSET, UnsetType

from nilometer.kinds import ContentView
from nilometer.profile.logged.amounts import Aggregation, K
from nilometer.profile.logged.confusion_matrix import ConfusionMatrix
from nilometer.profile.logged.line import Line
from nilometer.profile.logged.logged import Logged
from nilometer.profile.logged.matrix import Matrix
from nilometer.profile.logged.number import Number
from nilometer.profile.logged.table import Table
from nilometer.profile.logged.text import Text
from nilometer.values.window import Window
from nilometer_collector.contents.bins import Bins
from nilometer_collector.contents.view import Shown

Cell: TypeAlias = str | float | None
LoggedContent: TypeAlias = Number | Text | Table | Matrix | Line | ConfusionMatrix

L = TypeVar("L", Number, Text, Table, Matrix, Line, ConfusionMatrix)


class LoggedView(ContentView, frozen=True, kw_only=True):
    """A content that users log. Fields that its type does not have are absent."""

    type: str  # number, string, table, matrix, line or confusion_matrix
    aggregation: str  # sum, mean, min, max or last
    unit: str
    count: int  # samples that were merged
    value: float | UnsetType | None = UNSET  # of a number
    text: str | UnsetType = UNSET
    columns: list[str] | UnsetType = UNSET  # names of the columns of a table
    labels: list[str] | UnsetType = UNSET  # classes of a confusion matrix
    accuracy: float | UnsetType | None = UNSET  # of a confusion matrix
    rows: list[list[Cell]] | UnsetType = (
        UNSET  # of a table, a matrix, or a confusion matrix: a row for each true class
    )
    points: list[list[float]] | UnsetType = UNSET  # of a line: x and y, ascending
    overflow: float | UnsetType = UNSET  # merged y of a line's points over the limit, if any


def logged_view(content: LoggedContent) -> LoggedView:
    """Return *content* as the API shows it."""
    match content:
        case Number():
            return _view(content, value=content.value)
        case Text():
            return LoggedView(
                type=content.kind,
                aggregation=Aggregation.LAST.value,
                unit="",
                count=content.count,
                text=content.value,
            )
        case Table():
            return _view(content, columns=list(content.columns), rows=content.rows)
        case Matrix():
            return _view(content, rows=content.values)
        case Line():
            over = content.overflow
            points = [[x, y] for x, y in content.points]
            return _view(content, points=points, overflow=UNSET if over is None else over)
        case ConfusionMatrix():
            return _view(
                content,
                labels=list(content.labels),
                rows=content.counts,
                accuracy=content.accuracy,
            )


def _view(content: Logged[K], **parts: object) -> LoggedView:
    amounts = content.amounts
    common = {
        "type": content.kind,
        "aggregation": amounts.aggregation.value,
        "unit": amounts.unit,
        "count": amounts.count,
    }
    return LoggedView(**common, **parts)  # type: ignore[arg-type]  # fields of the structure


def _shown(kind: type[L]) -> Shown[L]:
    def in_window(content: L, window: Window, bins: Bins | None) -> LoggedView:
        del window, bins
        return logged_view(content)

    view: Callable[[L, Window, Bins | None], ContentView] = in_window
    return Shown(kind=kind.kind, field="logged", view=view)


SHOWN_LOGGED = (
    _shown(Number),
    _shown(Text),
    _shown(Table),
    _shown(Matrix),
    _shown(Line),
    _shown(ConfusionMatrix),
)
