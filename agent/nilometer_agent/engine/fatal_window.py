"""Finds out, in child processes, whether closing a window crashes every process."""

import dataclasses
import logging
import os
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from nilometer.wire.samples import samples_to_bytes
from nilometer_agent.engine.accounts import lost
from nilometer_agent.engine.judge import OpenWindow, judge
from nilometer_agent.engine.trial import Trial
from nilometer_agent.outbox.rows import Partial
from nilometer_agent.uplink.plan import ActivePlan

_HEAD = struct.Struct("<qqq")  # id, observations, and length of the payload; -1 if it is damaged

log = logging.getLogger("nilometer.agent")


def kills(window: OpenWindow, plan: ActivePlan, trial: Trial, directory: Path) -> bool:
    """Return whether every process that closes *window* dies.

    A child cannot use the parent's database. So the partial profiles are copied to an unnamed
    temporary file in *directory*, and the child reads that file.
    """
    try:
        with tempfile.TemporaryFile(dir=directory) as copy:
            for partial in window.read():
                copy.write(_encoded(partial))
            copy.flush()
            read = _reader(copy.fileno())
            copied = dataclasses.replace(window, read=read)
            harmless = dataclasses.replace(window, read=lambda: [_harmless(window)], size=0)
            without_alerters = ActivePlan([], [])
            return trial.kills(
                lambda: judge(copied, plan), lambda: judge(harmless, without_alerters)
            )
    except OSError as error:
        log.warning("suspect window not tested, cannot create a temporary file: %s", error.strerror)
        return False


def _harmless(window: OpenWindow) -> Partial:
    _, samples, _ = lost(window.key, 1)
    return Partial(1, samples_to_bytes(samples), 1)


def _encoded(partial: Partial) -> bytes:
    payload = partial.payload
    length = -1 if payload is None else len(payload)
    return _HEAD.pack(partial.id, partial.observations, length) + (payload or b"")


def _reader(file: int) -> Callable[[], Iterable[Partial]]:
    """Return a function that reads the partial profiles in an open file, from its start."""

    def read() -> Iterator[Partial]:
        at = 0
        while head := os.pread(file, _HEAD.size, at):
            identity, observations, length = _HEAD.unpack(head)
            at += _HEAD.size
            payload = None if length < 0 else os.pread(file, length, at)
            at += max(length, 0)
            yield Partial(identity, payload, observations)

    return read
