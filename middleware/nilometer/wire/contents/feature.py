"""Converts features to protobuf and back."""

from collections.abc import Sequence

from nilometer.profile.category import CategoryProfile, DictionaryCounts
from nilometer.profile.feature import FeatureProfile
from nilometer.profile.numeric import MOST_BUCKETS, NumericProfile
from nilometer.sketch.binned import BinnedCounts
from nilometer.sketch.exponential import MAX_BUCKETS
from nilometer.sketch.tdigest import TDigest
from nilometer.v1 import summary_pb2 as pb
from nilometer.wire.contents.bin_sums import put_sums, sums_of
from nilometer.wire.contents.codec import Codec, DigestCodec, EdgesOf, no_edges
from nilometer.wire.contents.vector_sums import put_vectors, vectors_of
from nilometer.wire.parse import parsed
from nilometer.wire.sketches.digests import are_sound_digests, merged_digests_from_wire
from nilometer.wire.sketches.distinct import distinct_from_wire, distinct_to_wire
from nilometer.wire.sketches.exponential import histogram_from_wire, histogram_to_wire
from nilometer.wire.sketches.frequent import frequent_from_wire, frequent_to_wire
from nilometer.wire.sketches.moments import moments_from_wire
from nilometer.wire.sketches.tdigest import (
    digest_from_wire,
    digest_to_wire,
)


def feature_to_wire(feature: FeatureProfile, digest: pb.TDigest | None = None) -> pb.Feature:
    """Return a feature as a message without empty parts; *digest* is its encoded t-digest."""
    numbers, categories = feature.numbers, feature.categories
    message = pb.Feature(
        missing=feature.missing,
        nan=numbers.nan,
        positive_infinity=numbers.positive_infinity,
        negative_infinity=numbers.negative_infinity,
        types=feature.types,
        null_like=feature.null_like,
        expected=feature.expected,
        suppressed=feature.suppressed_numbers,
    )
    if numbers.count:
        _put_numbers(message.numeric, numbers, digest or digest_to_wire(numbers.digest))
    if categories.total:
        message.categories.CopyFrom(frequent_to_wire(categories.frequent))
        if categories.dictionary is not None:
            known = categories.dictionary
            message.dictionary.CopyFrom(
                pb.DictionaryCounts(
                    id=known.id, counts=known.counts, other=known.other, unseen=known.unseen
                )
            )
    if feature.distinct is not None:
        message.distinct.CopyFrom(distinct_to_wire(feature.distinct))
    if feature.sums:
        put_sums(message, feature.sums)
    if feature.vectors:
        put_vectors(message, feature.vectors)
    return message


def feature_from_wire(
    message: pb.Feature, edges_of: EdgesOf = no_edges, *, digest: bool = True
) -> FeatureProfile:
    """Return the feature in a message; without its t-digest if *digest* is false.

    Raises:
        ValueError: If a part contradicts itself.
    """
    numbers = (
        _numbers_from_wire(message.numeric, edges_of, digest=digest)
        if message.HasField("numeric")
        else NumericProfile()
    )
    numbers.nan = message.nan
    numbers.positive_infinity = message.positive_infinity
    numbers.negative_infinity = message.negative_infinity
    feature = FeatureProfile(
        missing=message.missing,
        null_like=message.null_like,
        types=dict(message.types),
        expected=message.expected,
        numbers=numbers,
        suppressed_numbers=message.suppressed,
    )
    if message.HasField("categories"):
        feature.categories = CategoryProfile(frequent_from_wire(message.categories))
    if message.HasField("dictionary"):
        known = message.dictionary
        counts = DictionaryCounts(known.id, tuple(known.counts), known.other, known.unseen)
        if counts.total != feature.categories.total:
            raise ValueError("the counts on a dictionary must add up to the number of categories")
        feature.categories.dictionary = counts
    if message.HasField("distinct"):
        feature.distinct = distinct_from_wire(message.distinct)
    if message.sums:
        feature.sums = sums_of(message)
    if message.vectors:
        feature.vectors = vectors_of(message)
    return feature


