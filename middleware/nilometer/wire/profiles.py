"""Profiles and summary samples <-> protobuf.

Counts on frozen edges travel with the edges' name only: who reads them knows the reference, or
gives its edges by `EdgesOf`. Counts whose edges are not known come back without bins, and a
comparison estimates them from the t-digest.
"""

from collections.abc import Callable, Iterable

import numpy as np

from nilometer.profile.category import CategoryProfile, DictionaryCounts
from nilometer.profile.content import Content
from nilometer.profile.coverage import Coverage
from nilometer.profile.feature import FeatureProfile
from nilometer.profile.numeric import MOST_BUCKETS, NumericProfile
from nilometer.profile.score import MAX_CLASSES, ScoreBins, ScoreProfile
from nilometer.profile.service import LIMIT, ServiceProfile, Streams
from nilometer.profile.summary import SummarySample
from nilometer.sketch.binned import BinnedCounts
from nilometer.sketch.exponential import MAX_BUCKETS
from nilometer.sketch.tdigest import TDigest
from nilometer.v1 import summary_pb2 as pb
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.parse import parsed
from nilometer.wire.sketches import (
    MAX_COUNT,
    digest_from_wire,
    digest_to_wire,
    digests_to_wire,
    distinct_from_wire,
    distinct_to_wire,
    frequent_from_wire,
    frequent_to_wire,
    histogram_from_wire,
    histogram_to_wire,
    merged_digest_from_wire,
    moments_from_wire,
    moments_to_wire,
)

MAX_THRESHOLDS = 16
_NO_DIGEST = TDigest()
EdgesOf = Callable[[str], tuple[float, ...] | None]  # edges by their name


def no_edges(name: str) -> tuple[float, ...] | None:
    """For readers that know no reference."""
    del name
    return None


