from nilometer.alert.calibrated.episodes import (
    JOIN_WINDOWS,
    EntityEpisodes,
    EpisodeChanges,
    PartKey,
)
from nilometer.values.labels import Labels

BASE = 300


class Entity:
    def __init__(self) -> None:
        self.episodes = EntityEpisodes()

    def go(
        self,
        window: int,
        opened: dict[PartKey, float] | None = None,
        closed: tuple[PartKey, ...] = (),
    ) -> EpisodeChanges:
        self.episodes, told = self.episodes.after(
            opened=opened or {}, closed=closed, end_ns=window * BASE, join_ns=JOIN_WINDOWS * BASE
        )
        return told


A, B, C = (PartKey(f"input.{name}") for name in "abc")
SEGMENT = PartKey("input.a", Labels.of(region="eu"))


def test_parts_that_open_together_are_told_once() -> None:
    entity = Entity()
    told = entity.go(100, {A: 2.0, B: 5.0})
    assert len(told.opened) == 1
    assert told.opened[0].lead == B


def test_a_part_joins_for_twelve_windows() -> None:
    entity = Entity()
    entity.go(100, {A: 2.0})
    told = entity.go(100 + JOIN_WINDOWS, {B: 1.0})
    assert (told.opened, told.joined) == ((), ((1, B),))
    assert len(entity.go(101 + JOIN_WINDOWS, {C: 1.0}).opened) == 1


def test_an_episode_closes_with_its_last_part() -> None:
    entity = Entity()
    entity.go(100, {A: 2.0, B: 1.0})
    assert entity.go(120, closed=(A,)).closed == ()
    (closed,) = entity.go(130, closed=(B,)).closed
    assert (closed.id, closed.closed_ns) == (1, 130 * BASE)
    assert not entity.episodes.open


def test_a_part_that_opens_as_the_last_one_closes_starts_an_episode() -> None:
    entity = Entity()
    entity.go(100, {A: 2.0})
    told = entity.go(104, {B: 1.0}, closed=(A,))
    assert [episode.id for episode in told.closed] == [1]
    assert [episode.id for episode in told.opened] == [2]


def test_segments_annotate_a_part_of_all_traffic() -> None:
    entity = Entity()
    entity.go(100, {A: 2.0})
    entity.go(101, {SEGMENT: 3.0})
    assert entity.episodes.open[1].segments == {SEGMENT}


def test_a_segment_alone_is_a_part_like_any_other() -> None:
    (episode,) = Entity().go(100, {SEGMENT: 3.0}).opened
    assert (episode.segments, episode.lead) == (frozenset(), SEGMENT)
