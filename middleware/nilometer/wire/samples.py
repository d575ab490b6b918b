"""Converts summary samples to protobuf and back, one or many at once."""

from collections.abc import Iterable, Iterator

from nilometer.profile.summary import SummarySample
from nilometer.sketch.tdigest import TDigest
from nilometer.v1 import summary_pb2 as pb
from nilometer.values.labels import Labels
from nilometer.values.steps import Steps, finished
from nilometer.values.window import Window
from nilometer.wire.contents.codec import EdgesOf, no_edges
from nilometer.wire.contents.registered import codec_for, codec_of
from nilometer.wire.coverage import coverage_from_wire, coverage_to_wire
from nilometer.wire.parse import parsed
from nilometer.wire.sketches.tdigest import digest_to_wire, digests_to_wire

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
        labels=Labels.of(dict(message.labels)),
        window=Window(message.window_start_unix_nano, message.window_end_unix_nano),
        coverage=coverage_from_wire(message.coverage),
        content=content,
        sample=share,
    )


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


def merged_sample_from_bytes(
    packed: Iterable[bytes], window: Window, labels: Labels, edges_of: EdgesOf = no_edges
) -> SummarySample:
    """Return the merged sample over *window* of one summary's samples; decodes t-digests together.

    Raises:
        ValueError: If the bytes are not samples of one kind.
    """
    messages = [parsed(pb.SummarySample, one) for one in packed]
    alike = len({(one.WhichOneof("content"), one.sample) for one in messages})
    fast = codec_for(messages[0]).digests if alike == 1 else None
    samples = [sample_from_wire(one, edges_of, digest=fast is None) for one in messages]
    merged = SummarySample.merge_all(samples, window, labels)
    if fast is not None:
        fast.merge(merged.content, messages)
    return merged


def samples_to_bytes(samples: Iterable[SummarySample]) -> bytes:
    """Return several samples as one byte string."""
    every = list(samples)
    fast = [(sample.content, codec_of(sample.content).digests) for sample in every]
    digests = [_NO_DIGEST if of is None else of.of(content) for content, of in fast]
    coded = digests_to_wire(digests) if digests else []
    message = pb.SummarySamples(samples=map(sample_to_wire, every, coded))
    return message.SerializeToString(deterministic=True)


def parts_by_summary(packed: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield summary name and bytes of each sample in the bytes of `samples_to_bytes`.

    Raises:
        ValueError: If the bytes are not samples.
    """
    for sample in parsed(pb.SummarySamples, packed).samples:
        yield sample.summary, sample.SerializeToString(deterministic=True)
