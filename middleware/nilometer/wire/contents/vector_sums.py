"""Converts moments of vectors to protobuf and back."""

from collections.abc import Mapping

from nilometer.profile.derived.vector_sums import Basis, VectorSums
from nilometer.profile.derived.vectors import COMPONENTS, MAX_BITS
from nilometer.v1 import summary_pb2 as pb

_MOST = (1 << 63) - 1  # largest sum on the wire


def put_vectors(message: pb.Feature, vectors: Mapping[Basis, VectorSums]) -> None:
    """Add moments of vectors by basis to *message*; sums beyond 64 bits are left out."""
    for basis, found in sorted(vectors.items()):
        if max(map(abs, (*found.sums, *found.products))) > _MOST:
            continue
        message.vectors.add(
            basis=basis.id,
            count=found.count,
            bits=basis.bits,
            sums=found.sums,
            products=found.products,
        )


def vectors_of(message: pb.Feature) -> dict[Basis, VectorSums]:
    """Return the moments of vectors in *message* by basis.

    Raises:
        ValueError: If a part contradicts itself.
    """
    found: dict[Basis, VectorSums] = {}
    for one in message.vectors:
        size = len(one.sums)
        if not 0 < size <= COMPONENTS or len(one.products) != size * (size + 1) // 2:
            raise ValueError(f"moments of vectors: {size} sums need a product for each pair")
        basis = Basis(one.basis, one.bits, size)
        if not one.count or abs(one.bits) > MAX_BITS or basis in found:
            raise ValueError("moments of vectors need a count, a unit and a basis of their own")
        found[basis] = VectorSums(one.count, tuple(one.sums), tuple(one.products))
    return found
