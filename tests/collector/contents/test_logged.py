"""The view of logged contents shows what a merge folded."""

from msgspec import UNSET

from nilometer.profile.logged.amounts import Aggregation, Head
from nilometer.profile.logged.line import MAX_MERGED_POINTS, MAX_POINTS, Line
from nilometer_collector.contents.logged import logged_view


def test_a_line_shows_its_points_over_the_limit_merged() -> None:
    points = [(float(x), 1.0) for x in range(9 * MAX_POINTS)]
    parts = [Line.of(points[at::9], Head(Aggregation.SUM)) for at in range(9)]
    view = logged_view(Line.merge_all(parts))
    assert view.points == [[x, y] for x, y in points[:MAX_MERGED_POINTS]]
    assert view.overflow == len(points) - MAX_MERGED_POINTS
    assert logged_view(parts[0]).overflow is UNSET
