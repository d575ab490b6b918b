"""Decodes MLflow's scoring protocol: ``dataframe_split``, ``dataframe_records``, ``inputs``.

`nilometer.decode.kserve_v1` decodes ``instances``, ``predictions``, and the value of a bare
``inputs`` or ``outputs``. `nilometer.decode.delimited` decodes CSV. Parameters (``params``) belong
to the call and are not features.

Source: MLflow, "Local model inference specification".
"""

from collections.abc import Mapping

from nilometer.decode import free_json, kserve_v1
from nilometer.decode.columns import Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.frames import split_block
from nilometer.decode.protocol import DecodeObject, JsonProtocol
from nilometer.decode.tensors import table_rows
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

# Keys that may occur together with ``inputs`` or ``outputs`` in MLflow and TensorFlow Serving.
_BESIDE = frozenset({"inputs", "outputs", "params", "parameters", "signature_name", "id"})


def decode_split(value: Mapping[str, Cell], side: Side) -> Facts:
    """Add a data frame of ``data``, and of ``columns`` if the columns have names.

    Raises:
        Undecodable: If a row's number of cells differs from the number of columns.
    """
    frame = value["dataframe_split"]
    if not isinstance(frame, dict):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    side.add_block(split_block(frame))
    return Facts(Protocol.MLFLOW, value=value)


def decode_records(value: Mapping[str, Cell], side: Side) -> Facts:
    """Add a data frame with one object per row.

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
        if value.keys() <= _BESIDE:
            return kserve_v1.decode(value, key, _protocol_of(path), side)
        return free_json.decode(value, side)

    return decode


def _protocol_of(path: str) -> Protocol:
    """Return the protocol whose bodies have these keys on *path*."""
    if "/v2/models/" in path:
        return Protocol.OIP_V2  # without tensors
    return Protocol.KSERVE_V1 if "/v1/models/" in path else Protocol.MLFLOW


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
