"""Causes: segments in which a share changed, while it did not in the others.

Every segment is compared with its own past. The largest score counts, over all segments that were tried
(Bonferroni). A segment is a cause if most of the change is in it, although most rows are not.

Source: Bhagwan et al., "Adtributor: Revenue Debugging in Advertising Systems" (2014), for the explanatory
power of a segment.
"""

from collections.abc import Iterator, Sequence

from nilometer.causes.cause import Cause, CauseKind, Share, Untold
from nilometer.causes.movement import Movements
from nilometer.causes.scene import Scene, Segment, SegmentRate
from nilometer.causes.shares import Counted, percent, quantile
from nilometer.values.labels import Labels

LEAST_EXPLAINED = 2.0 / 3.0  # smallest part of the change that a segment must have
MOST_ROWS = 0.5  # largest share of rows: a change in most rows is a change of everything
LEAST_ROWS = 30.0  # fewest rows of each side of a segment
ONLY_SCORE = 1.0  # score of a segment that has every drift
MOST_SHOWN = 32  # segments in a picture
LIKELY = 2.0  # standard deviations of the change of the other segments that are chance


def segments(scene: Scene, movements: Movements) -> Iterator[Cause | Untold]:
    """Yield the segments that explain the change of a rate."""
    del movements
    found: dict[tuple[str, str], Cause] = {}
    tried = 0
    for rate in scene.rates:
        usable = [one for one in rate.segments if _is_usable(one)]
        tried += len(usable)
        cause = _of_rate(rate, usable)
        if cause is not None:
            key = cause.labels.pairs[0]
            if key not in found or found[key].score < cause.score:
                found[key] = cause
    only = {labels for _, labels in scene.drifts}
    if len(scene.drifts) > 1 and len(only) == 1 and len(labels := only.pop()):
        yield Cause(
            kind=CauseKind.SEGMENT,
            sentence=f"All {len(scene.drifts)} drifts are in {labels} only.",
            score=ONLY_SCORE,
            labels=labels,
        )
        return
    yield from found.values()
    if found:
        return
    if tried:
        yield Untold(
            CauseKind.SEGMENT,
            f"No segment stands out: none of the {tried} that were tried has most of a change.",
        )
    elif scene.rates:
        yield Untold(
            CauseKind.SEGMENT,
            "Cannot tell which segment changed: no segment has enough rows before the onset and since.",
        )
    else:
        yield Untold(
            CauseKind.SEGMENT,
            "Cannot tell which segment changed: the samples have no label with several values.",
        )


def _is_usable(one: Segment) -> bool:
    return min(one.before_rows, one.now_rows) >= LEAST_ROWS


def _of_rate(rate: SegmentRate, usable: Sequence[Segment]) -> Cause | None:
    """Return the segment with the largest score, if it explains the change of *rate*."""
    if len(usable) < 2:
        return None
    best = max(usable, key=lambda one: abs(_counted(one).score))
    counted = _counted(best)
    if abs(counted.score) < quantile(2 * len(usable)) or not _explains(best, usable):
        return None
    rest = _together([one for one in usable if one.key == best.key and one is not best])
    sentence = (
        f"In {best.key}={best.value}, {percent(counted.share_now)} {rate.what}; before it was "
        f"{percent(counted.share_before)}. In all other segments it is {percent(rest.share_now)}, and "
        f"was {percent(rest.share_before)} ({len(usable)} segments tried)."
    )
    strength = counted.strength(2 * len(usable))
    return Cause(
        kind=CauseKind.SEGMENT,
        sentence=sentence,
        score=strength,
        summary=rate.summary,
        labels=Labels.of({best.key: best.value}),
        shares=_picture(best, usable),
    )


def _explains(best: Segment, usable: Sequence[Segment]) -> bool:
    """Return whether most of the change is in *best*, although most rows are not."""
    same = [one for one in usable if one.key == best.key]
    if len(same) < 2:
        return False
    sign = 1.0 if _counted(best).change > 0 else -1.0
    changes = {one.value: sign * _counted(one).change * one.now_rows for one in same}
    total = sum(max(change, 0.0) for change in changes.values())
    rest = [one for one in same if one is not best]
    noise = _counted_sum_deviation(rest)
    others = sum(changes[one.value] for one in rest)
    part = changes[best.value] / (changes[best.value] + max(others - LIKELY * noise, 0.0))
    rows = best.now_rows / sum(one.now_rows for one in same)
    return total > 0.0 and part >= LEAST_EXPLAINED and rows <= MOST_ROWS


def _counted_sum_deviation(rest: Sequence[Segment]) -> float:
    """Return the standard deviation of the number of changed rows of the other segments, by chance."""
    return float(sum((_counted(one).deviation * one.now_rows) ** 2 for one in rest) ** 0.5)


def _together(rest: Sequence[Segment]) -> Counted:
    return Counted(
        sum(one.before for one in rest),
        sum(one.before_rows for one in rest),
        sum(one.now for one in rest),
        sum(one.now_rows for one in rest),
    )


def _counted(one: Segment) -> Counted:
    return Counted(one.before, one.before_rows, one.now, one.now_rows)


def _picture(best: Segment, usable: Sequence[Segment]) -> tuple[Share, ...]:
    same = [one for one in usable if one.key == best.key]
    same.sort(key=lambda one: (-abs(_counted(one).score), one.value))
    counts = [(one, _counted(one)) for one in same[:MOST_SHOWN]]
    return tuple(
        Share(f"{one.key}={one.value}", count.share_before, count.share_now, one is best)
        for one, count in counts
    )
