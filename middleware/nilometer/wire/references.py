"""Converts references to protobuf and back."""

import dataclasses
import hashlib

import numpy as np

from nilometer.profile.derived.vectors import COMPONENTS, MAX_BITS, MAX_DIMENSIONS, Embedding
from nilometer.profile.reference import Reference, ReferenceColumn
from nilometer.sketch.binned import edges_id
from nilometer.v1 import alert_pb2 as pb
from nilometer.wire.contents.feature import feature_from_wire, feature_to_wire
from nilometer.wire.dictionary import dictionary_from_wire, dictionary_to_wire
from nilometer.wire.parse import parsed


def reference_to_wire(reference: Reference) -> pb.Reference:
    """Return a reference as a message; if its digest is empty, it is computed from the columns."""
    message = pb.Reference(
        entity=reference.entity,
        name=reference.name,
        rows=reference.rows,
        created_unix_nano=reference.created_ns,
        source=reference.source,
        columns=[
            pb.Reference.Column(
                summary=summary,
                feature=feature_to_wire(column.feature),
                edges=column.edges,
                dictionary=None
                if column.dictionary is None
                else dictionary_to_wire(column.dictionary),
                embedding=None
                if column.embedding is None
                else pb.Embedding(
                    dimensions=column.embedding.mean.size,
                    mean=column.embedding.mean.astype("<f4").tobytes(),
                    components=column.embedding.components.astype("<f4").tobytes(),
                    bits=column.embedding.bits,
                ),
                singletons=column.singletons,
                surplus=column.surplus,
            )
            for summary, column in sorted(reference.columns.items())
        ],
        digest=reference.digest,
    )
    if not message.digest:
        content = b"".join(
            column.SerializeToString(deterministic=True) for column in message.columns
        )
        message.digest = hashlib.blake2b(content, digest_size=8).hexdigest()
    return message


def reference_from_wire(message: pb.Reference) -> Reference:
    """Return the reference in a message.

    Raises:
        ValueError: If a column contradicts itself.
    """
    columns = {}
    for column in message.columns:
        edges = tuple(column.edges)
        known = {edges_id(edges): edges}
        feature = feature_from_wire(column.feature, known.get)
        dictionary = None
        if column.HasField("dictionary"):
            dictionary = dictionary_from_wire(column.dictionary)
        columns[column.summary] = ReferenceColumn(
            feature=feature,
            edges=edges,
            dictionary=dictionary,
            embedding=_embedding(column.embedding) if column.HasField("embedding") else None,
            singletons=column.singletons,
            surplus=column.surplus,
        )
    return Reference(
        entity=message.entity,
        name=message.name,
        rows=message.rows,
        created_ns=message.created_unix_nano,
        source=message.source,
        columns=columns,
        digest=message.digest,
    )


def _embedding(message: pb.Embedding) -> Embedding:
    """Return the embedding of a reference's vectors.

    Raises:
        ValueError: If the sizes disagree or a part is not finite.
    """
    size = message.dimensions
    if not 0 < size <= MAX_DIMENSIONS:
        raise ValueError(f"embedding: {size} dimensions must be 1 to {MAX_DIMENSIONS}")
    mean = np.frombuffer(message.mean, "<f4").astype(np.float64)
    parts = np.frombuffer(message.components, "<f4").astype(np.float64)
    if mean.size != size or parts.size % size or parts.size // size > COMPONENTS:
        raise ValueError("embedding: mean and components must have as many numbers as dimensions")
    if not (np.isfinite(mean).all() and np.isfinite(parts).all()):
        raise ValueError("embedding: numbers must be finite")
    bits = message.bits if message.HasField("bits") else None
    if bits is not None and abs(bits) > MAX_BITS:
        raise ValueError(f"embedding: the unit must be 2^-{MAX_BITS} to 2^{MAX_BITS}")
    return Embedding(mean, parts.reshape(-1, size), bits)


def reference_to_bytes(reference: Reference) -> bytes:
    """Return the deterministic bytes of a reference."""
    return reference_to_wire(reference).SerializeToString(deterministic=True)


def reference_message(packed: bytes) -> pb.Reference:
    """Return the message in the bytes of `reference_to_bytes`."""
    return parsed(pb.Reference, packed)


def reference_from_bytes(packed: bytes) -> Reference:
    """Return the reference in the bytes of `reference_to_bytes`."""
    return reference_from_wire(reference_message(packed))


def with_digest(reference: Reference) -> Reference:
    """Return the reference with the digest of its columns."""
    message = reference_to_wire(dataclasses.replace(reference, digest=""))
    return dataclasses.replace(reference, digest=message.digest)
