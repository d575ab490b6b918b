"""Traffic that a collector's store receives window by window, while the default alerter watches it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from support.shipping import a_sample_row, ship

from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.profile import (
    Bounds,
    Content,
    Coverage,
    FeatureRecorder,
    FeatureSpec,
    ServiceProfile,
    SummarySample,
)
from nilometer.profile.logged.amounts import Head, Stamp
from nilometer.profile.logged.number import Number
from nilometer.testing import SteppedClock
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_collector.alerting.watch_report import WatchReport
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.store import Arrival, Store
from nilometer_collector.testing import ENTITY
from nilometer_collector.watch.memory import DAY_NS
from nilometer_collector.watch.watch import Watch

MONDAY_NS = 1_750_636_800 * 1_000_000_000  # 2025-06-23, midnight of UTC
DAY = DAY_NS // BASE_NS  # base windows
KEY = b"k" * 32  # key of the pseudonyms
ROWS = 120  # requests per window

Draw: TypeAlias = Callable[[np.random.Generator], NDArray[np.float64]]


def normal(mean: float = 0.0, rows: int = ROWS) -> Draw:
    """Return a function that draws normal numbers around *mean*."""
    return lambda rng: rng.normal(mean, 1.0, rows)


@dataclass
class Traffic:
    """An entity with windows of five minutes.

    Attributes:
        store: Store that receives its windows.
        rules: Settings of the default alerter.
        clock: Wall time, a minute after the end of the newest window.
        columns: Functions that draw the numbers of each summary; a test replaces them to cause
            drift.
        labels: Labels of the samples.
        agents: Agents that each send a part of the rows.
        number: Number of the next window.
        wakes: Number of times that the default alerter announced a notification.
    """

    store: Store
    rules: tuple[WatchRule, ...] = ()
    clock: SteppedClock = field(default_factory=lambda: SteppedClock(wall_ns=MONDAY_NS))
    columns: dict[str, Draw] = field(
        default_factory=lambda: {"input.amount": normal(), "input.age": normal(5.0)}
    )
    labels: Mapping[str, str] = field(default_factory=dict)
    agents: tuple[str, ...] = ("pod-1",)
    number: int = 0
    wakes: int = 0

    def __post_init__(self) -> None:
        self._sequence = 0
        self._generation = -1
        self._bounds: dict[str, Bounds] = {}
        self.watch = self.new_watch()

    def new_watch(self) -> Watch:
        """Return the default alerter of a collector that starts now."""

        def wake() -> None:
            self.wakes += 1

        return Watch(self.store, self.clock, self.rules, wake)

    def restart(self) -> None:
        """Replace the default alerter by one that only knows the stored data."""
        self.watch = self.new_watch()

    def run(self, windows: int, *, every: int = 1) -> None:
        """Send *windows* windows, and advance the default alerter after every *every* of them."""
        for place in range(windows):
            self.send()
            if (place + 1) % every == 0:
                self.watch.advance()
        self.watch.advance()

    def send_all(self, windows: int) -> None:
        """Send *windows* windows without the default alerter running."""
        for _ in range(windows):
            self.send()

    def send(self) -> None:
        """Send the next window of every agent."""
        window = self.window()
        self.clock.wall_ns = window.end_ns + BASE_NS // 5
        for agent in self.agents if self.columns else ():
            samples = [
                self.sample(summary, agent, self.number, draw)
                for summary, draw in self.columns.items()
            ]
            self._ship(agent, [self._arrived(sample) for sample in samples])
        self.number += 1

    def sample(self, summary: str, agent: str, number: int, draw: Draw) -> SummarySample:
        """Return what *agent* sees of *summary* in window *number*, drawn with *draw*."""
        source = f"{summary} {agent} {Labels.of(self.labels)}"
        content = self._feature(summary, draw(np.random.default_rng([number, *source.encode()])))
        return self._sample(summary, self.window(number - self.number), content)

    def send_behind(self, agent: str, windows: int) -> None:
        """Send a window of *agent* now that is *windows* older than the newest of the others."""
        rng = np.random.default_rng(self.number)
        arrivals = [
            self._arrival(summary, self.window(-1 - windows), self._feature(summary, draw(rng)))
            for summary, draw in self.columns.items()
        ]
        self._ship(agent, arrivals)

    def start_at(self, number: int) -> None:
        """Continue with window *number*, like agents whose earlier rows are all stored."""
        self.number = number
        self.clock.wall_ns = self.window().start_ns
        self._sequence = 1_000_000
        self.restart()

    def send_service(self, latencies: NDArray[np.float64], failed: int) -> None:
        """Send the requests of the newest window."""
        fine = len(latencies) - failed
        content = ServiceProfile.of(
            outcomes={"ok": fine, "server_error": failed},
            statuses={},
            latencies=latencies.tolist(),
            request_sizes=[],
            response_sizes=[],
        )
        self.send_content("service", content)

    def send_content(self, summary: str, content: Content) -> None:
        """Send *content* as that of *summary* in the newest window."""
        self._ship(self.agents[0], [self._arrival(summary, self.window(-1), content)])

    def send_logged(self, window: Window, labels: Mapping[str, str]) -> None:
        """Send a number that a user logs for *window*."""
        number = Number.of(0.9, Head(stamp=Stamp(window.end_ns)))
        self._ship("log", [self._arrival("logged.accuracy", window, number, labels)])

    def run_categories(self, windows: int, shares: Mapping[str, float]) -> None:
        """Send windows of one column of categories, under pseudonyms; watch every 36 windows."""
        names, share = list(shares), list(shares.values())
        for place in range(windows):
            self.send()
            rng = np.random.default_rng([7, self.number])
            recorder = FeatureRecorder(FeatureSpec(key=KEY))
            recorder.observe([names[i] for i in rng.choice(len(names), ROWS, p=share)])
            self.send_content("input.kind", recorder.profile())
            if place % 36 == 0 or windows < DAY:
                self.watch.advance()
        self.watch.advance()

    def skip(self, windows: int) -> None:
        """Let *windows* windows pass without any data."""
        self.number += windows
        self.clock.wall_ns += windows * BASE_NS

    def window(self, offset: int = 0) -> Window:
        """Return the window with the next number, or *offset* windows later."""
        start = MONDAY_NS + (self.number + offset) * BASE_NS
        return Window(start, start + BASE_NS)

    @property
    def report(self) -> WatchReport:
        """Return the status of the entity."""
        ((_, content),) = self.store.watching.reports(ENTITY)
        return WatchReport.from_bytes(content)

    @property
    def statuses(self) -> list[list[str]]:
        """Return the transitions of every episode, oldest episode first."""
        episodes = reversed(self.store.alerts.episodes())
        return [[turn.status for turn in episode.history] for episode in episodes]

    @property
    def notices(self) -> int:
        """Return the waiting notifications."""
        return self.store.deliveries.counts("slack").waiting

    def _feature(self, summary: str, numbers: NDArray[np.float64]) -> Content:
        """Return the profile of *numbers*, counted with the edges that an agent would have."""
        if self.store.references.generation != self._generation:
            self._bounds = bounds_of(self.store)
            self._generation = self.store.references.generation
        recorder = FeatureRecorder(FeatureSpec(bounds=self._bounds.get(summary)))
        recorder.observe_numbers(numbers)
        return recorder.profile()

    def _arrival(
        self,
        summary: str,
        window: Window,
        content: Content,
        labels: Mapping[str, str] | None = None,
    ) -> Arrival:
        return self._arrived(self._sample(summary, window, content, labels))

    def _sample(
        self,
        summary: str,
        window: Window,
        content: Content,
        labels: Mapping[str, str] | None = None,
    ) -> SummarySample:
        return SummarySample(
            entity=ENTITY,
            summary=summary,
            labels=Labels.of(self.labels if labels is None else labels),
            window=window,
            coverage=Coverage(profiled=content.cells),
            content=content,
        )

    def _arrived(self, sample: SummarySample) -> Arrival:
        self._sequence += 1
        return Arrival(sequence=self._sequence, content=a_sample_row(sample))

    def _ship(self, agent: str, arrivals: list[Arrival]) -> None:
        epoch = agent.encode().ljust(16)[:16]
        ship(self.store, arrivals, agent=agent, epoch=epoch, now_ns=self.clock.now_ns())


def bounds_of(store: Store) -> dict[str, Bounds]:
    """Return the bounds of each summary, as agents read them from the newest reference."""
    found: dict[str, Bounds] = {}
    for record in sorted(store.references.records(ENTITY), key=lambda one: one.created_ns):
        reference = store.references.read(record)
        columns = {} if reference is None else reference.columns
        for summary, column in columns.items():
            if column.bounds is not None:
                found[summary] = column.bounds
    return found


NewTraffic: TypeAlias = Callable[[], Traffic]
