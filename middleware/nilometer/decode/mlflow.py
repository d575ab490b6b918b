"""MLflow's scoring protocol: ``dataframe_split`` and ``dataframe_records``.

``instances``, ``inputs`` and ``predictions`` are those of `nilometer.decode.kserve_v1`, CSV that of
`nilometer.decode.delimited`. Parameters (``params``) are of the call and no features.

Source: MLflow, "Local model inference specification".
"""

from collections.abc import Mapping

from nilometer.decode.columns import MAX_COLUMNS, Block, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.tensors import table_rows
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason


def decode_split(value: Mapping[str, Cell], side: Side) -> Facts:
    """Add a data frame of ``columns`` and ``data``.

    Raises:
        Undecodable: If a row has not as many cells as there are columns.
    """
    frame = value["dataframe_split"]
    columns, data = (
        (frame.get("columns"), frame.get("data")) if isinstance(frame, dict) else (None, None)
    )
    if not isinstance(columns, list) or not isinstance(data, list) or len(columns) > MAX_COLUMNS:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    rows = [row for row in data if isinstance(row, list) and len(row) == len(columns)]
    if len(rows) != len(data):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    names = [".".join(map(str, name)) if isinstance(name, list) else str(name) for name in columns]
    cells = zip(*rows, strict=True) if rows else ([] for _ in names)
    side.add_block(
        Block(len(rows), {name: list(one) for name, one in zip(names, cells, strict=True)})
    )
    return Facts(Protocol.MLFLOW, value=value)


def decode_records(value: Mapping[str, Cell], side: Side) -> Facts:
    """Add a data frame of one object a row.

    Raises:
        Undecodable: If it is no list of objects.
    """
    records = value["dataframe_records"]
    if not isinstance(records, list):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    side.add_rows(table_rows(records))
    return Facts(Protocol.MLFLOW, value=value)
