"""Rows without names get names that no other row has, however many arrive at the same time."""

import threading

from nilometer_collector.api.sources import OwnSource


def test_a_slow_shipment_delays_no_other_one() -> None:
    source, entered, released = OwnSource(), threading.Event(), threading.Event()
    named: list[tuple[bytes, int]] = []

    def slow(epoch: bytes, first: int) -> None:
        named.append((epoch, first))
        entered.set()
        released.wait(30)

    thread = threading.Thread(target=source.name, args=(2, slow))
    thread.start()
    assert entered.wait(30)
    source.name(3, lambda epoch, first: named.append((epoch, first)))
    released.set()
    thread.join()
    source.name(1, lambda epoch, first: named.append((epoch, first)))
    (one, _), (other, _), _ = named
    assert one != other
    assert named[2] == (one, 3)


def test_a_failed_shipment_gives_its_names_to_no_other_one() -> None:
    source = OwnSource()

    def fails(epoch: bytes, first: int) -> None:
        raise OSError

    for first in (1, 3):
        try:
            source.name(2, fails)
        except OSError:
            assert source.name(0, lambda _, first: first) == first + 2
