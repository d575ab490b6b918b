"""Slow questions run one after another, and only a few may wait."""

import threading
from typing import Any

import anyio
import pytest

from nilometer.testing import SteppedClock
from nilometer_collector.api.operation import MOST_WAITING, Context
from nilometer_collector.errors import Busy

UNUSED: Any = None


@pytest.mark.anyio
async def test_a_slow_question_is_refused_while_others_wait() -> None:
    context = Context(
        store=UNUSED,
        query=UNUSED,
        pipeline=UNUSED,
        clock=SteppedClock(),
        counters=UNUSED,
        wake=UNUSED,
        receivers=UNUSED,
        targets=UNUSED,
        causes=UNUSED,
    )
    over = threading.Event()
    async with anyio.create_task_group() as group:
        try:
            for _ in range(1 + MOST_WAITING):
                group.start_soon(context.ask_slowly, over.wait)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(Busy, match="try again later"):
                await context.ask_slowly(over.wait)
        finally:
            over.set()
    assert await context.ask_slowly(over.wait)
