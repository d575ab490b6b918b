"""Which waiting notifications share a message."""

from nilometer_collector.store.composing import Waiting, compose

OPENED, CLOSED = "ALERTING", "OK"


def waiting(*changes: tuple[int, str]) -> list[Waiting]:
    """Return the notifications of one entity, oldest first, from episodes and states."""
    return [
        Waiting(
            id=at,
            key=str(at),
            is_sealed=False,
            entity="m",
            episode=episode,
            status=status,
            created_ns=at,
        )
        for at, (episode, status) in enumerate(changes)
    ]


def messages(left: list[Waiting]) -> list[list[tuple[int, str]]]:
    """Return what each message tells until nothing waits."""
    found = []
    while left:
        chosen = compose(left, None, is_grouping=True).chosen
        found.append([(one.episode, one.status) for one in chosen])
        left = [one for one in left if one not in chosen]
    return found


def test_closings_between_openings_come_first_so_that_all_openings_share_a_message() -> None:
    left = waiting((4, OPENED), (1, CLOSED), (5, OPENED), (2, CLOSED), (6, OPENED), (3, CLOSED))
    assert messages(left) == [
        [(1, CLOSED), (2, CLOSED), (3, CLOSED)],
        [(4, OPENED), (5, OPENED), (6, OPENED)],
    ]


def test_a_closing_waits_for_its_own_opening() -> None:
    left = waiting((4, OPENED), (4, CLOSED), (1, CLOSED), (5, OPENED))
    assert messages(left) == [
        [(1, CLOSED)],
        [(4, OPENED)],
        [(4, CLOSED)],
        [(5, OPENED)],
    ]


def test_an_opening_before_all_closings_comes_first() -> None:
    assert messages(waiting((4, OPENED), (1, CLOSED))) == [[(4, OPENED)], [(1, CLOSED)]]
