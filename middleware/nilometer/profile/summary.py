"""A summary sample: the unit that is shipped, stored, merged and shown."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from nilometer.profile.content import Content
from nilometer.profile.coverage import Coverage
from nilometer.values.labels import Labels
from nilometer.values.window import Window

MAX_GROUPS = 8  # most groups of mergeable samples; samples of further groups are lost


@dataclass(frozen=True, slots=True, kw_only=True)
class SummarySample:
    """The content of one summary, label set and window.

    Samples with equal (entity, summary, labels, window) add up; late data is a further sample.

    Attributes:
        sample: Share of the observations that were profiled, above 0 and at most 1. All requests
            are counted; each profiled observation represents ``1 / sample`` observations.
    """

    entity: str
    summary: str
    labels: Labels
    window: Window
    coverage: Coverage
    content: Content
    sample: float = 1.0

    @classmethod
    def merge_all(cls, samples: Iterable[Self], window: Window, labels: Labels) -> Self:
        """Return one sample over *window* from samples of one summary, in any order.

        Contents that were sampled at different shares are scaled first, so that a window that was
        profiled to a tenth has the same weight as a fully profiled one.

        Raises:
            ValueError: If there are no samples, or they mix kinds of content.
        """
        parts = list(samples)
        if not parts:
            raise ValueError("no samples to merge")
        coverage = Coverage()
        for part in parts:
            coverage = coverage.merge(part.coverage)
        kind = type(parts[0].content)
        if any(type(part.content) is not kind for part in parts):
            raise ValueError(f"{parts[0].summary} mixes contents of different kinds")
        most = max(part.sample for part in parts)
        content = kind.merge_all(
            part.content if part.sample == most else part.content.scaled(most / part.sample)
            for part in parts
        )
        return cls(
            entity=parts[0].entity,
            summary=parts[0].summary,
            labels=labels,
            window=window,
            coverage=coverage,
            content=content,
            sample=most,
        )

    @classmethod
    def merge_most(
        cls, samples: Iterable[Self], window: Window, labels: Labels
    ) -> tuple[Self | None, list[Self]]:
        """Merge the mergeable samples of one summary that have the most cells.

        Returns:
            The merged sample or None, and the samples that are not included.

        Raises:
            MemoryError: If memory is exhausted; a later attempt may succeed.
        """
        parts = list(samples)
        kept = cls._attempt(parts, window, labels)
        if kept is not None:
            return kept, []
        groups: list[list[Self]] = []
        left_out: list[Self] = []
        for part in parts:
            joins = (one for one in groups if cls._attempt([one[0], part], window, labels))
            group = next(joins, None)
            if group is not None:
                group.append(part)
            elif len(groups) < MAX_GROUPS and cls._attempt([part], window, labels):
                groups.append([part])
            else:
                left_out.append(part)
        groups.sort(key=lambda group: sum(part.content.cells for part in group))
        while groups and kept is None:
            most = groups.pop()
            kept = cls._attempt(most, window, labels)
            left_out += [] if kept is not None else most
        return kept, left_out + [part for group in groups for part in group]

    @classmethod
    def _attempt(cls, parts: list[Self], window: Window, labels: Labels) -> Self | None:
        """Merge samples; return None if they do not merge."""
        try:
            return cls.merge_all(parts, window, labels)
        except MemoryError:
            raise
        except BaseException:  # an extension's content may raise anything
            return None

    def suppressed(self, fewest: int) -> Self:
        """Return the sample to ship, without pseudonyms of fewer than *fewest* observations."""
        content = self.content.suppressed(fewest)
        return self if content is self.content else dataclasses.replace(self, content=content)
