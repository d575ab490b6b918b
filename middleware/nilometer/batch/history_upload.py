"""Uploads the past windows of a table to the collector; a repeated upload stores nothing twice.

The rows are shipped like those of an agent. The epoch is a digest of the file's content and the
options, and the sequences number its samples. So a collector that already has a row acknowledges it
and stores nothing. An interrupted upload continues at the same place when it is repeated.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nilometer.batch.collector_calls import CollectorCalls
from nilometer.batch.history import History, HistoryCounts, HistoryOptions, NumberedSample
from nilometer.batch.read import table_parts
from nilometer.batch.row_upload import epoch_of_file, ship_rows
from nilometer.profile import FeatureProfile, FeatureSpec, Reference, SummarySample
from nilometer.profile.bin_sums import Summed
from nilometer.profile.summed_outputs import SummedOutputs
from nilometer.values.privacy import BY_DEFAULT, Disclosure
from nilometer.values.senders import TABLES
from nilometer.wire.alerts import plan_from_wire
from nilometer.wire.samples import sample_to_wire
from nilometer.wire.services import GetPlanRequest, Row

Progress = Callable[[HistoryCounts], None]


@dataclass(frozen=True, slots=True)
class CountingRules:
    """How the agents of an entity count its columns, from the collector's plan.

    Attributes:
        references: References of the entity, newest first.
        names_key: Key of the pseudonyms.
        disclosure: Rules for the disclosure of single values.
        outputs: Outputs that are summed by bin of each input. There are none if the level of privacy
            groups values, because the sums of a table cannot be checked against its outputs.
    """

    references: tuple[Reference, ...]
    names_key: bytes
    disclosure: Disclosure
    outputs: frozenset[str] = frozenset()

    @classmethod
    def of(cls, calls: CollectorCalls, entity: str) -> "CountingRules":
        """Return the rules of *entity*; the level of privacy is an agent's default or stricter.

        Raises:
            CollectorUnavailable: If the collector does not answer.
            BatchRejected: If the collector refuses the caller.
        """
        request = GetPlanRequest(entities=[entity], agent=TABLES)
        message = calls.call(calls.stub.GetPlan, request, "request for the plan")
        plan = plan_from_wire(message)
        newest = sorted(plan.references, key=lambda one: one.created_ns, reverse=True)
        disclosure = BY_DEFAULT.tightened(plan.disclosure)
        outputs: frozenset[str] = frozenset()
        if plan.prediction_sums and not disclosure.coarsens:
            outputs = SummedOutputs().of(reference.columns for reference in newest)
        return cls(tuple(newest), message.names_key, disclosure, outputs)

    def spec(self, summary: str) -> FeatureSpec:
        """Return how *summary* is counted, from the newest reference that contains it."""
        found = (one.spec(summary, key=self.names_key) for one in self.references)
        spec = next((one for one in found if one is not None), FeatureSpec(key=self.names_key))
        if summary not in self.outputs:
            return spec
        return dataclasses.replace(spec, summed=Summed(SummedOutputs().bits_of(summary, spec)))

    def disclosed(self, sample: SummarySample) -> SummarySample:
        """Return *sample* without what the level of privacy does not disclose."""
        content = sample.content
        if self.disclosure.coarsens and isinstance(content, FeatureProfile):
            content = content.coarsened(self.disclosure.fewest_values)
        told = dataclasses.replace(sample, content=content)
        return told.suppressed(self.disclosure.fewest_of_a_pseudonym)


def log_history(
    path: Path, options: HistoryOptions, calls: CollectorCalls, progress: Progress
) -> HistoryCounts:
    """Log the past windows of the table in *path*.

    Memory is bounded, because the file is read in parts. A repetition stores nothing twice.

    Args:
        path: Parquet, CSV or JSON-lines file.
        options: How rows become windows.
        calls: Calls to the collector.
        progress: Function that is called after each call to the collector.

    Raises:
        ConfigError: If the file cannot be read, or lacks a column that the options name.
        CollectorUnavailable: If the collector does not answer.
        BatchRejected: If the collector refuses the caller or a sample.
    """
    rules = CountingRules.of(calls, options.entity)
    epoch = epoch_of(path, options)
    history = History(options, rules.spec)
    for _ in ship_rows(calls, epoch, _rows(history.samples(table_parts(path)), rules)):
        progress(history.counts)
    return history.counts


def epoch_of(path: Path, options: HistoryOptions) -> bytes:
    """Return the epoch for the file's content and the options."""
    told = (
        options.entity,
        options.time_column,
        options.times.unit,
        str(options.times.zone),
        options.window_seconds,
        sorted(options.labels.items()),
    )
    return epoch_of_file(path, repr(told).encode())


def _rows(samples: Iterable[NumberedSample], rules: CountingRules) -> Iterator[Row]:
    for one in samples:
        yield Row(sequence=one.sequence, sample=sample_to_wire(rules.disclosed(one.sample)))
