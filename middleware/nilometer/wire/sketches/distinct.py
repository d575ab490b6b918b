"""Converts distinct counts to protobuf and back."""

import numpy as np

from nilometer.sketch.distinct import Distinct
from nilometer.v1 import summary_pb2 as pb

_SPARSE_BYTES = 3  # approximate size of a sparse register; a dense register needs one byte


def distinct_to_wire(distinct: Distinct) -> pb.Distinct:
    """Return a sketch as a message: six bits per register, or a sparse form if that is shorter."""
    registers = distinct.registers
    filled = np.flatnonzero(registers)
    if filled.size * _SPARSE_BYTES < registers.size * 6 // 8:
        sparse = (filled << 8) | registers[filled].astype(np.int64)
        return pb.Distinct(precision=distinct.precision, sparse=sparse.tolist())
    bits = np.unpackbits(registers[:, None], axis=1, count=6, bitorder="little")
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    return pb.Distinct(precision=distinct.precision, packed=packed)


def distinct_from_wire(message: pb.Distinct) -> Distinct:
    """Return a sketch with the registers in a message.

    Raises:
        ValueError: If the number of registers is not ``2**precision``.
    """
    distinct = Distinct(message.precision)
    size = distinct.registers.size
    if message.packed:
        if len(message.packed) != size * 6 // 8:
            raise ValueError(f"precision {message.precision} needs {size * 6 // 8} packed bytes")
        raw = np.frombuffer(message.packed, dtype=np.uint8)
        bits = np.unpackbits(raw, bitorder="little").reshape(size, 6)
        distinct.registers = np.packbits(bits, axis=1, bitorder="little").ravel()
    elif message.registers:
        registers = np.frombuffer(message.registers, dtype=np.uint8).copy()
        if registers.size != size:
            raise ValueError(f"precision {message.precision} needs {size} registers")
        distinct.registers = registers
    elif message.sparse:
        entries = np.asarray(message.sparse, dtype=np.int64)
        if (entries >> 8).max() >= size:
            raise ValueError("a sparse register is out of range")
        distinct.registers[entries >> 8] = entries & 0xFF
    if distinct.registers.max() > 64 - message.precision + 1:
        raise ValueError("a register is longer than a hash")
    return distinct
