"""What fixed and range conditions share: a statistic of the window's content."""

from nilometer.alert.conditions.condition import WrongField
from nilometer.alert.judgement import Judgement, Verdict
from nilometer.alert.statistic import CELL_SHARES, STATISTICS, statistic_of
from nilometer.profile.content import Content


def wrong_statistic(statistic: str) -> WrongField | None:
    """The field, if there is no such statistic."""
    if statistic in STATISTICS:
        return None
    return WrongField("statistic", statistic, f"one of {', '.join(STATISTICS)}")


def value_of(statistic: str, content: Content) -> float | None:
    """*statistic* of *content*; None where it does not exist."""
    return statistic_of(content, statistic)


def observations_behind(statistic: str, content: Content) -> int:
    """How many observations *statistic* rests on: cells for a share of cells, else values."""
    shares = statistic in CELL_SHARES
    return content.cells if shares else content.count


def without_value(statistic: str) -> Judgement:
    """What is said of content that has no such statistic."""
    return Judgement(Verdict.NOT_JUDGED, f"{statistic} does not exist for this summary")


def with_value(
    statistic: str, content: Content, value: float, limit_text: str, *, breached: bool
) -> Judgement:
    """What is said of a *value* of *statistic*."""
    evidence = (
        f"{statistic} is {value:.4g} ({limit_text}) over "
        f"{observations_behind(statistic, content)} observations"
    )
    return Judgement(Verdict.of(breached=breached), evidence, value)
