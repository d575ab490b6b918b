"""The rows of a message's table: what moved, how far, and since when."""

from dataclasses import dataclass
from functools import singledispatch

from nilometer.alert import AlertStatus, Condition, Fixed, Range
from nilometer.alert.calibrated.effects import Unit
from nilometer.values.entity import role_of
from nilometer.values.labels import Labels
from nilometer.values.times import time_text
from nilometer_collector.store import EpisodeRecord, Notice, PartRecord, TransitionRecord

_UNITS = {Unit.DEVIATIONS.value: "sd", Unit.SHAPE.value: "chi-square a row"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing that moved: a row of the message's table.

    Attributes:
        where: Segment and stage, such as ``version=v8, input``.
        summary: Name of the summary.
        moved: How far it moved, against what noise or limit.
        since_ns: Estimated start.
        trend: The last two hours as bars; empty if unknown.
    """

    where: str
    summary: str
    moved: str
    since_ns: int
    trend: str = ""

    @property
    def since(self) -> str:
        """The start, as text."""
        return time_text(self.since_ns)


def row_of_part(part: PartRecord) -> Row:
    """Return the row of a part of an episode of the default alerter."""
    unit = part.unit
    side = "above" if part.direction > 0 else "below"
    moved = (
        f"{part.component} {_amount(part.effect, unit)} {side} normal (at least "
        f"{_amount(part.bound, unit)}, noise and tolerance {_amount(part.tolerance, unit)})"
    )
    return Row(
        where=_where(part.labels, part.summary),
        summary=part.summary,
        moved=moved,
        since_ns=part.onset_ns,
    )


def row_of_episode(notice: Notice) -> Row:
    """Return the row of an episode of another alerter, as *notice* tells it."""
    episode, condition = notice.episode, notice.transition.alerter.condition
    return Row(
        where=_where(episode.labels, episode.summary),
        summary=episode.summary,
        moved=f"{_figure(episode, notice.transition)} ({_limit(condition)})",
        since_ns=episode.since_ns,
    )


def _figure(episode: EpisodeRecord, transition: TransitionRecord) -> str:
    """Return the value of *transition* with the end of its window, and the worst one of a closing.

    A closing without a judged window, such as that of a deleted alerter, has only the worst one.
    """
    condition = transition.alerter.condition
    value = f"{condition.measure} = {_number(condition, transition.value)}"
    worst_at = "" if episode.worst_ns is None else f" at {time_text(episode.worst_ns)}"
    if transition.status == AlertStatus.ALERTING.value:
        return f"{value} at {time_text(transition.at_ns)}"
    if transition.status != AlertStatus.OK.value:
        return f"worst {value}{worst_at}"
    worst = f", worst {_number(condition, episode.worst)}{worst_at}" if worst_at else ""
    return f"{value} at {time_text(transition.at_ns)}{worst}"


def _number(condition: Condition, value: float) -> str:
    return f"{value:.4g} {condition.unit}".rstrip()


def _where(labels: Labels, summary: str) -> str:
    """Return the segment and the stage, in this order."""
    role = role_of(summary)
    stage = summary.partition(".")[0] if role is None else role.value.replace("_", " ")
    return f"{labels}, {stage}" if len(labels) else stage


@singledispatch
def _limit(condition: Condition) -> str:
    """Return the limit of *condition*, in words."""
    return condition.limit_text


@_limit.register
def _(condition: Fixed) -> str:
    return f"alerts when {condition.side.value} {condition.threshold:g}"


@_limit.register
def _(condition: Range) -> str:
    return f"fine in {condition.low:g} to {condition.high:g}"


def _amount(value: float, unit: str) -> str:
    """Return *value* with its *unit*, which an older or newer version may have stored."""
    if unit == Unit.SHARE.value:
        return f"{100 * value:.2g} %"
    return f"{value:.2g} {_UNITS.get(unit, unit)}"
