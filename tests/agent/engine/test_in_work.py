"""An agent records the batch that it processes, and its successor reads the record."""

import errno
import logging
import os
from pathlib import Path

import pytest

from nilometer_agent.engine.in_work import FILE, MAX_BATCHES, MAX_SUSPECTS, InWork

WORKER = b"w" * 16
OTHER = b"o\0"  # names may end in zeros


def begin_suspect(in_work: InWork, worker: bytes, sequence: int) -> None:
    suspect = in_work.suspect(worker, sequence)
    assert suspect is not None
    in_work.begin_alone(suspect, worker, sequence)


def ends(in_work: InWork, worker: bytes, sequence: int) -> int | None:
    suspect = in_work.suspect(worker, sequence)
    return None if suspect is None else suspect.ends


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE


def test_what_was_in_work_at_the_end_is_suspect_at_the_next_start(path: Path) -> None:
    first = InWork(path, {})
    first.begin(WORKER, 1)
    first.clear()
    first.begin(WORKER, 2)
    first.begin(OTHER, 9)
    second = InWork(path, {})
    assert ends(second, WORKER, 1) is None
    assert ends(second, WORKER, 2) == 0  # with another one
    assert ends(second, OTHER, 9) == 0
    assert ends(second, OTHER[:1], 9) == 0  # the zeros that fill a slot up are no part of a name


def test_an_end_with_one_batch_in_work_is_counted_against_it(path: Path) -> None:
    for expected in range(1, 4):
        one = InWork(path, {})
        if expected == 1:
            one.begin(WORKER, 5)
        else:
            begin_suspect(one, WORKER, 5)
        assert ends(InWork(path, {}), WORKER, 5) == expected


def test_an_end_before_it_comes_again_is_not_counted(path: Path) -> None:
    InWork(path, {}).begin(WORKER, 5)
    for _ in range(3):
        assert ends(InWork(path, {}), WORKER, 5) == 1


def test_a_suspect_keeps_its_ends_while_others_are_in_work(path: Path) -> None:
    InWork(path, {}).begin(WORKER, 5)
    second = InWork(path, {})
    second.begin(OTHER, 1)
    third = InWork(path, {})
    assert ends(third, WORKER, 5) == 1
    assert ends(third, OTHER, 1) == 1


def test_what_is_committed_is_no_suspect(path: Path) -> None:
    first = InWork(path, {})
    for sequence in (3, 4, 5):
        first.begin(WORKER, sequence)
    second = InWork(path, {WORKER: 4})  # killed between the commit and `clear`
    assert ends(second, WORKER, 4) is None
    assert ends(second, WORKER, 5) == 1
    begin_suspect(second, WORKER, 5)
    second.clear()
    assert ends(second, WORKER, 5) is None
    assert ends(InWork(path, {}), WORKER, 5) is None


def test_suspects_that_are_done_leave_the_others(path: Path) -> None:
    first = InWork(path, {})
    for sequence in range(1, 6):
        first.begin(WORKER, sequence)
    second = InWork(path, {})
    begin_suspect(second, WORKER, 2)
    second.clear()
    second.begin(OTHER, 1)
    third = InWork(path, {})
    assert [ends(third, WORKER, n) for n in range(1, 6)] == [0, None, 0, 0, 0]
    assert ends(third, OTHER, 1) == 1


def test_the_file_is_bounded(path: Path) -> None:
    first = InWork(path, {})
    for sequence in range(1, 5000):
        first.begin(WORKER, sequence)
    size = path.stat().st_size
    second = InWork(path, {})
    for sequence in range(1, 5000):
        second.begin(OTHER, sequence)
    third = InWork(path, {})
    found = [n for n in range(1, 5000) if third.suspect(OTHER, n)]
    assert found == list(range(1, MAX_SUSPECTS + 1))  # the newest end comes first
    assert path.stat().st_size <= size * (MAX_SUSPECTS + MAX_BATCHES) // MAX_BATCHES


def test_a_file_of_anything_names_what_nobody_sends(path: Path) -> None:
    path.write_bytes(os.urandom(100_000))
    path.chmod(0o600)
    one = InWork(path, {})
    assert ends(one, WORKER, 1) is None
    one.begin(WORKER, 1)
    one.clear()


def test_a_disk_that_refuses_costs_the_suspicion_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    one = InWork(path, {})
    monkeypatch.setattr(os, "pwrite", full)
    with caplog.at_level(logging.ERROR):
        for sequence in range(1, 9):
            one.begin(WORKER, sequence)
        one.clear()
    (line,) = [record.getMessage() for record in caplog.records]
    assert "No space left on device" in line


def test_without_a_file_nothing_is_named() -> None:
    one = InWork(None, {})
    one.begin(WORKER, 1)
    one.clear()
    assert one.suspect(WORKER, 1) is None
    one.close()


def test_what_is_there_and_no_file_of_ours_is_left_alone(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"theirs")
    path.symlink_to(target)
    InWork(path, {}).begin(WORKER, 1)
    assert target.read_bytes() == b"theirs"
