"""References, alerters and evaluations <-> protobuf."""

import dataclasses
import hashlib

import numpy as np

from nilometer.alert.alerter import Alerter, AlerterKind, Severity, ThresholdSide
from nilometer.alert.evaluation import Evaluation, Verdict
from nilometer.compare.comparison import Comparator
from nilometer.profile.derived.vectors import COMPONENTS, MAX_DIMENSIONS, Embedding
from nilometer.profile.reference import Reference, ReferenceColumn
from nilometer.sketch.binned import edges_id
from nilometer.v1 import alert_pb2 as pb
from nilometer.v1 import collector_pb2
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.contents.feature import feature_from_wire, feature_to_wire
from nilometer.wire.dictionary import dictionary_from_wire, dictionary_to_wire
from nilometer.wire.parse import parsed

_KINDS = {
    AlerterKind.FIXED: pb.Alerter.KIND_FIXED,
    AlerterKind.RANGE: pb.Alerter.KIND_RANGE,
    AlerterKind.REFERENCE: pb.Alerter.KIND_REFERENCE,
}
_VERDICTS = {
    Verdict.FINE: pb.Evaluation.VERDICT_FINE,
    Verdict.BREACH: pb.Evaluation.VERDICT_BREACH,
    Verdict.NOT_JUDGED: pb.Evaluation.VERDICT_NOT_JUDGED,
}
_FROM_KIND = {number: kind for kind, number in _KINDS.items()}
_FROM_VERDICT = {number: verdict for verdict, number in _VERDICTS.items()}


def reference_to_wire(reference: Reference) -> pb.Reference:
    """A reference with its digest; an empty one is filled in from the columns."""
    message = pb.Reference(
        entity=reference.entity,
        name=reference.name,
        rows=reference.rows,
        created_unix_nano=reference.created_ns,
        source=reference.source,
        columns=[
            pb.Reference.Column(
                summary=summary,
                feature=feature_to_wire(column.feature),
                edges=column.edges,
                dictionary=None
                if column.dictionary is None
                else dictionary_to_wire(column.dictionary),
                embedding=None
                if column.embedding is None
                else pb.Embedding(
                    dimensions=column.embedding.mean.size,
                    mean=column.embedding.mean.astype("<f4").tobytes(),
                    components=column.embedding.components.astype("<f4").tobytes(),
                ),
            )
            for summary, column in sorted(reference.columns.items())
        ],
        digest=reference.digest,
    )
    if not message.digest:
        content = b"".join(
            column.SerializeToString(deterministic=True) for column in message.columns
        )
        message.digest = hashlib.blake2b(content, digest_size=8).hexdigest()
    return message


def reference_from_wire(message: pb.Reference) -> Reference:
    """A reference.

    Raises:
        ValueError: If a column contradicts itself.
    """
    columns = {}
    for column in message.columns:
        edges = tuple(column.edges)
        known = {edges_id(edges): edges}
        feature = feature_from_wire(column.feature, known.get)
        dictionary = None
        if column.HasField("dictionary"):
            dictionary = dictionary_from_wire(column.dictionary)
        columns[column.summary] = ReferenceColumn(
            feature=feature,
            edges=edges,
            dictionary=dictionary,
            embedding=_embedding(column.embedding) if column.HasField("embedding") else None,
        )
    return Reference(
        entity=message.entity,
        name=message.name,
        rows=message.rows,
        created_ns=message.created_unix_nano,
        source=message.source,
        columns=columns,
        digest=message.digest,
    )


def _embedding(message: pb.Embedding) -> Embedding:
    """What a reference knows of its vectors.

    Raises:
        ValueError: If the sizes disagree or a part is not finite.
    """
    size = message.dimensions
    if not 0 < size <= MAX_DIMENSIONS:
        raise ValueError(f"an embedding of {size} dimensions")
    mean = np.frombuffer(message.mean, "<f4").astype(np.float64)
    parts = np.frombuffer(message.components, "<f4").astype(np.float64)
    if mean.size != size or parts.size % size or parts.size // size > COMPONENTS:
        raise ValueError("an embedding's mean and components disagree with its dimensions")
    if not (np.isfinite(mean).all() and np.isfinite(parts).all()):
        raise ValueError("an embedding must be finite")
    return Embedding(mean, parts.reshape(-1, size))


def reference_to_bytes(reference: Reference) -> bytes:
    """Deterministic bytes of a reference."""
    return reference_to_wire(reference).SerializeToString(deterministic=True)


def reference_from_bytes(packed: bytes) -> Reference:
    """A reference of `reference_to_bytes`."""
    return reference_from_wire(parsed(pb.Reference, packed))


