"""The unit that is shipped, stored, merged and shown: one summary sample."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from nilometer.profile.content import Content
from nilometer.profile.coverage import Coverage
from nilometer.values.labels import Labels
from nilometer.values.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class SummarySample:
    """One summary, label set and window.

    Samples with equal (entity, summary, labels, window) add up; late data is a further sample.

    Attributes:
        sample: Share of the observations that were profiled on purpose, above 0 to 1. Requests are
            all counted; each profiled observation represents ``1 / sample`` observations.
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

        Contents that were sampled at different shares are scaled first, so that a window with a
        tenth profiled weighs as much as one that was profiled fully.

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

    def suppressed(self, fewest: int) -> Self:
        """Return the sample to ship, without pseudonyms of fewer than *fewest* observations."""
        content = self.content.suppressed(fewest)
        return self if content is self.content else dataclasses.replace(self, content=content)
