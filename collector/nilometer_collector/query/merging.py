"""Merges stored samples over agents, labels and time when a query reads them.

It merges samples in canonical order, so that the order of arrival does not change the result.
"""

import logging
from collections.abc import Iterator, Sequence

from nilometer.profile import SummarySample
from nilometer.values.errors import NilometerError
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.contents.codec import EdgesOf
from nilometer.wire.samples import (
    Together,
    merged_sample_from_bytes,
    merged_samples_from_bytes,
    sample_from_bytes,
)
from nilometer_collector.errors import TooMuch
from nilometer_collector.query.cells import most_of, read_bounded
from nilometer_collector.query.records import SamplesQuestion
from nilometer_collector.query.spans import Span, level_for, up_to_multiple
from nilometer_collector.store import Level, Samples, SeriesRecord

MAX_WINDOWS = 2000  # most windows in one response
MAX_SAMPLES = 20_000  # most samples that are merged for one response
MOST_TOGETHER = 512  # samples that are decoded together

log = logging.getLogger("nilometer.collector")


def merged_samples(
    stored: Samples, series: Sequence[SeriesRecord], question: SamplesQuestion, edges_of: EdgesOf
) -> list[SummarySample]:
    """Merge the samples of *series* to one sample for each window, oldest first.

    Raises:
        TooMuch: If too many samples match, or the response would have too many windows.
    """
    start_ns, end_ns, level = _span(question)
    groups: dict[Window, list[bytes]] = {}
    span = Span(start_ns, end_ns, level)
    for stretch in read_bounded(stored, series, span, most_of(series, MAX_SAMPLES)):
        for record in stretch.records():
            window = _merged_window(record.window_start_ns, record.window_end_ns, question.step_ns)
            # A short window may begin in the step before the span.
            if window.end_ns > start_ns:
                groups.setdefault(window, []).append(record.payload)
    if len(groups) > MAX_WINDOWS:
        raise TooMuch(
            f"step: the response would have {len(groups)} windows, the limit is {MAX_WINDOWS}: ask "
            "for a shorter time or a longer step",
            "step",
        )
    labels = _shared([one.labels for one in series])
    found = (
        merged_payloads(payloads, window, labels, edges_of)
        for window, payloads in sorted(groups.items())
    )
    return [sample for sample in found if sample is not None]


def _span(question: SamplesQuestion) -> tuple[int, int, Level]:
    """Return the time of *question*, rounded outward to whole steps, and the level to read."""
    step = question.step_ns
    if step is None:
        return question.start_ns, question.end_ns, Level.SHIPPED
    start = question.start_ns - question.start_ns % step
    return start, max(up_to_multiple(question.end_ns, step), start), level_for(step)


def _merged_window(start_ns: int, end_ns: int, step_ns: int | None) -> Window:
    """Return the aligned window of the step; the original window if it is longer."""
    if step_ns is None or end_ns - start_ns >= step_ns:
        return Window(start_ns, end_ns)
    return Window.containing(start_ns, step_ns)


def merged_each(groups: Sequence[Together]) -> list[SummarySample | None]:
    """Return the merged sample of each group as `merged_payloads` does, decoding many at a time."""
    found: list[SummarySample | None] = []
    for some in _batches(groups):
        try:
            found += merged_samples_from_bytes(some)
        except (ValueError, NilometerError):  # find the bad sample by merging the groups one by one
            found += [merged_payloads(list(one.packed), *one[1:]) for one in some]
    return found


def _batches(groups: Sequence[Together]) -> Iterator[list[Together]]:
    """Yield consecutive *groups* with about `MOST_TOGETHER` samples in all."""
    batch: list[Together] = []
    held = 0
    for one in groups:
        batch.append(one)
        held += len(list(one.packed))
        if held >= MOST_TOGETHER:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def merged_payloads(
    payloads: Sequence[bytes], window: Window, labels: Labels, edges_of: EdgesOf
) -> SummarySample | None:
    """Merge the stored samples of one window; leave out those that cannot be decoded or merged."""
    try:
        return merged_sample_from_bytes(payloads, window, labels, edges_of)
    except (ValueError, NilometerError):
        pass
    read = [one for one in (_decoded(payload, edges_of) for payload in payloads) if one is not None]
    merged, left_out = SummarySample.merge_most(read, window, labels)
    if left_out:
        log.error(
            "stored samples left out: they do not merge with most of their summary",
            extra={"summary": left_out[0].summary, "samples": len(left_out)},
        )
    return merged


def _decoded(payload: bytes, edges_of: EdgesOf) -> SummarySample | None:
    """Decode a stored sample; if its edges are missing, use its t-digest only."""
    try:
        sample = sample_from_bytes(payload, edges_of)
    except (ValueError, NilometerError):
        try:
            sample = sample_from_bytes(payload)
        except (ValueError, NilometerError) as error:
            log.error(  # noqa: TRY400
                "stored sample cannot be decoded, left out: install the package of its content type",
                extra={"reason": type(error).__name__},
            )
            return None
    return sample


def _shared(label_sets: Sequence[Labels]) -> Labels:
    """Return the labels that all label sets have in common."""
    if not label_sets:
        return Labels()
    shared = set(label_sets[0].pairs).intersection(*(labels.pairs for labels in label_sets))
    return Labels(tuple(sorted(shared)))