def feature_to_wire(feature: FeatureProfile, digest: pb.TDigest | None = None) -> pb.Feature:
    """A feature; parts that saw nothing are left out. *digest*: of its numbers, coded already."""
    numbers, categories = feature.numbers, feature.categories
    message = pb.Feature(
        missing=feature.missing,
        nan=numbers.nan,
        positive_infinity=numbers.positive_infinity,
        negative_infinity=numbers.negative_infinity,
        types=feature.types,
        null_like=feature.null_like,
        expected=feature.expected,
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
    return message


def feature_from_wire(
    message: pb.Feature, edges_of: EdgesOf = no_edges, *, digest: bool = True
) -> FeatureProfile:
    """A feature; without its t-digest where *digest* is false.

    Raises:
        ValueError: If a part contradicts itself.
    """
    feature = FeatureProfile(
        missing=message.missing,
        null_like=message.null_like,
        types=dict(message.types),
        expected=message.expected,
    )
    if message.HasField("numeric"):
        feature.numbers = _numbers_from_wire(message.numeric, edges_of, digest=digest)
    feature.numbers.nan = message.nan
    feature.numbers.positive_infinity = message.positive_infinity
    feature.numbers.negative_infinity = message.negative_infinity
    if message.HasField("categories"):
        feature.categories = CategoryProfile(frequent_from_wire(message.categories))
    if message.HasField("dictionary"):
        known = message.dictionary
        counts = DictionaryCounts(known.id, tuple(known.counts), known.other, known.unseen)
        if counts.total != feature.categories.total:
            raise ValueError("the counts on a dictionary are not those of the categories")
        feature.categories.dictionary = counts
    if message.HasField("distinct"):
        feature.distinct = distinct_from_wire(message.distinct)
    return feature


def _put_numbers(message: pb.Numeric, numbers: NumericProfile, digest: pb.TDigest) -> None:
    """Into *message*, where it stands: a message that is put into another one is copied."""
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
        sides = (message.histogram.positive, message.histogram.negative)
        few = all(len(side.counts) <= MOST_BUCKETS for side in sides)
        limit = MOST_BUCKETS if few else MAX_BUCKETS  # what older agents kept
        numbers.histogram = histogram_from_wire(message.histogram, limit)
        counts.add(numbers.histogram.count)
    if len(counts) != 1:
        raise ValueError(f"the sketches of one feature count {sorted(counts)} numbers")
    if max(numbers.zero + numbers.negative, numbers.below_reference + numbers.above_reference) > (
        numbers.count
    ):
        raise ValueError("the parts of a feature's numbers are more than all of them")
    if message.HasField("binned"):
        edges = edges_of(message.binned.edges_id)
        if edges is not None:
            numbers.binned = BinnedCounts(edges, tuple(message.binned.counts))
            if numbers.binned.count != numbers.count:
                raise ValueError("the counts on edges are not those of the numbers")
    return numbers


def feature_to_bytes(feature: FeatureProfile) -> bytes:
    """Deterministic bytes of a feature."""
    return feature_to_wire(feature).SerializeToString(deterministic=True)


def feature_from_bytes(packed: bytes, edges_of: EdgesOf = no_edges) -> FeatureProfile:
    """A feature of `feature_to_bytes`.

    Raises:
        ValueError: If the bytes are not a feature.
    """
    return feature_from_wire(parsed(pb.Feature, packed), edges_of)


def service_to_wire(service: ServiceProfile) -> pb.Service:
    """Field by field."""
    streams = service.streams
    return pb.Service(
        outcomes=service.outcomes,
        statuses={int(status): count for status, count in service.statuses.items()},
        latency=histogram_to_wire(service.latency),
        latency_sum_seconds=service.latency_sum,
        request_bytes=histogram_to_wire(service.request_bytes),
        request_bytes_sum=service.request_bytes_sum,
        response_bytes=histogram_to_wire(service.response_bytes),
        response_bytes_sum=service.response_bytes_sum,
        in_flight_max=service.in_flight_max,
        first_byte=histogram_to_wire(streams.first_byte) if streams.count else None,
        first_byte_sum_seconds=streams.first_byte_sum,
        chunk_gap=histogram_to_wire(streams.chunk_gap) if streams.count else None,
        chunk_gap_sum_seconds=streams.chunk_gap_sum,
        stream_ends=streams.ends,
        chunks=streams.chunks,
    )


def service_from_wire(message: pb.Service) -> ServiceProfile:
    """Field by field."""
    streams = Streams()
    if message.stream_ends:
        streams = Streams(
            dict(message.stream_ends),
            histogram_from_wire(message.first_byte, LIMIT),
            message.first_byte_sum_seconds,
            histogram_from_wire(message.chunk_gap, LIMIT),
            message.chunk_gap_sum_seconds,
            message.chunks,
        )
    return ServiceProfile(
        dict(message.outcomes),
        {str(status): count for status, count in message.statuses.items()},
        histogram_from_wire(message.latency, LIMIT),
        message.latency_sum_seconds,
        histogram_from_wire(message.request_bytes, LIMIT),
        message.request_bytes_sum,
        histogram_from_wire(message.response_bytes, LIMIT),
        message.response_bytes_sum,
        message.in_flight_max,
        streams,
    )


def scores_to_wire(profile: ScoreProfile) -> pb.Scores:
    """Only bins that hold something."""
    classes = []
    for (predicted, truth), bins in sorted(profile.classes.items()):
        filled = np.flatnonzero(bins.counts)
        classes.append(
            pb.Scores.Class(
                predicted=predicted,
                truth=truth.encode("utf-8", "replace").decode(),
                bins=filled.tolist(),
                counts=bins.counts[filled].tolist(),
                sums=bins.sums[filled].tolist(),
            )
        )
    return pb.Scores(
        thresholds=profile.thresholds,
        classes=classes,
        score=moments_to_wire(profile.score),
        margin=moments_to_wire(profile.margin) if profile.margin.count else None,
        entropy=moments_to_wire(profile.entropy) if profile.entropy.count else None,
        outside=profile.outside,
        not_a_number=profile.not_a_number,
    )


def scores_from_wire(message: pb.Scores) -> ScoreProfile:
    """A score profile.

    Raises:
        ValueError: If a bin does not exist, lists disagree, or the counts are not those of the
            scores.
    """
    thresholds = tuple(message.thresholds)
    if len(thresholds) > MAX_THRESHOLDS or not all(0.0 < cut < 1.0 for cut in thresholds):
        raise ValueError(f"scores: at most {MAX_THRESHOLDS} thresholds, each between 0 and 1")
    if list(thresholds) != sorted(set(thresholds)):
        raise ValueError("scores: thresholds must ascend")
    profile = ScoreProfile(
        thresholds,
        score=moments_from_wire(message.score),
        margin=moments_from_wire(message.margin),
        entropy=moments_from_wire(message.entropy),
        outside=message.outside,
        not_a_number=message.not_a_number,
    )
    size = profile.edges.size + 1
    if len(message.classes) > MAX_CLASSES + 1:
        raise ValueError(f"scores: {len(message.classes)} classes are more than {MAX_CLASSES}")
    for one in message.classes:
        places = np.array(one.bins, dtype=np.int64)
        if not len(places) == len(one.counts) == len(one.sums):
            raise ValueError("scores: bins, counts and sums disagree")
        if places.size and (places.max() >= size or (np.diff(places) <= 0).any()):
            raise ValueError("scores: bins must ascend and exist")
        if any(count > MAX_COUNT for count in one.counts) or not np.isfinite(one.sums).all():
            raise ValueError("scores: a count or a sum is out of bounds")
        counts, sums = np.zeros(size, dtype=np.int64), np.zeros(size)
        counts[places], sums[places] = list(one.counts), list(one.sums)
        pair = (one.predicted, one.truth)
        if pair in profile.classes:
            raise ValueError(f"scores: the classes {pair} repeat")
        profile.classes[pair] = ScoreBins(counts, sums)
    if profile.count != profile.score.count:
        raise ValueError("scores: the bins do not hold all scores")
    return profile


def coverage_to_wire(coverage: Coverage) -> pb.Coverage:
    """Field by field, with the sum that readers of other languages expect."""
    return pb.Coverage(
        seen=coverage.seen,
        profiled=coverage.profiled,
        sampled_out=coverage.sampled_out,
        # An empty map costs as much to hand over as a full one.
        dropped=coverage.dropped or None,
        undecodable=coverage.undecodable or None,
    )


def coverage_from_wire(message: pb.Coverage) -> Coverage:
    """A coverage.

    Raises:
        ValueError: If the parts do not add up to what was seen.
    """
    coverage = Coverage(
        profiled=message.profiled,
        sampled_out=message.sampled_out,
        dropped=dict(message.dropped),
        undecodable=dict(message.undecodable),
    )
    if coverage.seen != message.seen:
        raise ValueError(f"coverage of {coverage.seen} does not add up to {message.seen} seen")
    return coverage


def sample_to_wire(sample: SummarySample, digest: pb.TDigest | None = None) -> pb.SummarySample:
    """A sample without its identity, which the row carries. *digest*: as in `feature_to_wire`."""
    message = pb.SummarySample(
        entity=sample.entity,
        summary=sample.summary,
        labels=sample.labels.as_dict() or None,
        window_start_unix_nano=sample.window.start_ns,
        window_end_unix_nano=sample.window.end_ns,
        coverage=coverage_to_wire(sample.coverage),
        sample=sample.sample if sample.sample != 1.0 else 0.0,
    )
    if isinstance(sample.content, FeatureProfile):
        message.feature.CopyFrom(feature_to_wire(sample.content, digest))
    elif isinstance(sample.content, ScoreProfile):
        message.scores.CopyFrom(scores_to_wire(sample.content))
    else:
        message.service.CopyFrom(service_to_wire(sample.content))
    return message


def sample_from_wire(
    message: pb.SummarySample, edges_of: EdgesOf = no_edges, *, digest: bool = True
) -> SummarySample:
    """A sample; a feature without its t-digest where *digest* is false.

    Raises:
        ValueError: If it has no content or a part contradicts itself.
        ConfigError: If its labels or window are not allowed.
    """
    content: Content
    share = message.sample or 1.0
    if not 0.0 < share <= 1.0:
        raise ValueError(f"sample of {message.summary!r}: a share of {share:g} was profiled")
    match message.WhichOneof("content"):
        case "feature":
            content = feature_from_wire(message.feature, edges_of, digest=digest)
        case "scores":
            content = scores_from_wire(message.scores)
        case "service":
            content = service_from_wire(message.service)
        case _:
            raise ValueError(f"sample of {message.summary!r} has no content")
    return SummarySample(
        entity=message.entity,
        summary=message.summary,
        labels=Labels.of(dict(message.labels)),
        window=Window(message.window_start_unix_nano, message.window_end_unix_nano),
        coverage=coverage_from_wire(message.coverage),
        content=content,
        sample=share,
    )


def sample_to_bytes(sample: SummarySample) -> bytes:
    """Deterministic bytes of a sample."""
    return sample_to_wire(sample).SerializeToString(deterministic=True)


def sample_from_bytes(packed: bytes, edges_of: EdgesOf = no_edges) -> SummarySample:
    """A sample of `sample_to_bytes`.

    Raises:
        ValueError: If the bytes are not a sample.
    """
    return sample_from_wire(parsed(pb.SummarySample, packed), edges_of)


def merged_sample_from_bytes(
    packed: Iterable[bytes], window: Window, labels: Labels, edges_of: EdgesOf = no_edges
) -> SummarySample:
    """One sample over *window* of many of one summary: t-digests are decoded many at a time.

    Raises:
        ValueError: If the bytes are not samples of one kind.
    """
    messages = [parsed(pb.SummarySample, one) for one in packed]
    at_once = {(one.WhichOneof("content"), one.sample) for one in messages}
    if len(at_once) != 1 or next(iter(at_once))[0] != "feature":
        samples = [sample_from_wire(message, edges_of) for message in messages]
        return SummarySample.merge_all(samples, window, labels)
    samples = [sample_from_wire(message, edges_of, digest=False) for message in messages]
    merged = SummarySample.merge_all(samples, window, labels)
    if isinstance(merged.content, FeatureProfile) and merged.content.numbers.count:
        merged.content.numbers.digest = merged_digest_from_wire(
            message.feature.numeric.digest
            for message in messages
            if message.feature.HasField("numeric")
        )
    return merged


def samples_to_bytes(samples: Iterable[SummarySample]) -> bytes:
    """Several samples in one piece."""
    every = list(samples)
    digests = [
        sample.content.numbers.digest if isinstance(sample.content, FeatureProfile) else _NO_DIGEST
        for sample in every
    ]
    coded = digests_to_wire(digests) if digests else []
    message = pb.SummarySamples(samples=map(sample_to_wire, every, coded))
    return message.SerializeToString(deterministic=True)


def samples_from_bytes(packed: bytes, edges_of: EdgesOf = no_edges) -> list[SummarySample]:
    """The samples of `samples_to_bytes`.

    Raises:
        ValueError: If the bytes are not samples.
    """
    message = parsed(pb.SummarySamples, packed)
    return [sample_from_wire(sample, edges_of) for sample in message.samples]