def _put_numbers(message: pb.Numeric, numbers: NumericProfile, digest: pb.TDigest) -> None:
    """Write the numbers into *message* in place, because protobuf copies assigned messages."""
    moments = numbers.moments
    into = message.moments
    into.SetInParent()
    into.count, into.mean = moments.count, moments.mean
    into.m2, into.m3, into.m4 = moments.m2, moments.m3, moments.m4
    message.digest.CopyFrom(digest)
    message.zero, message.negative = numbers.zero, numbers.negative
    message.below_reference = numbers.below_reference
    message.above_reference = numbers.above_reference
    if numbers.histogram is not None:
        message.histogram.CopyFrom(histogram_to_wire(numbers.histogram))
    if numbers.binned is not None:
        message.binned.edges_id = numbers.binned.id
        message.binned.counts.extend(numbers.binned.counts)


def _numbers_from_wire(message: pb.Numeric, edges_of: EdgesOf, *, digest: bool) -> NumericProfile:
    numbers = NumericProfile(
        zero=message.zero,
        negative=message.negative,
        below_reference=message.below_reference,
        above_reference=message.above_reference,
        moments=moments_from_wire(message.moments),
        digest=digest_from_wire(message.digest) if digest else TDigest(),
    )
    counts = {numbers.moments.count, message.digest.count}
    if message.HasField("histogram"):
        # Older agents sent up to `MAX_BUCKETS`.
        numbers.histogram = histogram_from_wire(message.histogram, MOST_BUCKETS, MAX_BUCKETS)
        counts.add(numbers.histogram.count)
    if len(counts) != 1:
        raise ValueError(f"the sketches of one feature disagree: they count {sorted(counts)}")
    if max(numbers.zero + numbers.negative, numbers.below_reference + numbers.above_reference) > (
        numbers.count
    ):
        raise ValueError("the parts of a feature's numbers exceed their total")
    if message.HasField("binned"):
        edges = edges_of(message.binned.edges_id)
        if edges is not None:
            numbers.binned = BinnedCounts(edges, tuple(message.binned.counts))
            if numbers.binned.count != numbers.count:
                raise ValueError("the counts on edges must add up to the count of numbers")
    return numbers


def feature_to_bytes(feature: FeatureProfile) -> bytes:
    """Return the deterministic bytes of a feature."""
    return feature_to_wire(feature).SerializeToString(deterministic=True)


def feature_from_bytes(packed: bytes, edges_of: EdgesOf = no_edges) -> FeatureProfile:
    """Return the feature in the bytes of `feature_to_bytes`.

    Raises:
        ValueError: If the bytes are not a feature.
    """
    return feature_from_wire(parsed(pb.Feature, packed), edges_of)


def _put(message: pb.SummarySample, feature: FeatureProfile) -> None:
    message.feature.CopyFrom(feature_to_wire(feature))


def _put_coded(message: pb.SummarySample, feature: FeatureProfile, digest: pb.TDigest) -> None:
    message.feature.CopyFrom(feature_to_wire(feature, digest))


def _read(message: pb.SummarySample, edges_of: EdgesOf) -> FeatureProfile:
    return feature_from_wire(message.feature, edges_of)


def _read_without_digest(message: pb.SummarySample, edges_of: EdgesOf) -> FeatureProfile:
    return feature_from_wire(message.feature, edges_of, digest=False)


def _digest_of(feature: FeatureProfile) -> TDigest:
    return feature.numbers.digest


def _merge_digests(
    merged: Sequence[FeatureProfile], groups: Sequence[Sequence[pb.SummarySample]]
) -> None:
    chosen = [at for at, feature in enumerate(merged) if feature.numbers.count]
    messages = [
        [one.feature.numeric.digest for one in groups[at] if one.feature.HasField("numeric")]
        for at in chosen
    ]
    for at, digest in zip(chosen, merged_digests_from_wire(messages), strict=True):
        merged[at].numbers.digest = digest


def _are_sound(messages: Sequence[pb.SummarySample]) -> bool:
    held = [one.feature.numeric.digest for one in messages if one.feature.HasField("numeric")]
    return are_sound_digests(held)


def _count(message: pb.SummarySample) -> int:
    feature = message.feature
    return feature.numeric.moments.count + feature.categories.total


FEATURE_CODEC = Codec(
    kind=FeatureProfile.kind,
    field="feature",
    put=_put,
    read=_read,
    digests=DigestCodec(
        of=_digest_of,
        put=_put_coded,
        read=_read_without_digest,
        merge=_merge_digests,
        are_sound=_are_sound,
        count=_count,
    ),
)
