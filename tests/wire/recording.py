"""Writes `recorded/VERSION/*.bin`: what agents and collectors of one version send each other.

Run with the sources of that version, before the next one lands, which then must read the bytes:
``PYTHONPATH=middleware:agent:collector:tests python tests/wire/recording.py FOLDER``. Files
that are there are never written again.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
from support.predicted import a_prediction
from wire import golden

from nilometer.alert import Evaluation, Hours, Limit, Maintenance, Reason, Repeat, Times, Verdict
from nilometer.predictions import GroundTruth, batch_to_bytes, batches_of, ground_truth_to_bytes
from nilometer.profile import ScoreProfile, ServiceProfile, Streams, SummarySample, WebSockets
from nilometer.profile.derived.vector_sums import vector_sums
from nilometer.profile.derived.vectors import Embedding, component_name
from nilometer.profile.feature import FeatureProfile
from nilometer.values.privacy import Disclosure, Privacy
from nilometer.wire.alerts import evaluation_to_wire, plan_to_wire
from nilometer.wire.references import reference_to_wire
from nilometer.wire.samples import sample_to_wire
from nilometer.wire.services import GetPlanRequest, Row, ShipReply, ShipRequest

AGENT, EPOCH, INSTANCE = "pod-1", b"e" * 16, b"i" * 16
PREDICTIONS_EPOCH = b"p" * 16


def samples() -> list[SummarySample]:
    """A sample of each type of content, and of each kind of summary, with different names."""
    return [
        golden.numbers(),
        dataclasses.replace(golden.summed(), summary="input.summed"),
        golden.categories(),
        served(),
        dataclasses.replace(golden.numbers(), summary="input.sampled", sample=0.5),
        vectors(),
        scores(),
        *golden.logged(),
        *golden.performance(),
    ]


def served() -> SummarySample:
    """Requests with streams, connections and callers."""
    plain, called = golden.service(), golden.callers().content
    assert isinstance(plain.content, ServiceProfile)
    assert isinstance(called, ServiceProfile)
    streams = Streams.of(
        ends={"completed": 1, "client_left": 1},
        first_bytes=[0.25, 0.5],
        gaps=np.array([0.125, 0.25, 0.5]),
        chunks=5,
        first_tokens=[0.5],
        first_reasonings=[0.25],
        per_tokens=[0.125],
    )
    sockets = WebSockets.of(
        ends=["closed", "close_code"],
        close_codes=[1000, 4003],
        durations=[1.0, 2.0],
        messages=(3, 4),
        sizes=(30, 40),
    )
    content = dataclasses.replace(
        plain.content, streams=streams, websockets=sockets, callers=called.callers, in_flight_max=2
    )
    return dataclasses.replace(plain, content=content)


def vectors() -> SummarySample:
    """A feature with moments of vectors."""
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    embedding = Embedding.of(rows)
    assert embedding is not None
    coordinates = (rows - embedding.mean) @ embedding.components.T
    columns = {
        f"input.vectors.{component_name(at)}": column for at, column in enumerate(coordinates.T)
    }
    content = golden.numbers().content
    assert isinstance(content, FeatureProfile)
    content.vectors = vector_sums("input.vectors", columns, embedding)
    assert content.vectors
    return golden.sample("input.vectors", content)


def scores() -> SummarySample:
    """Probabilities of three classes, one with its ground truth."""
    profile = ScoreProfile()
    profile.observe_matrix(np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [np.nan, 0.5, 0.5]]))
    return golden.sample("output.class.scores", profile)


def evaluations() -> list[Evaluation]:
    """An evaluation with each verdict, by an agent that was cut off."""
    times = Times(
        time_zone="Europe/Berlin",
        hours=(Hours(days=("mon",), start_minute=60, end_minute=120),),
        maintenance=(Maintenance(start_ns=0, end_ns=60 * 10**9, repeat=Repeat.DAILY),),
    )
    alerter = dataclasses.replace(
        golden.DRIFT, critical=Limit(threshold=0.75), closing=Limit(threshold=0.2), times=times
    )
    breach = dataclasses.replace(golden.EVALUATION, alerter=alerter, edge=True)
    fine = dataclasses.replace(
        breach, alerter=golden.RANGE, verdict=Verdict.FINE, value=0.1, other_way=True
    )
    unjudged = dataclasses.replace(
        breach, alerter=golden.FIXED, verdict=Verdict.NOT_JUDGED, value=0.0, reason=Reason.TOO_FEW
    )
    return [breach, fine, unjudged]


def shipments() -> dict[str, ShipRequest]:
    """The rows of an agent's outbox and of its outbox of predictions."""
    contents = [Row(sample=sample_to_wire(one)) for one in samples()]
    contents += [Row(evaluation=evaluation_to_wire(one)) for one in evaluations()]
    for sequence, row in enumerate(contents, 1):
        row.sequence = sequence
    (batch,) = batches_of([a_prediction("x", row, subject="ann") for row in range(3)])
    predictions, truth = Row(sequence=1), Row(sequence=2)
    for row in (predictions, truth):
        row.predictions.monitored_entity = batch.entity
    predictions.predictions.content = batch_to_bytes(batch)
    truth.predictions.ground_truth = ground_truth_to_bytes(
        [GroundTruth("x", 0, "spam", golden.WINDOW.start_ns), GroundTruth("x", 1, "ham")]
    )
    return {
        "ship": shipment(EPOCH, contents),
        "predictions": shipment(PREDICTIONS_EPOCH, [predictions, truth]),
    }


def shipment(epoch: bytes, rows: list[Row]) -> ShipRequest:
    """The call with the first *rows* of an outbox."""
    return ShipRequest(agent=AGENT, instance=INSTANCE, epoch=epoch, oldest_held=1, rows=rows)


def reply() -> ShipReply:
    """A reply with each of its parts."""
    told = ShipReply(duplicate=True)
    told.rejected.add(sequence=1, reason="Refused: too large")
    told.rejected.add(sequence=2, reason="Forbidden: not yours", forbidden=True)
    told.refused_predictions.add(sequence=3, rows=2, reason="too long")
    return told


def recorded() -> dict[str, bytes]:
    """What is written, by file name."""
    plan = plan_to_wire(
        [reference_to_wire(golden.reference())],
        [golden.FIXED, golden.RANGE, golden.DRIFT],
        b"key",
        Disclosure(Privacy.POD, 5),
        prediction_sums=True,
    )
    plan.now_unix_nano = golden.WINDOW.end_ns
    plan.forbidden_entities.append("other")
    messages = {
        **shipments(),
        "reply": reply(),
        "reference": reference_to_wire(golden.reference()),
        "plan_request": GetPlanRequest(
            entities=["fraud-scorer"], version="1", agent=AGENT, instance=INSTANCE
        ),
        "plan": plan,
    }
    return {name: one.SerializeToString(deterministic=True) for name, one in messages.items()}


def main(folder: Path) -> None:
    """Write the files that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, packed in recorded().items():
        path = folder / f"{name}.bin"
        if not path.exists():
            path.write_bytes(packed)
            print(f"{path} written, {len(packed)} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
