"""Content types that users log <-> protobuf. Keys are sorted, so equal contents have equal bytes."""

import math

from nilometer.profile.logged.amounts import Aggregation, Stamp
from nilometer.profile.logged.confusion_matrix import MAX_MERGED_LABELS, Classes, ConfusionMatrix
from nilometer.profile.logged.line import MAX_MERGED_POINTS, OVERFLOW_X, Line
from nilometer.profile.logged.matrix import MAX_SIDE, Matrix
from nilometer.profile.logged.number import Number
from nilometer.profile.logged.table import (
    MAX_COLUMNS,
    MAX_MERGED_ROWS,
    ROW,
    CellKey,
    Table,
    overflow_row,
)
from nilometer.profile.logged.text import Text
from nilometer.v1 import summary_pb2 as pb
from nilometer.values.labels import OVERFLOW_KEY
from nilometer.wire.contents.amounts import amounts_from_wire, amounts_to_wire
from nilometer.wire.contents.codec import Codec, EdgesOf


def _put_number(message: pb.SummarySample, number: Number) -> None:
    message.number.SetInParent()
    if number.count:
        message.number.amounts.CopyFrom(amounts_to_wire(number.amounts, [()]))


def _read_number(message: pb.SummarySample, edges_of: EdgesOf) -> Number:
    del edges_of
    amounts = message.number.amounts
    return Number(amounts_from_wire(amounts, [()] if amounts.count else []))


def _put_text(message: pb.SummarySample, text: Text) -> None:
    message.string.CopyFrom(
        pb.Text(
            value=text.value,
            count=text.count,
            end_unix_nano=text.stamp.end_ns,
            created_unix_nano=text.stamp.created_ns,
        )
    )


def _read_text(message: pb.SummarySample, edges_of: EdgesOf) -> Text:
    del edges_of
    text = message.string
    return Text(text.value, text.count, Stamp(text.end_unix_nano, text.created_unix_nano))


def _put_table(message: pb.SummarySample, table: Table) -> None:
    rows = sorted({key for key, column in table.amounts.cells if column == ROW})
    columns = (ROW, *(at for at in range(len(table.columns)) if at not in table.texts))
    keys = [(row, column) for row in rows for column in columns]
    message.table.CopyFrom(
        pb.Table(
            amounts=amounts_to_wire(table.amounts, keys),
            columns=table.columns,
            texts=table.texts,
            keys=[part for row in rows for part in row],
            rows=len(rows),
        )
    )


def _read_table(message: pb.SummarySample, edges_of: EdgesOf) -> Table:
    del edges_of
    table = message.table
    columns, texts = tuple(table.columns), tuple(table.texts)
    if len(columns) > MAX_COLUMNS or len(set(columns)) < len(columns):
        raise ValueError("a table has too many columns, or one twice")
    if sorted(set(texts)) != list(texts) or any(at >= len(columns) for at in texts):
        raise ValueError("the columns of text of a table do not exist")
    is_ordered = table.amounts.aggregation == Aggregation.LAST.value
    width, parts = len(texts) + is_ordered, list(table.keys)
    if table.rows > MAX_MERGED_ROWS + 1 or len(parts) != table.rows * width:
        raise ValueError("a table has too many rows, or its keys another number")
    rows = [tuple(parts[at * width : (at + 1) * width]) for at in range(table.rows)]
    named = rows if is_ordered else [row for row in rows if row != overflow_row(texts)]
    if len(named) > MAX_MERGED_ROWS:
        raise ValueError("a table has too many rows")
    if any(text and not text.startswith("=") for row in named for text in row[is_ordered:]):
        raise ValueError("a key of a table is no text")
    numbers = (ROW, *(at for at in range(len(columns)) if at not in texts))
    keys: list[CellKey] = [(row, column) for row in rows for column in numbers]
    return Table(columns, texts, amounts_from_wire(table.amounts, keys))


def _put_matrix(message: pb.SummarySample, matrix: Matrix) -> None:
    keys = [(row, column) for row in range(matrix.rows) for column in range(matrix.columns)]
    message.matrix.CopyFrom(
        pb.Matrix(
            amounts=amounts_to_wire(matrix.amounts, keys),
            rows=matrix.rows,
            columns=matrix.columns,
        )
    )


def _read_matrix(message: pb.SummarySample, edges_of: EdgesOf) -> Matrix:
    del edges_of
    rows, columns = message.matrix.rows, message.matrix.columns
    if max(rows, columns) > MAX_SIDE:
        raise ValueError(f"a matrix has over {MAX_SIDE} rows or columns")
    keys = [(row, column) for row in range(rows) for column in range(columns)]
    return Matrix(rows, columns, amounts_from_wire(message.matrix.amounts, keys))


def _put_line(message: pb.SummarySample, line: Line) -> None:
    keys = sorted(line.amounts.cells)
    message.line.CopyFrom(
        pb.Line(amounts=amounts_to_wire(line.amounts, keys), x=[x for (x,) in keys])
    )


def _read_line(message: pb.SummarySample, edges_of: EdgesOf) -> Line:
    del edges_of
    found = [x + 0.0 for x in message.line.x]  # adding 0.0 turns -0.0 into 0.0
    within = [x for x in found if x != OVERFLOW_X]
    if len(within) > MAX_MERGED_POINTS or not all(map(math.isfinite, within)):
        raise ValueError(f"a line has over {MAX_MERGED_POINTS} points, or one without a finite x")
    return Line(amounts_from_wire(message.line.amounts, [(x,) for x in found]))


def _put_confusion_matrix(message: pb.SummarySample, matrix: ConfusionMatrix) -> None:
    place = {label: at for at, label in enumerate(matrix.labels)}
    keys = sorted(matrix.amounts.cells)
    message.confusion_matrix.CopyFrom(
        pb.ConfusionMatrix(
            amounts=amounts_to_wire(matrix.amounts, keys),
            labels=matrix.labels,
            cells=[place[truth] * len(place) + place[predicted] for truth, predicted in keys],
        )
    )


def _read_confusion_matrix(message: pb.SummarySample, edges_of: EdgesOf) -> ConfusionMatrix:
    del edges_of
    matrix = message.confusion_matrix
    labels = tuple(matrix.labels)
    most = MAX_MERGED_LABELS + (OVERFLOW_KEY in labels)
    if len(labels) > most or sorted(set(labels)) != list(labels):
        raise ValueError("the labels of a confusion matrix must be ascending and few")
    if any(at >= len(labels) ** 2 for at in matrix.cells):
        raise ValueError("a cell of a confusion matrix has no labels")
    keys: list[Classes] = [
        (labels[at // len(labels)], labels[at % len(labels)]) for at in matrix.cells
    ]
    return ConfusionMatrix(labels, amounts_from_wire(matrix.amounts, keys))


LOGGED_CODECS = (
    Codec(kind=Number.kind, field="number", put=_put_number, read=_read_number, is_exact=True),
    Codec(kind=Text.kind, field="string", put=_put_text, read=_read_text, is_exact=True),
    Codec(kind=Table.kind, field="table", put=_put_table, read=_read_table, is_exact=True),
    Codec(kind=Matrix.kind, field="matrix", put=_put_matrix, read=_read_matrix, is_exact=True),
    Codec(kind=Line.kind, field="line", put=_put_line, read=_read_line, is_exact=True),
    Codec(
        kind=ConfusionMatrix.kind,
        field="confusion_matrix",
        put=_put_confusion_matrix,
        read=_read_confusion_matrix,
        is_exact=True,
    ),
)
