"""Converts alerters, evaluations and plans to protobuf and back."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nilometer.alert.alerter import Alerter, Severity
from nilometer.alert.conditions import (
    CONDITIONS,
    Calibrated,
    Condition,
    Fields,
    Overdue,
    ThresholdSide,
    UnknownCondition,
    condition_of,
)
from nilometer.alert.evaluation import Evaluation
from nilometer.alert.judgement import Verdict
from nilometer.alert.reason import Reason
from nilometer.alert.times import ALWAYS
from nilometer.compare.psi import PSI
from nilometer.profile.reference import Reference
from nilometer.v1 import alert_pb2 as pb
from nilometer.v1 import collector_pb2
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.values.privacy import LAXEST, MAX_SUPPRESS_BELOW, Disclosure, Privacy
from nilometer.values.window import Window
from nilometer.wire.alerter_times import (
    limit_from_wire,
    limit_to_wire,
    times_from_wire,
    times_to_wire,
)
from nilometer.wire.parse import parsed
from nilometer.wire.references import reference_from_wire

HANDED_FORMAT = 1  # format of packed baselines that agents and collectors of this version know
NO_BASELINES: Mapping[str, bytes] = {}
MAX_PLAN_ENTITIES = 2000  # most entities in one request for a plan
MAX_PARAMETERS = 16  # most parameters in each map of an alerter
MAX_PARAMETER_CHARACTERS = 256  # longest name and longest text of a parameter

# Kinds with a number in the contract; other kinds are written by name.
_KINDS = {
    name.removeprefix("KIND_"): name
    for name, number in pb.Alerter.Kind.items()
    if number != pb.Alerter.KIND_UNSPECIFIED
}
# Parameters with their own field in the message, and the value to write if one is missing.
_UNUSED: dict[str, str | float] = {
    "statistic": "",
    "comparison": ThresholdSide.ABOVE.value,
    "threshold": 0.0,
    "low": -math.inf,
    "high": math.inf,
    "reference": "",
    "comparator": PSI.name,
}
# Conditions that only the collector makes.
_OF_COLLECTOR: dict[str, type[Calibrated | Overdue]] = {
    Calibrated.kind: Calibrated,
    Overdue.kind: Overdue,
}
_VERDICTS = {
    Verdict.FINE: pb.Evaluation.VERDICT_FINE,
    Verdict.BREACH: pb.Evaluation.VERDICT_BREACH,
    Verdict.NOT_JUDGED: pb.Evaluation.VERDICT_NOT_JUDGED,
}
_SEVERITIES = {severity.value for severity in Severity}
_REASONS = {reason.value for reason in Reason}
_FROM_KIND = {pb.Alerter.Kind.Value(name): kind for kind, name in _KINDS.items()}
_FROM_VERDICT = {number: verdict for verdict, number in _VERDICTS.items()}


def alerter_to_wire(alerter: Alerter) -> pb.Alerter:
    """Return an alerter as a message; parameters without their own field are in the maps."""
    condition = alerter.condition
    fields = condition.fields()
    others = {key: value for key, value in fields.items() if key not in _UNUSED}
    own = {key: value for key, value in fields.items() if key in _UNUSED}
    message = pb.Alerter(
        entity=alerter.entity,
        name=alerter.name,
        summary=alerter.summary,
        kind=_KINDS.get(condition.kind),
        minimum_count=alerter.minimum_count,
        windows_to_open=alerter.windows_to_open,
        windows_to_close=alerter.windows_to_close,
        severity=alerter.severity.value,
        condition="" if condition.kind in _KINDS else condition.kind,
        texts={key: value for key, value in others.items() if isinstance(value, str)},
        numbers={key: value for key, value in others.items() if not isinstance(value, str)},
        for_seconds=alerter.for_seconds,
        delay_seconds=alerter.delay_seconds,
        critical=limit_to_wire(alerter.critical),
        closing=limit_to_wire(alerter.closing),
        times=times_to_wire(alerter.times),
    )
    for key, value in (_UNUSED | own).items():
        setattr(message, key, value)
    return message


def alerter_from_wire(message: pb.Alerter) -> Alerter:
    """Return the alerter in a message.

    Raises:
        ValueError: If an enumeration has an unknown value, or a parameter is missing or too long.
        ConfigError: If a field of the alerter is not allowed.
    """
    kind = _kind_of(message)
    if kind not in CONDITIONS:
        unknown = message.condition or message.kind
        raise ValueError(f"alerter {message.name!r} has the unknown kind {unknown}")
    return _alerter(message, condition_of(kind, _fields(message)))


def stored_alerter_from_bytes(packed: bytes) -> Alerter:
    """Return an alerter of `alerter_to_bytes`, even if its condition is not registered here.

    The condition is then an `UnknownCondition`, from which the same bytes can be written.

    Raises:
        ValueError: If the bytes are not an alerter.
        ConfigError: If a part other than the condition is not allowed.
    """
    message = parsed(pb.Alerter, packed)
    try:
        own = _OF_COLLECTOR.get(_kind_of(message))
        if own is not None:
            return _alerter(message, own.of_fields(_fields(message)))
        return alerter_from_wire(message)
    except (KeyError, ValueError, ConfigError) as error:
        fields = _fields(message)
        used = {key: value for key, value in fields.items() if value != _UNUSED.get(key)}
        unknown = UnknownCondition(kind=_kind_of(message), parameters=used, why=str(error))
        return _alerter(message, unknown)


def _kind_of(message: pb.Alerter) -> str:
    return _FROM_KIND.get(message.kind, message.condition)


def _alerter(message: pb.Alerter, condition: Condition) -> Alerter:
    return Alerter(
        entity=message.entity,
        name=message.name,
        summary=message.summary,
        condition=condition,
        minimum_count=message.minimum_count,
        windows_to_open=message.windows_to_open,
        windows_to_close=message.windows_to_close,
        for_seconds=message.for_seconds,
        delay_seconds=message.delay_seconds,
        severity=_severity_of(message.severity),
        critical=limit_from_wire(message.critical) if message.HasField("critical") else None,
        closing=limit_from_wire(message.closing) if message.HasField("closing") else None,
        times=times_from_wire(message.times) if message.HasField("times") else ALWAYS,
    )


def _severity_of(word: str) -> Severity:
    """Return a severity; one that only a newer version knows is critical, so that nobody misses it."""
    if not word:
        return Severity.WARNING
    return Severity(word) if word in _SEVERITIES else Severity.CRITICAL


def _fields(message: pb.Alerter) -> Fields:
    """Return all parameters of *message*.

    Raises:
        ValueError: If there are too many, or one is too long.
    """
    if len(message.texts) > MAX_PARAMETERS or len(message.numbers) > MAX_PARAMETERS:
        raise ValueError(f"alerter {message.name!r} has more than {MAX_PARAMETERS} parameters")
    for text in (*message.texts, *message.texts.values(), *message.numbers):
        if len(text) > MAX_PARAMETER_CHARACTERS:
            raise ValueError(f"alerter {message.name!r} has a parameter that is too long")
    named = {key: getattr(message, key) for key in _UNUSED}
    return {**message.texts, **message.numbers, **named}


def alerter_to_bytes(alerter: Alerter) -> bytes:
    """Return the deterministic bytes of an alerter."""
    return alerter_to_wire(alerter).SerializeToString(deterministic=True)


def alerter_from_bytes(packed: bytes) -> Alerter:
    """Return the alerter in the bytes of `alerter_to_bytes`."""
    return alerter_from_wire(parsed(pb.Alerter, packed))


def evaluation_to_wire(evaluation: Evaluation) -> pb.Evaluation:
    """Convert an evaluation with its alerter, field by field."""
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
        reason=evaluation.reason.value if evaluation.verdict is Verdict.NOT_JUDGED else "",
        edge=evaluation.edge,
        other_way=evaluation.other_way,
    )


def evaluation_from_wire(message: pb.Evaluation) -> Evaluation:
    """Return the evaluation in a message.

    Raises:
        ValueError: If an enumeration has an unknown value.
        ConfigError: If its alerter, labels or window are not allowed.
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
        # A reason that only a newer version knows must not hold up what both know.
        reason=Reason(message.reason) if message.reason in _REASONS else Reason.NOTHING_TO_JUDGE,
        edge=message.edge,
        other_way=message.other_way,
    )


