"""Verdicts on canaries: pass, hold or fail, as a response body or as a status."""

from typing import Literal, TypeAlias

import msgspec

from nilometer.alert.calibrated.effects import Unit
from nilometer.alert.calibrated.two_samples import Outcome
from nilometer.values.labels import LabelFilter
from nilometer_collector.alerting.watch_rules import rule_of
from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import (
    ENTITY,
    Count,
    LabelKeys,
    LabelPairs,
    Text,
    Time,
    Words,
)
from nilometer_collector.api.problems import ApiError
from nilometer_collector.canary.canary import MOST_DAYS, Canaries
from nilometer_collector.canary.records import (
    NEWEST_KEY,
    Question,
    SummaryVerdict,
    Verdict,
)
from nilometer_collector.watch.rules import current_rules

VerdictName: TypeAlias = Literal["pass", "hold", "fail"]
CanaryReason: TypeAlias = Literal[
    "different",
    "alike",
    "undecided",
    "too_few",
    "no_candidate_data",
    "no_stable_data",
    "no_window_yet",
    "other_privacy",
]

LEAST_WINDOWS = 4  # default for the fewest windows that a pass needs
WINDOWS_A_DAY = 288

CANDIDATE = LabelPairs("candidate", "Label of the candidate as key:value, such as version:2.")
CANDIDATE_ENTITY = Text(
    "candidate_entity", "Entity of the candidate; by default the entity of the stable side."
)


class LabelKey(LabelKeys):
    """At most one label key."""

    repeated = False


NEWEST = LabelKey(
    "newest",
    "Label key whose newest value is the candidate, if the request names no candidate; "
    f"by default {NEWEST_KEY}.",
)
STABLE = LabelPairs(
    "stable", "Label of the stable side as key:value; by default everything except the candidate."
)
PATTERN = Text("summary", "Pattern of the summaries to compare, such as input.*; by default all.")
SINCE = Time("start", "Start of the time to compare, Unix seconds.", default_ns=0)
WINDOWS = Count(
    "windows",
    f"Fewest windows that a pass needs; by default {LEAST_WINDOWS}.",
    default=LEAST_WINDOWS,
    highest=MOST_DAYS * WINDOWS_A_DAY,
)
ACCEPT = Words(
    "accept",
    "Verdict that gets status 200; others get 412. By default pass and hold.",
    known=lambda: [outcome.value for outcome in Outcome],
)
_PARAMETERS = (ENTITY, CANDIDATE, CANDIDATE_ENTITY, NEWEST, STABLE, PATTERN, SINCE, WINDOWS)
_VALUES = {Outcome.PASS: 1, Outcome.HOLD: 0, Outcome.FAIL: -1}


class CanarySummaryView(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one summary."""

    summary: str
    verdict: VerdictName
    reason: CanaryReason
    sentence: str  # reason in words
    counts: bool  # whether the verdict depends on it; false if neither side has enough rows
    component: str  # component that differs, or is least certain; empty without a judged window
    effect: float | None  # candidate minus stable
    noise: float | None  # standard deviation of the effect
    tolerance: float | None  # largest difference that counts as none
    unit: str  # unit of effect, noise and tolerance
    windows: int  # number of judged windows
    window_seconds: float
    candidate_rows: int
    stable_rows: int
    noise_learned: bool  # whether the noise comes from a learned baseline


class CanaryView(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a candidate."""

    entity: str
    verdict: VerdictName
    value: int  # 1 for pass, 0 for hold, -1 for fail
    reason: CanaryReason
    sentence: str  # reason in words
    start: float  # start of the compared time, which is the candidate's first window
    end: float  # end of the newest complete window
    candidate: list[str]  # label sets as text: key=value,key=value
    stable: list[str]
    summaries: list[CanarySummaryView]  # failures first


async def read_canary(call: Call) -> CanaryView:
    """Return the verdict on a candidate.

    Raises:
        Forbidden: If the caller may not read the candidate's entity.
    """
    question = _question(call)
    if question.candidate_entity is not None:
        call.access.require([question.candidate_entity])
    context = call.context

    def answer() -> CanaryView:
        rule = rule_of(current_rules(context.store, context.watch_rules), question.entity)
        verdict = Canaries(context.store, context.clock).verdict(question, rule)
        return canary_view(question.entity, verdict)

    return await context.ask(answer)


async def check_canary(call: Call) -> CanaryView:
    """Return the verdict if it is accepted.

    Raises:
        Forbidden: As `read_canary`.
        ApiError: 412 if the verdict is not accepted.
    """
    accepted = call.parameters.value(ACCEPT) or (Outcome.PASS.value, Outcome.HOLD.value)
    view = await read_canary(call)
    if view.verdict not in accepted:
        raise ApiError(412, f"{view.verdict}: {view.sentence}")
    return view


def canary_view(entity: str, verdict: Verdict) -> CanaryView:
    """Return the *verdict* as the API shows it."""
    known = {
        "entity": entity,
        "verdict": verdict.outcome.value,
        "value": _VALUES[verdict.outcome],
        "reason": verdict.reason.value,
        "sentence": verdict.sentence,
        "start": seconds(verdict.start_ns),
        "end": seconds(verdict.end_ns),
        "candidate": list(verdict.candidate),
        "stable": list(verdict.stable),
        "summaries": [_summary_view(one) for one in verdict.summaries],
    }
    return msgspec.convert(known, CanaryView)


def _summary_view(one: SummaryVerdict) -> CanarySummaryView:
    found = one.difference
    effect = None if found is None else found.effect
    known = {
        "summary": one.summary,
        "verdict": one.outcome.value,
        "reason": one.reason.value,
        "sentence": one.sentence,
        "counts": one.counts,
        "component": "" if found is None else found.component,
        "effect": None if found is None or effect is None else effect.value * found.direction,
        "noise": None if effect is None else effect.noise,
        "tolerance": None if found is None else found.tolerance,
        "unit": "" if found is None else Unit.of(found.component).value,
        "windows": 0 if found is None else found.windows,
        "window_seconds": seconds(one.window_ns),
        "candidate_rows": one.candidate_rows,
        "stable_rows": one.stable_rows,
        "noise_learned": one.learned,
    }
    return msgspec.convert(known, CanarySummaryView)


def _question(call: Call) -> Question:
    parameters = call.parameters
    candidate, stable = parameters.value(CANDIDATE), parameters.value(STABLE)
    newest = parameters.value(NEWEST)
    return Question(
        entity=parameters.value(ENTITY),
        candidate=LabelFilter.of(candidate) if candidate else None,
        candidate_entity=parameters.value(CANDIDATE_ENTITY),
        newest=newest[0] if newest else NEWEST_KEY,
        stable=LabelFilter.of(stable) if stable else None,
        summary=parameters.value(PATTERN) or "*",
        start_ns=parameters.value(SINCE),
        least_windows=parameters.value(WINDOWS),
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/canary",
        name="readCanary",
        about="Compare a candidate with the stable side: pass, hold or fail.",
        handler=read_canary,
        answer=CanaryView,
        parameters=_PARAMETERS,
        errors=(404, 422),
    ),
    Operation(
        method="POST",
        path="/api/v1/canary",
        name="checkCanary",
        about="Compare as `canary` does, and return the verdict as a status, for webhooks.",
        handler=check_canary,
        answer=CanaryView,
        parameters=(*_PARAMETERS, ACCEPT),
        errors=(404, 412, 422),
    ),
)
