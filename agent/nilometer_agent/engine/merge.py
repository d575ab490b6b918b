"""Merges the partial profiles of a window, whatever they hold.

Partial profiles come from several workers, versions and extensions. Two contents of one summary do
not merge if their kinds or parameters differ. Then the contents that merge and have the most cells
are kept, and the others are counted as lost. So every window can be closed.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from zlib import crc32

from nilometer.profile import ServiceProfile, SummarySample
from nilometer.values.entity import SERVICE
from nilometer.values.reasons import LostCellReason
from nilometer.wire.contents.codec import EdgesOf, no_edges
from nilometer.wire.samples import merged_sample_from_bytes, parts_by_summary, sample_from_bytes
from nilometer_agent.outbox.rows import Partial, WindowKey

MERGED_BYTES = 8 << 20  # approximate memory for partial profiles during a merge

Lost: TypeAlias = Counter[str]  # cells by `LostCellReason`
ReadPartials: TypeAlias = Callable[[], Iterable[Partial]]

log = logging.getLogger("nilometer.agent")


@dataclass(slots=True)
class MergedWindow:
    """The partial profiles of one window, merged.

    Attributes:
        key: Key of the window.
        samples: One sample for each summary, ordered by name.
        ids: Ids of the partial profiles, with those of damaged ones.
        observations: Number of observations in these partial profiles.
        damaged: Number of partial profiles that failed their checksum.
        lost: Cells that are in no sample.
    """

    key: WindowKey
    samples: list[SummarySample] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    observations: int = 0
    damaged: int = 0
    lost: Lost = field(default_factory=Counter)


def merged_window(key: WindowKey, read: ReadPartials, size: int, edges: EdgesOf) -> MergedWindow:
    """Merge the partial profiles of a window.

    Large windows are merged a few summaries at a time, and the partial profiles are read again for
    each pass. This limits the memory to about `MERGED_BYTES`.

    Args:
        key: Key of the window.
        read: Function that reads the partial profiles.
        size: Lower bound of the size of the partial profiles, in bytes.
        edges: Function from the name of bin edges to the edges.
    """
    shares = size // MERGED_BYTES + 1
    merged = MergedWindow(key)
    for share in range(shares):
        by_summary: dict[str, list[bytes]] = {}
        for partial in read():
            if share == 0:
                _note(merged, partial)
            for summary, sample in _parts(key, partial):
                if shares == 1 or crc32(summary.encode()) % shares == share:
                    by_summary.setdefault(summary, []).append(sample)
        for parts in by_summary.values():
            whole = _merged_parts(key, parts, edges, merged.lost)
            merged.samples += [] if whole is None else [whole]
    merged.samples.sort(key=lambda sample: sample.summary)
    return merged


def merged_alike(
    key: WindowKey, samples: Sequence[SummarySample], lost: Lost
) -> SummarySample | None:
    """Merge *samples* of one summary, and add the cells of those that do not merge to *lost*.

    The samples that merge with each other and have the most cells are kept. `service` holds
    requests and nothing else.

    Returns:
        The merged sample; None if nothing can be kept.
    """
    fitting = [sample for sample in samples if _fits(sample)]
    kept, left_out = SummarySample.merge_most(fitting, key.window, key.labels)
    left_out += [sample for sample in samples if not _fits(sample)]
    if left_out:
        lost[LostCellReason.OTHER_KIND.value] += _cells(left_out)
        log.error(
            "partial profiles left out, their cells are lost, because workers send two kinds of data "
            "under one name: use two names",
            extra={"entity": key.entity, "partials": len(left_out)},
        )
    return kept


def _fits(sample: SummarySample) -> bool:
    return sample.summary != SERVICE or isinstance(sample.content, ServiceProfile)


def _cells(samples: Iterable[SummarySample]) -> int:
    return sum(sample.content.cells for sample in samples)


def _note(merged: MergedWindow, partial: Partial) -> None:
    merged.ids.append(partial.id)
    merged.observations += partial.observations
    merged.damaged += partial.payload is None


def _parts(key: WindowKey, partial: Partial) -> Iterable[tuple[str, bytes]]:
    """Return the samples of a partial profile by summary; none if it cannot be read."""
    if partial.payload is None:
        return ()
    try:
        return list(parts_by_summary(partial.payload))
    except ValueError:
        log.exception(
            "partial profile cannot be read, counting its observations as lost: report this error",
            extra={"entity": key.entity},
        )
        return ()


def _merged_parts(
    key: WindowKey, parts: list[bytes], edges: EdgesOf, lost: Lost
) -> SummarySample | None:
    """Merge the encoded samples of one summary; None if none of them can be read."""
    try:
        return merged_sample_from_bytes(parts, key.window, key.labels, edges)
    except MemoryError:
        raise
    except BaseException:
        read = (_sample(key, part, edges, lost) for part in parts)
        samples = [sample for sample in read if sample is not None]
        return merged_alike(key, samples, lost) if samples else None


def _sample(key: WindowKey, part: bytes, edges: EdgesOf, lost: Lost) -> SummarySample | None:
    """Read one sample; leave out its binned counts if its bin edges are no longer known."""
    sample = _read(part, edges) or _read(part, no_edges)
    if sample is None:
        log.error(
            "part of a partial profile cannot be read, its cells are lost: report this error",
            extra={"entity": key.entity},
        )
        lost[LostCellReason.INTERNAL_ERROR.value] += 1  # at least one; the number is unknown
    return sample


def _read(part: bytes, edges: EdgesOf) -> SummarySample | None:
    try:
        return sample_from_bytes(part, edges)
    except MemoryError:
        raise
    except BaseException:
        return None