def evaluation_to_bytes(evaluation: Evaluation) -> bytes:
    """Return the deterministic bytes of an evaluation."""
    return evaluation_to_wire(evaluation).SerializeToString(deterministic=True)


def plan_to_wire(
    references: Sequence[pb.Reference],
    alerters: Sequence[Alerter],
    names_key: bytes = b"",
    disclosure: Disclosure = LAXEST,
    *,
    prediction_sums: bool = False,
) -> collector_pb2.Plan:
    """Return a plan of a collector that judges, with its hash.

    Args:
        references: Messages of the references of the requested entities.
        alerters: Alerters of the requested entities.
        names_key: Key of pseudonyms.
        disclosure: Largest disclosure that the collector allows.
        prediction_sums: Whether the collector asks for sums of predictions by bin of each input.
    """
    plan = collector_pb2.Plan(
        references=references,
        alerters=[alerter_to_wire(alerter) for alerter in alerters],
        names_key=names_key,
        # Defaults are left out, so that the version of older plans does not change.
        privacy=disclosure.privacy.value if disclosure.privacy is not Privacy.OPEN else "",
        suppress_below=disclosure.suppress_below,
        judges=True,
        prediction_sums=prediction_sums,
    )
    name_by_content(plan)
    return plan


def add_baselines(plan: collector_pb2.Plan, baselines: Mapping[str, bytes]) -> None:
    """Add the packed baselines of the default alerter by entity; see `calibrated.handed`."""
    plan.baselines.extend(
        collector_pb2.Baselines(monitored_entity=entity, format=HANDED_FORMAT, content=content)
        for entity, content in sorted(baselines.items())
    )


