"""Merges the samples of one part into its roll-up, page by page, in bounded memory."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nilometer.profile import SummarySample
from nilometer.profile.logged.logged import Logged
from nilometer.profile.performance import Classification
from nilometer.wire.contents.codec import EdgesOf, no_edges
from nilometer.wire.samples import (
    Together,
    each_to_bytes,
    merged_sample_from_bytes,
    merged_samples_from_bytes,
    sample_from_bytes,
    sample_to_bytes,
)
from nilometer_collector.store import MOST_GROUPS, RollUp, SampleRow, StalePart

FAN_IN = 64  # merged pages that are merged with each other in one pass
LARGE_FAN_IN = 2  # the same for pages of logged cells and of scores by class, large in memory
UNREADABLE = "stored samples are in no roll-up: install the package of their content type"
UNLIKE = "stored samples are in no roll-up, because they do not merge: log unlike samples apart"

log = logging.getLogger("nilometer.collector")


class Read(NamedTuple):
    """A part with all its samples.

    Attributes:
        edges_of: Function that finds the edges of the entity's references.
    """

    stale: StalePart
    payloads: Sequence[bytes]
    edges_of: EdgesOf


class Merged(NamedTuple):
    """Roll-ups, and the number of samples that were left out."""

    rolled: Sequence[RollUp]
    left_out: int

    @property
    def bytes(self) -> int:
        """Bytes of the roll-ups."""
        return sum(len(row.payload) for one in self.rolled for row in one.rows)


def merged(parts: Sequence[Read]) -> Merged:
    """Return the roll-up of each part. The parts are decoded and encoded together."""
    full = [one for one in parts if one.payloads]
    try:
        samples = merged_samples_from_bytes(
            [
                Together(payloads, stale.part.window, stale.labels, edges_of)
                for stale, payloads, edges_of in full
            ]
        )
        payloads = each_to_bytes(samples)
    except MemoryError:
        raise
    except Exception:  # one part cannot be merged: find it by merging the parts one by one
        each = [merged_in_pages(stale, [payloads], edges_of) for stale, payloads, edges_of in parts]
        return Merged(
            [one for result in each for one in result.rolled], sum(one.left_out for one in each)
        )
    rows = zip(full, samples, payloads, strict=True)
    rolled = [
        RollUp(stale=one.stale, rows=[SampleRow.of(sample, payload)])
        for one, sample, payload in rows
    ]
    return Merged(
        [*rolled, *(RollUp(stale=one.stale, rows=[]) for one in parts if not one.payloads)], 0
    )


def merged_in_pages(
    stale: StalePart, pages: Iterable[Sequence[bytes]], edges_of: EdgesOf
) -> Merged:
    """Return the roll-up of one part, whose samples are in *pages*."""
    merging = Merging(stale, edges_of)
    for payloads in pages:
        merging.add(payloads)
    return Merged([merging.finish()], merging.left_out)


@dataclass(slots=True)
class Merging:
    """The roll-up of one part while its pages are merged.

    Pages are merged as a tree, so that each sample is merged a few times only. Samples that do not merge,
    because their contents have different types, become up to `MOST_GROUPS` samples of the roll-up.

    Attributes:
        left_out: Number of samples left out because they cannot be read or merged.
    """

    stale: StalePart
    edges_of: EdgesOf
    left_out: int = 0
    _merged: list[SummarySample] = field(default_factory=list)

    def add(self, payloads: Sequence[bytes]) -> None:
        """Add a page of samples."""
        if not payloads:
            return
        window, labels = self.stale.part.window, self.stale.labels
        try:
            merged = merged_sample_from_bytes(payloads, window, labels, self.edges_of)
        except MemoryError:
            raise
        except Exception:  # a content may be the code of an extension, which may raise anything
            self._merged += self._groups(filter(None, map(self._decoded, payloads)))
        else:
            self._merged.append(merged)
        is_large = any(isinstance(one.content, Logged | Classification) for one in self._merged)
        if len(self._merged) >= (LARGE_FAN_IN if is_large else FAN_IN):
            self._merged = self._groups(self._merged)

    def finish(self) -> RollUp:
        """Return the roll-up of all pages."""
        rows = []
        groups = self._merged if len(self._merged) == 1 else self._groups(self._merged)
        for sample in groups:
            try:
                rows.append(SampleRow.of(sample, sample_to_bytes(sample)))
            except MemoryError:
                raise
            except Exception as error:  # a count beyond 64 bits, or the code of an extension
                self._leave_out([sample], type(error).__name__)
        return RollUp(stale=self.stale, rows=rows)

    def _groups(self, samples: Iterable[SummarySample]) -> list[SummarySample]:
        """Merge *samples* into as few as possible; the largest comes first."""
        rest, groups = list(samples), list[SummarySample]()
        while rest and len(groups) < MOST_GROUPS:
            merged, rest = SummarySample.merge_most(rest, self.stale.part.window, self.stale.labels)
            if merged is None:
                break
            groups.append(merged)
        if rest:
            self._leave_out(rest, "they do not merge", UNLIKE)
        return groups

    def _decoded(self, payload: bytes) -> SummarySample | None:
        """Decode a sample; if its edges are missing, use its t-digest only."""
        reason = ""
        for edges_of in (self.edges_of, no_edges):
            try:
                return sample_from_bytes(payload, edges_of)
            except MemoryError:
                raise
            except Exception as error:
                reason = type(error).__name__
        self._leave_out([payload], reason)
        return None

    def _leave_out(self, samples: Sequence[object], reason: str, why: str = UNREADABLE) -> None:
        self.left_out += len(samples)
        log.error(
            why,
            extra={
                "entity": self.stale.part.entity,
                "samples": len(samples),
                "reason": reason,
            },
        )
