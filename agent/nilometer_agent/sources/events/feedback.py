"""Seldon's feedback events: ground truth that waits for the engine.

The columns of ``truth``, and the reward, are profiled as ``ground_truth.*``. If the entity's predictions
are logged, the truth is also shipped with the id of its prediction, so that the collector joins it.
"""

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum

import msgspec
import numpy as np

from nilometer.decode import Side as Columns
from nilometer.decode import decode_exchange
from nilometer.decode.columns import Column
from nilometer.handoff.pack import MAX_ID
from nilometer.predictions import MAX_BATCH_ROWS, GroundTruth, ground_truth_to_bytes
from nilometer.profile import Coverage, FeatureSpec, SummarySample
from nilometer.profile.recorder import FeatureRecorder
from nilometer.profiling.event_time import RFC_3339
from nilometer.profiling.observation import MOST_NS
from nilometer.profiling.prediction_log import scalar
from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.entity import Role, summary_name
from nilometer.values.errors import Undecodable
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.frames import Batch
from nilometer.wire.samples import sample_to_bytes
from nilometer_agent.engine.predictions import TruthBatch
from nilometer_agent.sources.events.message import Event

TYPE = "io.seldon.serving.feedback"
MAX_READY = 10_000  # columns, and rows of ground truth, that wait for the engine
MAX_KEYS = 10_000  # feedback events remembered to detect repetitions


class Taken(Enum):
    """What became of a feedback event."""

    NEW = 1
    REPEATED = 2
    UNUSABLE = 3  # neither a truth nor a reward can be read


class Feedback:
    """Feedback that waits for the engine. Not thread-safe.

    Args:
        clock: Clock for events without a time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keys: OrderedDict[str, None] = OrderedDict()
        self._samples: list[SummarySample] = []
        self._truths: dict[tuple[str, Labels], list[GroundTruth]] = {}

    @property
    def is_full(self) -> bool:
        """Whether too much waits for the engine."""
        return len(self._samples) + sum(map(len, self._truths.values())) > MAX_READY

    def take(self, event: Event, entity: str, labels: Labels) -> Taken:
        """Receive the ground truth and the reward of an event."""
        try:
            body = msgspec.json.decode(event.data)
        except (ValueError, RecursionError):  # UnicodeDecodeError is not a DecodeError
            return Taken.UNUSABLE
        if not isinstance(body, dict):
            return Taken.UNUSABLE
        truth = _truth_in(body)
        columns = truth | _reward_in(body)
        if not columns:
            return Taken.UNUSABLE
        key = f"{entity} {event.id}"[: 2 * MAX_ID]
        if key in self._keys:
            return Taken.REPEATED
        self._keys[key] = None
        if len(self._keys) > MAX_KEYS:
            self._keys.popitem(last=False)
        told_ns = RFC_3339.unix_ns(event.attributes.get("time", ""))
        known_ns = 0 if told_ns is None else min(told_ns, MOST_NS)
        self._profile(columns, entity, labels, known_ns or self._clock.now_ns())
        rows = _rows_of(truth, _prediction_of(body, event), known_ns)
        if rows:
            self._truths.setdefault((entity, labels), []).extend(rows)
        return Taken.NEW

    def batches(self) -> list[tuple[Labels, Batch]]:
        """Return what waits as batches for the engine, and forget it."""
        samples, self._samples = self._samples, []
        truths, self._truths = self._truths, {}
        found: list[tuple[Labels, Batch]] = [
            (one.labels, Batch(entity=one.entity, partials=[sample_to_bytes(one)]))
            for one in samples
        ]
        for (entity, labels), rows in truths.items():
            for start in range(0, len(rows), MAX_BATCH_ROWS):
                packed = ground_truth_to_bytes(rows[start : start + MAX_BATCH_ROWS])
                found.append((labels, TruthBatch(entity=entity, ground_truth=packed)))
        return found

    def _profile(
        self, columns: Mapping[str, Column], entity: str, labels: Labels, time_ns: int
    ) -> None:
        window = Window.containing(time_ns, 60 * NANOSECONDS)
        for name, cells in columns.items():
            recorder = FeatureRecorder(FeatureSpec(readable=True))
            recorder.observe(cells)
            self._samples.append(
                SummarySample(
                    entity=entity,
                    summary=summary_name(Role.GROUND_TRUTH, name),
                    labels=labels,
                    window=window,
                    coverage=Coverage(profiled=1),
                    content=recorder.profile(),
                )
            )


def _truth_in(body: Mapping[str, object]) -> dict[str, Column]:
    """Return the columns of ``truth``; none if it cannot be read."""
    truth = body.get("truth")
    if not isinstance(truth, dict):
        return {}
    side = Columns()
    with suppress(Undecodable):  # such feedback may have a reward
        decode_exchange(msgspec.json.encode(truth), "", "", Role.INPUT, side)
        return dict(side.columns(set()))
    return {}


def _reward_in(body: Mapping[str, object]) -> dict[str, Column]:
    reward = body.get("reward")
    if isinstance(reward, int | float) and not isinstance(reward, bool):
        return {"reward": np.array([float(reward)])}
    return {}


def _prediction_of(body: Mapping[str, object], event: Event) -> str:
    """Return the id of the prediction: that of the response in the feedback, else the event's.

    Seldon gives a feedback request an id of its own unless the client repeats the prediction's.
    """
    response = body.get("response")
    meta = response.get("meta") if isinstance(response, dict) else None
    told = meta.get("puid") if isinstance(meta, dict) else None
    if isinstance(told, str) and told:
        return told[:MAX_ID]
    return event.attributes.get("requestid", "")[:MAX_ID]


def _rows_of(truth: Mapping[str, Column], prediction_id: str, known_ns: int) -> list[GroundTruth]:
    """Return the ground truth of each row; nothing unless there is an id and exactly one column.

    Of several columns it is not known which one is the true output.
    """
    if not prediction_id or len(truth) != 1:
        return []
    (column,) = truth.values()
    cells = column.tolist() if isinstance(column, np.ndarray) else column
    values = [scalar(cell) for cell in cells]
    return [
        GroundTruth(prediction_id, row, value, known_ns)
        for row, value in enumerate(values)
        if value is not None
    ]
