"""The judge of an entity, made of the subjects that have a baseline."""

from nilometer.alert.calibrated.counting import is_pooled
from nilometer.alert.calibrated.episodes import JOIN_WINDOWS
from nilometer.alert.calibrated.group import Subject
from nilometer.alert.calibrated.judge import Judge
from nilometer.alert.calibrated.model import Judged
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.watch.memory import Book


def judge_of(book: Book, rule: WatchRule, performance: str | None = None) -> Judge:
    """Return the judge of the subjects of *book* that have a baseline.

    All summaries share one budget, whichever judge they have.

    Args:
        book: Subjects of the entity.
        rule: Settings for the entity.
        performance: Summary of performance, which has a judge of its own. None is the judge of all
            other summaries.
    """
    subjects = subjects_of(book, rule, performance)
    # Label sets with long windows notice one change in different windows.
    longest = max((subject.length for subject in subjects), default=1)
    return Judge(
        subjects,
        zone=rule.zone,
        holidays=rule.holiday_dates,
        budget=rule.budget,
        join_windows=JOIN_WINDOWS if performance is None else max(JOIN_WINDOWS, 2 * longest),
    )


def subjects_of(book: Book, rule: WatchRule, performance: str | None = None) -> list[Subject]:
    """Return the subjects of *book* that have a baseline; see `judge_of`."""
    ready = [one for one in book.every if one.reason is None]
    summaries = {one.key.summary for one in ready}
    segments = {
        summary: sum(one.key.summary == summary and not is_pooled(one.key) for one in ready)
        for summary in summaries
    }
    own = book.watched
    if performance is not None:
        own = tuple(one for one in book.performance if one.key.summary == performance)
    subjects = []
    for one in own:
        if one.baseline is None or one.reason is not None:
            continue
        several = segments[one.key.summary]
        label_share = 1.0 if not several else 0.5 if is_pooled(one.key) else 0.5 / several
        judged = Judged(
            column=one.counted.column,
            baseline=one.baseline,
            tolerance=rule.tolerance(one.key.summary, one.counted.tolerance),
            factor=one.phase.factor,
        )
        share = label_share / len(summaries)
        subjects.append(
            Subject(
                key=one.key,
                judged=judged,
                length=one.length,
                share=share,
                patience=-(-one.patience_ns // (one.length * BASE_NS)),
            )
        )
    return subjects
