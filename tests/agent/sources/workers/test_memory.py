"""Frames in progress use bounded memory, and small frames get through at the limit."""

from nilometer_agent.sources.workers.memory import (
    LARGE_BYTES,
    MAX_FRAMES_BYTES,
    MAX_LARGE_BYTES,
    FrameMemory,
)

LARGE = 4 << 20


def test_large_frames_leave_room_for_small_ones() -> None:
    memory = FrameMemory()
    granted = [memory.take(who, LARGE) for who in range(64)]
    assert granted == [True] * (MAX_LARGE_BYTES // LARGE) + [False] * (64 - 3)
    assert memory.held == MAX_LARGE_BYTES
    small = [memory.take(-1 - who, LARGE_BYTES) for who in range(20)]
    assert small == [True] * 16 + [False] * 4
    assert memory.held == MAX_FRAMES_BYTES


def test_what_is_given_back_is_granted_again_once() -> None:
    memory = FrameMemory()
    for who in range(3):
        assert memory.take(who, LARGE)
    memory.give_back(0)
    memory.give_back(0)
    assert memory.held == 2 * LARGE
    assert memory.take(3, LARGE)
    assert not memory.take(4, LARGE)


def test_large_frames_are_granted_in_the_order_in_which_they_asked() -> None:
    memory = FrameMemory()
    for who in range(3):
        memory.take(who, LARGE)
    assert not memory.take("first", LARGE)
    assert not memory.take("second", LARGE_BYTES + 1)
    memory.give_back(0)
    assert not memory.take("second", LARGE_BYTES + 1)  # it would fit
    assert memory.take("first", LARGE)
    memory.give_back(1)
    assert memory.take("second", LARGE_BYTES + 1)


def test_who_leaves_holds_up_nobody_behind_it() -> None:
    memory = FrameMemory()
    for who in range(3):
        memory.take(who, LARGE)
    assert not memory.take("gone", LARGE)
    assert not memory.take("behind", LARGE)
    memory.give_back("gone")
    memory.give_back(0)
    assert memory.take("behind", LARGE)
