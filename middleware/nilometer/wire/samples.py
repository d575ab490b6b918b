"""Converts summary samples to protobuf and back, one or many at once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from nilometer.profile.summary import SummarySample
from nilometer.sketch.tdigest import TDigest
from nilometer.v1 import summary_pb2 as pb
from nilometer.values.labels import Labels
from nilometer.values.steps import Steps, finished
from nilometer.values.window import Window
from nilometer.wire.contents.codec import EdgesOf, no_edges
from nilometer.wire.contents.registered import CODECS, codec_for, codec_of
from nilometer.wire.coverage import coverage_from_wire, coverage_to_wire
from nilometer.wire.parse import parsed
from nilometer.wire.sketches.tdigest import digest_to_wire, digests_to_wire

AT_ONCE_BYTES = 256 << 10  # approximate bytes of samples of exact contents to decode at once
MOST_KEPT_LABELS = 32  # labels of a set whose checked form is kept
AT_ONCE = 64  # the same in samples, because scores of many classes are large for their bytes

_NO_DIGEST = TDigest()


def sample_to_wire(sample: SummarySample, digest: pb.TDigest | None = None) -> pb.SummarySample:
    """Return a sample as a message without its identity; *digest* is its encoded t-digest.

    The sample's row contains the identity.
    """
    message = pb.SummarySample(
        entity=sample.entity,
        summary=sample.summary,
        labels=sample.labels.as_dict() or None,
        window_start_unix_nano=sample.window.start_ns,
        window_end_unix_nano=sample.window.end_ns,
        coverage=coverage_to_wire(sample.coverage),
        sample=sample.sample if sample.sample != 1.0 else 0.0,
    )
    codec = codec_of(sample.content)
    if digest is None or codec.digests is None:
        codec.put(message, sample.content)
    else:
        codec.digests.put(message, sample.content, digest)
    return message


def sample_from_wire(
    message: pb.SummarySample, edges_of: EdgesOf = no_edges, *, digest: bool = True
) -> SummarySample:
    """Return the sample in a message; its content has no t-digest if *digest* is false.

    Raises:
        ValueError: If there is no content, its kind is unknown, or a part contradicts itself.
        ConfigError: If its labels or window are not allowed.
    """
    share = message.sample or 1.0
    if not 0.0 < share <= 1.0:
        raise ValueError(f"sample of {message.summary!r}: share {share:g} must be in (0, 1]")
    codec = codec_for(message)
    fast = None if digest else codec.digests
    read = codec.read if fast is None else fast.read
    content = read(message, edges_of)
    return SummarySample(
        entity=message.entity,
        summary=message.summary,
        labels=_labels_from(message),
        window=Window(message.window_start_unix_nano, message.window_end_unix_nano),
        coverage=coverage_from_wire(message.coverage),
        content=content,
        sample=share,
    )


def have_sound_digests(messages: Sequence[pb.SummarySample]) -> bool:
    """Return whether the t-digests of all samples can be read and have the default compression.

    They are read together, which takes a tenth of the time of reading each. If the answer is False,
    `sample_from_wire` finds the samples that are damaged.
    """
    by_codec: dict[str, list[pb.SummarySample]] = {}
    for message in messages:
        by_codec.setdefault(message.WhichOneof("content") or "", []).append(message)
    return all(
        codec.digests.are_sound(by_codec[codec.field])
        for codec in CODECS.values()
        if codec.digests is not None and codec.field in by_codec
    )


def _labels_from(message: pb.SummarySample) -> Labels:
    """Return the labels of a sample; samples share few label sets, so they are checked once."""
    pairs = tuple(sorted(message.labels.items())) if message.labels else ()
    return _kept_labels(pairs) if len(pairs) <= MOST_KEPT_LABELS else Labels(pairs)


@lru_cache(maxsize=1024)  # of at most 10 KiB each
def _kept_labels(pairs: tuple[tuple[str, str], ...]) -> Labels:
    return Labels(pairs)


def sample_to_bytes(sample: SummarySample) -> bytes:
    """Return the deterministic bytes of a sample."""
    return finished(sample_to_bytes_in_steps(sample))


def sample_to_bytes_in_steps(sample: SummarySample) -> Steps[bytes]:
    """Like `sample_to_bytes`, but in steps."""
    digests = codec_of(sample.content).digests
    digest = None
    if digests is not None:
        digest = digest_to_wire(digests.of(sample.content))
        yield
    return sample_to_wire(sample, digest).SerializeToString(deterministic=True)


def sample_from_bytes(
    packed: bytes, edges_of: EdgesOf = no_edges, *, digest: bool = True
) -> SummarySample:
    """Return the sample in the bytes of `sample_to_bytes`; without t-digest if *digest* is false.

    Raises:
        ValueError: If the bytes are not a sample.
    """
    return sample_from_wire(parsed(pb.SummarySample, packed), edges_of, digest=digest)


def message_from_bytes(packed: bytes) -> pb.SummarySample:
    """Return the message in the bytes of `sample_to_bytes`; its content is not checked.

    Raises:
        ValueError: If the bytes are not a message.
    """
    return parsed(pb.SummarySample, packed)


class Together(NamedTuple):
    """Samples of one summary that are merged to one sample.

    Attributes:
        packed: Bytes of each sample.
        window: Window of the merged sample.
        labels: Labels of the merged sample.
        edges_of: Function that finds the edges of the entity's references.
    """

    packed: Iterable[bytes]
    window: Window
    labels: Labels
    edges_of: EdgesOf = no_edges


def merged_sample_from_bytes(
    packed: Iterable[bytes], window: Window, labels: Labels, edges_of: EdgesOf = no_edges
) -> SummarySample:
    """Return the merged sample over *window* of one summary's samples; decodes t-digests together.

    Raises:
        ValueError: If the bytes are not samples of one kind.
    """
    return merged_samples_from_bytes([Together(packed, window, labels, edges_of)])[0]


def merged_samples_from_bytes(groups: Sequence[Together]) -> list[SummarySample]:
    """Return one sample of each group; the t-digests of all groups are decoded together.

    Samples of exact contents are merged a few at a time, because their cells take some 30 times their
    bytes in memory.

    Raises:
        ValueError: If the bytes of a group are not samples of one kind.
    """
    merged: list[SummarySample] = []
    waiting: dict[str, tuple[list[Any], list[list[pb.SummarySample]]]] = {}
    for packed, window, labels, edges_of in groups:
        payloads = list(packed)
        messages = [parsed(pb.SummarySample, one) for one in payloads[:1]]
        if messages and codec_for(messages[0]).is_exact:
            merged.append(_folded(payloads, window, labels, edges_of))
            continue
        messages += [parsed(pb.SummarySample, one) for one in payloads[1:]]
        alike = len({(one.WhichOneof("content"), one.sample) for one in messages})
        codec = codec_for(messages[0]) if alike == 1 else None
        whole = codec is None or codec.digests is None
        samples = [sample_from_wire(one, edges_of, digest=whole) for one in messages]
        merged.append(SummarySample.merge_all(samples, window, labels))
        if codec is not None and codec.digests is not None:
            contents, parts = waiting.setdefault(codec.kind, ([], []))
            contents.append(merged[-1].content)
            parts.append(messages)
    for kind, (contents, parts) in waiting.items():
        digests = CODECS[kind].digests
        if digests is not None:
            digests.merge(contents, parts)
    return merged


@dataclass(frozen=True, slots=True)
class Alone:
    """A sample that is the only one of its group.

    Attributes:
        count: Count of its content.
        packed: Its bytes, with the window and the labels of the group.
    """

    count: int
    packed: bytes


def each_alone(groups: Sequence[Together]) -> list[Alone]:
    """Return the only sample of each group, without reading its sketches.

    The samples were checked before they were stored, so only their t-digests are checked again.

    Raises:
        ValueError: If the bytes of a group are not exactly one sample, or a content is unknown.
    """
    messages = []
    for group in groups:
        (packed,) = group.packed
        messages.append(parsed(pb.SummarySample, packed))
    if not have_sound_digests(messages):
        raise ValueError("a t-digest cannot be read")
    found = []
    for message, (_, window, labels, edges_of) in zip(messages, groups, strict=True):
        codec = codec_for(message)
        fast = codec.digests
        count = codec.read(message, edges_of).count if fast is None else fast.count(message)
        message.window_start_unix_nano = window.start_ns
        message.window_end_unix_nano = window.end_ns
        message.labels.clear()
        message.labels.update(labels.as_dict())
        found.append(Alone(count, message.SerializeToString(deterministic=True)))
    return found


def _folded(
    payloads: Sequence[bytes], window: Window, labels: Labels, edges_of: EdgesOf
) -> SummarySample:
    """Merge samples of an exact content; at most `AT_ONCE` are decoded at once."""
    decoded: list[SummarySample] = []
    held = 0
    for payload in payloads:
        decoded.append(sample_from_bytes(payload, edges_of))
        held += len(payload)
        if held >= AT_ONCE_BYTES or len(decoded) >= AT_ONCE:
            decoded, held = [SummarySample.merge_all(decoded, window, labels)], 0
    return SummarySample.merge_all(decoded, window, labels)


def each_to_bytes(samples: Sequence[SummarySample]) -> list[bytes]:
    """Return the bytes of each sample, as `sample_to_bytes`; t-digests are coded together."""
    messages = _to_wire(samples)
    return [message.SerializeToString(deterministic=True) for message in messages]


def samples_to_bytes(samples: Iterable[SummarySample]) -> bytes:
    """Return several samples as one piece of bytes."""
    message = pb.SummarySamples(samples=_to_wire(list(samples)))
    return message.SerializeToString(deterministic=True)


def _to_wire(samples: Sequence[SummarySample]) -> Iterator[pb.SummarySample]:
    """Yield each sample as a message, with the t-digests of all coded in one pass."""
    fast = [(sample.content, codec_of(sample.content).digests) for sample in samples]
    digests = [_NO_DIGEST if of is None else of.of(content) for content, of in fast]
    coded = digests_to_wire(digests) if digests else []
    return map(sample_to_wire, samples, coded)


def parts_by_summary(packed: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield summary name and bytes of each sample in the bytes of `samples_to_bytes`.

    Raises:
        ValueError: If the bytes are not samples.
    """
    for sample in parsed(pb.SummarySamples, packed).samples:
        yield sample.summary, sample.SerializeToString(deterministic=True)