def name_by_content(plan: collector_pb2.Plan) -> None:
    """Set the version of *plan* to a hash of all else that it has."""
    plan.ClearField("version")
    content = plan.SerializeToString(deterministic=True)
    plan.version = hashlib.blake2b(content, digest_size=8).hexdigest()


class PlanContent(NamedTuple):
    """The content of a plan.

    Attributes:
        references: References of the requested entities.
        alerters: Alerters that can be read here.
        unread: Reasons why the other alerters cannot be read, by entity and name.
        disclosure: Largest disclosure that the collector allows its agents.
        collector_judges: Whether the collector judges the merged windows; an older one does not.
        prediction_sums: Whether the collector asks for sums of predictions by bin of each input.
        baselines: Packed baselines of the default alerter by entity, in a format that is known here.
    """

    references: list[Reference]
    alerters: list[Alerter]
    unread: dict[tuple[str, str], str]
    disclosure: Disclosure
    collector_judges: bool = False
    prediction_sums: bool = False
    baselines: Mapping[str, bytes] = NO_BASELINES


def plan_from_wire(message: collector_pb2.Plan) -> PlanContent:
    """Return the content of a plan; an unreadable alerter does not affect the others.

    Raises:
        ValueError: If a reference contradicts itself.
    """
    privacy = Privacy.named(message.privacy) if message.privacy else Privacy.OPEN
    content = PlanContent(
        [reference_from_wire(one) for one in message.references],
        [],
        {},
        Disclosure(privacy, min(message.suppress_below, MAX_SUPPRESS_BELOW)),
        message.judges,
        message.prediction_sums,
        {
            one.monitored_entity: one.content
            for one in message.baselines
            if one.format == HANDED_FORMAT
        },
    )
    for alerter in message.alerters:
        try:
            content.alerters.append(alerter_from_wire(alerter))
        except (ValueError, ConfigError) as error:
            content.unread[alerter.entity, alerter.name] = str(error)
    return content
