"""A server waits for few peers and a short time, and drops the longest wait first."""

from hypothesis import given
from hypothesis import strategies as st

from nilometer.serving.waiting import Waiting

MOST, MOST_OF_GROUP = 6, 3


class Peers:
    """A place for peers, and who was ended, in order."""

    def __init__(self, seconds: float = 10.0) -> None:
        self.waiting: Waiting[int] = Waiting(MOST, MOST_OF_GROUP, seconds)
        self.ended: list[int] = []

    def begin(self, key: int, now: float = 0.0, *groups: str) -> None:
        self.waiting.begin(key, now, lambda: self.ended.append(key), groups)


def test_the_peer_that_is_waited_for_longest_makes_room() -> None:
    peers = Peers()
    for key in range(MOST + 2):
        peers.begin(key)
    assert peers.ended == [0, 1]
    peers.begin(2)  # its turn again: the last now
    peers.begin(100)
    assert peers.ended == [0, 1, 3]
    assert (len(peers.waiting), peers.waiting.ended) == (MOST, 3)


def test_a_group_makes_room_among_its_own() -> None:
    peers = Peers()
    peers.begin(0, 0.0, "a")
    for key in range(1, 5):
        peers.begin(key, 0.0, "b")
    assert peers.ended == [1]
    peers.waiting.over(2)
    peers.begin(5, 0.0, "b")
    assert peers.ended == [1]


def test_a_wait_has_an_end_and_what_is_over_is_not_ended() -> None:
    peers = Peers(seconds=10.0)
    for key in range(4):
        peers.begin(key, float(key))
    peers.waiting.over(1)
    peers.waiting.expire(11.5)
    assert peers.ended == [0]
    peers.waiting.expire(12.0)
    assert peers.ended == [0, 2]
    peers.waiting.over(3)
    peers.waiting.expire(100.0)
    assert peers.ended == [0, 2]
    assert not peers.waiting.end_longest()


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.sampled_from(["", "a", "b"]))))
def test_no_bound_is_ever_broken(steps: list[tuple[int, bool, str]]) -> None:
    peers = Peers()
    groups: dict[int, str] = {}
    for now, (key, arrives, group) in enumerate(steps):
        if arrives:
            groups[key] = group
            peers.begin(key, float(now), *filter(None, (group,)))
        else:
            peers.waiting.over(key)
        held = list(peers.waiting._peers)
        assert len(held) <= MOST
        for name in ("a", "b"):
            members = [key for key in held if groups[key] == name]
            assert len(members) <= MOST_OF_GROUP
            assert members == list(peers.waiting._groups.get(name, ()))