def with_digest(reference: Reference) -> Reference:
    """The reference with the digest of its columns."""
    message = reference_to_wire(dataclasses.replace(reference, digest=""))
    return dataclasses.replace(reference, digest=message.digest)


def alerter_to_wire(alerter: Alerter) -> pb.Alerter:
    """Field by field."""
    return pb.Alerter(
        entity=alerter.entity,
        name=alerter.name,
        summary=alerter.summary,
        kind=_KINDS[alerter.kind],
        statistic=alerter.statistic,
        comparison=alerter.side.value,
        threshold=alerter.threshold,
        low=alerter.low,
        high=alerter.high,
        reference=alerter.reference,
        comparator=alerter.comparator.value,
        minimum_count=alerter.minimum_count,
        windows_to_open=alerter.windows_to_open,
        windows_to_close=alerter.windows_to_close,
        severity=alerter.severity.value,
    )


def alerter_from_wire(message: pb.Alerter) -> Alerter:
    """An alerter.

    Raises:
        ValueError: If an enumeration has an unknown value.
        ConfigError: If a rule is not allowed.
    """
    kind = _FROM_KIND.get(message.kind)
    if kind is None:
        raise ValueError(f"alerter {message.name!r} has the unknown kind {message.kind}")
    return Alerter(
        entity=message.entity,
        name=message.name,
        summary=message.summary,
        kind=kind,
        statistic=message.statistic,
        side=ThresholdSide(message.comparison or ThresholdSide.ABOVE.value),
        threshold=message.threshold,
        low=message.low,
        high=message.high,
        reference=message.reference,
        comparator=Comparator(message.comparator or Comparator.PSI.value),
        minimum_count=message.minimum_count,
        windows_to_open=message.windows_to_open,
        windows_to_close=message.windows_to_close,
        severity=Severity(message.severity or Severity.WARNING.value),
    )


def alerter_to_bytes(alerter: Alerter) -> bytes:
    """Deterministic bytes of an alerter."""
    return alerter_to_wire(alerter).SerializeToString(deterministic=True)


def alerter_from_bytes(packed: bytes) -> Alerter:
    """An alerter of `alerter_to_bytes`."""
    return alerter_from_wire(parsed(pb.Alerter, packed))


def evaluation_to_wire(evaluation: Evaluation) -> pb.Evaluation:
    """Field by field, the rule included."""
    return pb.Evaluation(
        alerter=alerter_to_wire(evaluation.alerter),
        summary=evaluation.summary,
        labels=evaluation.labels.as_dict(),
        window_start_unix_nano=evaluation.window.start_ns,
        window_end_unix_nano=evaluation.window.end_ns,
        verdict=_VERDICTS[evaluation.verdict],
        value=evaluation.value,
        count=evaluation.count,
        reference_digest=evaluation.reference_digest,
        evidence=evaluation.evidence,
    )


def evaluation_from_wire(message: pb.Evaluation) -> Evaluation:
    """An evaluation.

    Raises:
        ValueError: If an enumeration has an unknown value.
        ConfigError: If its rule, labels or window are not allowed.
    """
    verdict = _FROM_VERDICT.get(message.verdict)
    if verdict is None:
        raise ValueError(f"evaluation of {message.summary!r} has no verdict")
    return Evaluation(
        alerter=alerter_from_wire(message.alerter),
        summary=message.summary,
        labels=Labels.of(dict(message.labels)),
        window=Window(message.window_start_unix_nano, message.window_end_unix_nano),
        verdict=verdict,
        value=message.value,
        count=message.count,
        reference_digest=message.reference_digest,
        evidence=message.evidence,
    )


def evaluation_to_bytes(evaluation: Evaluation) -> bytes:
    """Deterministic bytes of an evaluation."""
    return evaluation_to_wire(evaluation).SerializeToString(deterministic=True)


def plan_to_wire(
    references: list[Reference], alerters: list[Alerter], names_key: bytes = b""
) -> collector_pb2.Plan:
    """References, alerters and the key of pseudonyms under the hash of their content."""
    plan = collector_pb2.Plan(
        references=[reference_to_wire(reference) for reference in references],
        alerters=[alerter_to_wire(alerter) for alerter in alerters],
        names_key=names_key,
    )
    content = plan.SerializeToString(deterministic=True)
    plan.version = hashlib.blake2b(content, digest_size=8).hexdigest()
    return plan


def plan_from_wire(message: collector_pb2.Plan) -> tuple[list[Reference], list[Alerter]]:
    """References and alerters of a plan."""
    references = [reference_from_wire(reference) for reference in message.references]
    return references, [alerter_from_wire(alerter) for alerter in message.alerters]
