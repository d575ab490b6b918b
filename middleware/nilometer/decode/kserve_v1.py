"""Decodes KServe V1, the same as TensorFlow Serving's row format: ``instances``, ``predictions``.

Objects are rows. Numbers and lists are a tensor named after the key. So a model with four numbers
has the columns ``instances.0`` to ``instances.3``. Scores beside predictions, one for each
prediction, are columns of the same rows.

Source: KServe, "V1 Inference Protocol".
"""

from collections.abc import Mapping

from nilometer.bodies.scored import SCORES, best_of_each
from nilometer.decode import free_json
from nilometer.decode.budget import check_cells
from nilometer.decode.columns import Block, Side
from nilometer.decode.facts import Facts, Protocol, id_of
from nilometer.decode.frames import frame_in, named_rows
from nilometer.decode.json_rows import rows_of
from nilometer.decode.protocol import DecodeObject, JsonProtocol
from nilometer.decode.tensors import (
    add_columns,
    batch_block,
    check_table,
    nested_block,
    nested_columns,
    table_rows,
)
from nilometer.profile.feature import Cell

_MLFLOW_PATH = "/invocations"  # MLflow uses the same format for these keys


def decode(value: Mapping[str, Cell], key: str, protocol: Protocol, side: Side) -> Facts:
    """Add the columns of the list or object under *key*; decode other values as free JSON.

    A data frame and an object of equally long lists are tables. Any other object is free JSON.

    Raises:
        Undecodable: If the rows are of different kinds, or are not a table.
    """
    items = value[key]
    if isinstance(items, list):
        if dict in set(map(type, items)):
            side.add_rows(named_rows(items) or table_rows(items))
        elif (scored := best_of_each(items)) is not None:
            side.add_rows(scored)
        else:
            side.add_block(_with_scores(nested_block(key, items), value))
    elif isinstance(items, dict):
        table = frame_in(items) or batch_block(_repeated(items))
        if isinstance(table, Block):
            side.add_block(table)
        else:
            rows = rows_of(items) if table is None else table
            check_table(rows)
            side.add_rows(rows)
    else:
        return free_json.decode(value, side)
    return Facts(protocol, value=value, prediction_id=id_of(value.get("id")))


def _with_scores(block: Block, value: Mapping[str, Cell]) -> Block:
    """Return *block* with the lists of scores in *value* that have one item for each of its rows.

    Raises:
        Undecodable: If there are more than `MAX_COLUMNS` columns.
    """
    columns = dict(block.columns)
    for name, items in value.items():
        if name in SCORES and isinstance(items, list) and len(items) == block.rows:
            add_columns(columns, nested_columns(name, items))
    return Block(block.rows, columns)


def _repeated(table: Mapping[str, Cell]) -> Mapping[str, Cell]:
    """Return the lists of a *table*; lists with one item are repeated to the length of the others.

    TensorFlow Serving's columnar format has such lists for values that apply to the whole call.
    """
    sizes = {len(items) for items in table.values() if isinstance(items, list)} - {1}
    if len(sizes) != 1 or not any(_is_matrix(items) for items in table.values()):
        return table
    (rows,) = sizes
    check_cells(rows * len(table))
    return {
        name: items * rows if isinstance(items, list) and len(items) == 1 else items
        for name, items in table.items()
    }


def _is_matrix(items: Cell) -> bool:
    return isinstance(items, list) and len(items) > 1 and set(map(type, items)) == {list}


def _decoder_of(key: str) -> DecodeObject:
    def decode_side(value: Mapping[str, Cell], path: str, side: Side) -> Facts:
        protocol = Protocol.MLFLOW if path.endswith(_MLFLOW_PATH) else Protocol.KSERVE_V1
        return decode(value, key, protocol, side)

    return decode_side


PROTOCOL = JsonProtocol(
    input_keys=frozenset({"instances"}),
    output_keys=frozenset({"predictions"}),
    decode_input=_decoder_of("instances"),
    decode_output=_decoder_of("predictions"),
)
