"""KServe V1, which is TensorFlow Serving's row format: ``instances`` and ``predictions``.

Objects are rows; numbers and lists are a tensor by the key's name, so that a model of four numbers
has ``instances.0`` to ``instances.3``.

Source: KServe, "V1 Inference Protocol".
"""

from collections.abc import Mapping

from nilometer.decode.columns import Side, flat
from nilometer.decode.facts import Facts, Protocol, id_of
from nilometer.decode.tensors import batch_block, nested_block, table_rows
from nilometer.profile.feature import Cell


def decode(value: Mapping[str, Cell], key: str, protocol: Protocol, side: Side) -> Facts | None:
    """Add what stands under *key*; None where it is neither a list nor an object.

    An object of lists of one length is a table by columns, any other one row.

    Raises:
        Undecodable: If rows differ in kind, or are no table.
    """
    items = value[key]
    if isinstance(items, list):
        if dict in set(map(type, items)):
            side.add_rows(table_rows(items))
        else:
            side.add_block(nested_block(key, items))
    elif isinstance(items, dict):
        block = batch_block(items)
        if block is None:
            side.add_rows([flat(items)])
        else:
            side.add_block(block)
    else:
        return None
    return Facts(protocol, value=value, prediction_id=id_of(value.get("id")))
