"""Decodes MLflow's scoring protocol: ``dataframe_split``, ``dataframe_records``, bare ``inputs``.

`nilometer.decode.kserve_v1` decodes ``instances``, ``predictions``, and the value of a bare
``inputs`` or ``outputs``. `nilometer.decode.delimited` decodes CSV. Parameters (``params``) belong
to the call and are not features.

Source: MLflow, "Local model inference specification".
"""

from collections.abc import Mapping

from nilometer.decode import free_json, kserve_v1
from nilometer.decode.columns import MAX_COLUMNS, Block, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.naming import placed, told_apart
from nilometer.decode.protocol import DecodeObject, JsonProtocol
from nilometer.decode.tensors import table_rows
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

# Keys allowed beside a bare ``inputs`` or ``outputs`` in MLflow and TensorFlow Serving.
_BESIDE = frozenset({"inputs", "outputs", "params", "parameters", "signature_name", "id"})


def decode_split(value: Mapping[str, Cell], side: Side) -> Facts:
    """Add a data frame of ``columns`` and ``data``.

    Raises:
        Undecodable: If the number of cells in a row is not the number of columns.
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
    names = told_apart(
        placed(
            [".".join(map(str, name)) if isinstance(name, list) else str(name) for name in columns]
        )
    )
    cells = zip(*rows, strict=True) if rows else ([] for _ in names)
    side.add_block(
        Block(len(rows), {name: list(one) for name, one in zip(names, cells, strict=True)})
    )
    return Facts(Protocol.MLFLOW, value=value)


def decode_records(value: Mapping[str, Cell], side: Side) -> Facts:
    """Add a data frame of one object per row.

    Raises:
        Undecodable: If it is not a list of objects.
    """
    records = value["dataframe_records"]
    if not isinstance(records, list):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    side.add_rows(table_rows(records))
    return Facts(Protocol.MLFLOW, value=value)


def _decode_data_frame(value: Mapping[str, Cell], path: str, side: Side) -> Facts:
    del path
    return (decode_split if "dataframe_split" in value else decode_records)(value, side)


def _decoder_of(key: str) -> DecodeObject:
    def decode(value: Mapping[str, Cell], path: str, side: Side) -> Facts:
        del path
        if value.keys() <= _BESIDE:
            return kserve_v1.decode(value, key, Protocol.MLFLOW, side)
        return free_json.decode(value, side)

    return decode


TENSORS = JsonProtocol(
    input_keys=frozenset({"inputs"}),
    output_keys=frozenset({"outputs"}),
    decode_input=_decoder_of("inputs"),
    decode_output=_decoder_of("outputs"),
)
DATA_FRAME = JsonProtocol(
    input_keys=frozenset({"dataframe_split", "dataframe_records"}),
    decode_input=_decode_data_frame,
)
