"""A store with three days of windows, and an episode on the fourth day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from support.shipping import a_sample_row, ship
from support.told import a_notice, a_part

from nilometer.batch import reference_of
from nilometer.profile import (
    Content,
    Coverage,
    FeatureRecorder,
    Reference,
    ServiceProfile,
    SummarySample,
)
from nilometer.testing import SteppedClock
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_collector.store import Arrival, EpisodeRecord, Store
from nilometer_collector.testing import ENTITY

BASE_NS = 300 * 10**9
DAY_NS = 86_400 * 10**9
HOUR_NS = 3600 * 10**9
THURSDAY_NS = 1_750_896_000 * 10**9  # 2025-06-26, midnight of UTC
ONSET_NS = THURSDAY_NS + 12 * HOUR_NS
OPENED_NS = ONSET_NS + 3 * BASE_NS
ROWS = 200  # requests of each window
ALL = Labels()
Cells: TypeAlias = Sequence[object] | NDArray[np.float64]


@dataclass
class EpisodeTraffic:
    """Traffic of one entity: hours of three days, and two hours around an onset at noon.

    Attributes:
        store: Store that receives the windows.
        entity: Name of the entity.
        reference: Reference whose edges the windows are counted on; None without one.
        clock: Wall time, at the opening of the episode.
    """

    store: Store
    entity: str = ENTITY
    reference: Reference | None = None
    clock: SteppedClock = field(default_factory=lambda: SteppedClock(wall_ns=OPENED_NS))
    _sequence: int = 0

    def starts(self) -> list[int]:
        """Return the starts of all windows: noon to one of three days, and two hours up to now."""
        days = [
            THURSDAY_NS - day * DAY_NS + 12 * HOUR_NS + at * BASE_NS
            for day in (3, 2, 1)
            for at in range(12)
        ]
        return [*days, *range(ONSET_NS - 2 * HOUR_NS, OPENED_NS, BASE_NS)]

    def feature(
        self,
        summary: str,
        cells: Mapping[int, Cells],
        labels: Labels = ALL,
    ) -> None:
        """Ship a feature whose cells are known by start of the window."""
        contents: dict[int, Content] = {}
        spec = None if self.reference is None else self.reference.spec(summary, readable=True)
        for start, some in cells.items():
            recorder = FeatureRecorder(spec)
            recorder.observe(some)
            contents[start] = recorder.profile()
        self.ship(summary, contents, labels)

    def requests(
        self, failed: Mapping[int, int], seconds: float = 0.1, labels: Labels = ALL
    ) -> None:
        """Ship `ROWS` requests of each window, of which some failed."""
        contents: dict[int, Content] = {}
        for start, count in failed.items():
            contents[start] = ServiceProfile.of(
                outcomes={"ok": ROWS - count, "server_error": count},
                statuses={},
                latencies=[seconds] * ROWS,
                request_sizes=[],
                response_sizes=[],
            )
        self.ship("service", contents, labels)

    def ship(self, summary: str, contents: Mapping[int, Content], labels: Labels = ALL) -> None:
        """Ship one sample for each window."""
        arrivals = []
        for start, content in contents.items():
            sample = SummarySample(
                entity=self.entity,
                summary=summary,
                labels=labels,
                window=Window(start, start + BASE_NS),
                coverage=Coverage(profiled=content.cells),
                content=content,
            )
            self._sequence += 1
            arrivals.append(Arrival(sequence=self._sequence, content=a_sample_row(sample)))
        ship(self.store, arrivals, agent=f"{self.entity} {summary} {labels}", now_ns=OPENED_NS)


def normals(traffic: EpisodeTraffic, seed: int, shift: float = 0.0) -> dict[int, Cells]:
    """Return normal numbers of each window, which move by *shift* at the onset."""
    rng = np.random.default_rng(seed)
    return {
        start: rng.normal(shift if start >= ONSET_NS else 0.0, 1.0, ROWS)
        for start in traffic.starts()
    }


def reference_for(columns: Mapping[str, Cells], entity: str = ENTITY) -> Reference:
    """Return a reference of *columns*, by name without a role."""
    import pyarrow as pa

    table = pa.table({name: pa.array(cells) for name, cells in columns.items()})
    return reference_of(table, entity=entity, name="training", source="test", created_ns=0)


def an_episode(*summaries: str, labels: Labels = ALL) -> EpisodeRecord:
    """Return an open episode of the default alerter that began at the onset."""
    parts = [
        a_part(one, labels=labels, onset_ns=ONSET_NS, opened_ns=OPENED_NS) for one in summaries
    ]
    notice = a_notice(parts=parts, labels=labels)
    episode = notice.episode
    return replace(episode, since_ns=ONSET_NS, opened_ns=OPENED_NS)
