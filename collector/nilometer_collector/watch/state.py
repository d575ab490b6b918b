"""The state of the default alerter of one entity in memory, which changes only with the store."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from nilometer.alert.calibrated.judge import Judge
from nilometer.alert.calibrated.packing import packed, unpacked
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.store import EpisodeStep, WatchStep
from nilometer_collector.watch.judges import judge_of
from nilometer_collector.watch.memory import Book, Memory
from nilometer_collector.watch.reporting import Hearing, report_of
from nilometer_collector.watch.sources import StateMoved, WatchedStore


@dataclass(kw_only=True)
class Changes:
    """The changes that are stored together with a new state.

    Attributes:
        baselines: Packed `Book`; None if it is unchanged.
        windows: Counts of base windows to keep, by their ends.
        episodes: Changes of episodes.
        forget: Span of kept windows to remove; None removes none.
        settled: For the id of each decided new normal, whether it has lapsed.
    """

    baselines: bytes | None = None
    windows: list[tuple[int, bytes]] = field(default_factory=list)
    episodes: list[EpisodeStep] = field(default_factory=list)
    forget: tuple[int, int] | None = None
    settled: Mapping[int, bool] = field(default_factory=dict)


class StoredState:
    """The newest stored state of one entity. Not thread-safe: one thread calls it.

    Args:
        entity: Name of the entity.
        rule: Settings for the entity.
        store: Store of the state.

    Attributes:
        entity: Name of the entity.
        rule: Settings for the entity.
        revision: Number of changes of the stored state so far.
        memory: State between windows; None before the first window.
        book: Subjects with their baselines.
        judge: Judge with these baselines.
        performance_judges: Judge of each summary of performance, with these baselines.
        digest: Digest of the baselines; empty without any.
    """

    def __init__(self, entity: str, rule: WatchRule, store: WatchedStore) -> None:
        self.entity = entity
        self.rule = rule
        self._store = store
        self.revision = 0
        self.memory: Memory | None = None
        self.book = Book()
        self.judge = Judge(())
        self.performance_judges: Mapping[str, Judge] = {}
        self.digest = ""
        record = store.watching.load(entity)
        if record is not None:
            self.revision = record.revision
            self.memory = unpacked(record.state, Memory)
            if record.baselines:
                self.use(record.baselines)

    def use(self, baselines: bytes) -> None:
        """Judge with the packed *baselines* from now on; `save` stores them."""
        self.book = unpacked(baselines, Book)
        self.judge = judge_of(self.book, self.rule)
        judged = {one.key.summary for one in self.book.performance}
        self.performance_judges = {
            summary: judge_of(self.book, self.rule, summary) for summary in sorted(judged)
        }
        self.digest = hashlib.blake2b(baselines, digest_size=8).hexdigest()

    def report(self, hearing: Hearing) -> bytes:
        """Return the current status as the bytes of a `WatchReport`."""
        return report_of(self.book, self.memory, self.rule, hearing).to_bytes()

    def save(self, memory: Memory, changes: Changes, now_ns: int) -> int:
        """Store the state *memory* with *changes* in one transaction.

        Returns:
            The number of notifications queued.

        Raises:
            StateMoved: If another collector has advanced the entity.
        """
        hearing = Hearing(now_ns=now_ns, heard_ns=now_ns, started_ns=now_ns)
        step = WatchStep(
            revision=self.revision,
            state=packed(memory),
            baselines=changes.baselines,
            report=report_of(self.book, memory, self.rule, hearing).to_bytes(),
            windows=changes.windows,
            forget=changes.forget,
            episodes=changes.episodes,
            settled=changes.settled,
        )
        queued = self._store.watching.save(self.entity, step, now_ns)
        if queued is None:
            raise StateMoved(self.entity)
        self.revision += 1
        self.memory = memory
        return queued
