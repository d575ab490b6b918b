"""No request leaves an object behind, and one that gets no memory harms nothing."""

import contextlib
import gc
import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from support.lane_rig import BODY, observing, packed, response, run, scope_of, serving


async def fails(*_: Any) -> None:
    raise LookupError


async def answers_nothing(*_: Any) -> None:
    return


APPLICATIONS = {
    "plain": serving(*response()),
    "in chunks": serving(*response(more_body=True), {"type": "http.response.body", "body": b"2"}),
    "headers of another type": serving(*response(headers=((b"content-type", b"text/csv"),))),
    "an error": serving(*response(status=503)),
    "raises": fails,
    "no response": answers_nothing,
    "larger than the cap": serving(*response(b"x" * 300_000)),
}


@pytest.mark.parametrize("app", APPLICATIONS.values(), ids=APPLICATIONS)
def test_no_object_is_left(app: Any) -> None:
    middleware = observing(app)

    def serve(count: int) -> None:
        for _ in range(count):
            with contextlib.suppress(LookupError):
                run(middleware, scope_of())
            assert len(packed(middleware)) == 1

    serve(100)
    before = counts()
    serve(1000)
    after = counts()
    assert max(new - old for new, old in zip(after, before, strict=True)) < 20


def counts() -> list[int]:
    gc.collect()
    return [len(gc.get_objects()), sys.getallocatedblocks()]


def test_constants_keep_their_references() -> None:
    middleware = observing(serving(*response()))
    kept = (b"", (), 0, None, True, False, BODY)
    run(middleware, scope_of())
    before = [sys.getrefcount(one) for one in kept]
    for _ in range(1000):
        run(middleware, scope_of())
        packed(middleware)
    after = [sys.getrefcount(one) for one in kept]
    assert max(abs(new - old) for new, old in zip(after, before, strict=True)) < 200


def test_a_collection_at_every_allocation_changes_nothing() -> None:
    middleware = observing(serving(*response()))
    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        for _ in range(20):
            run(middleware, scope_of())
    finally:
        gc.set_threshold(*before)
    assert len(packed(middleware)) == 20


def test_a_request_without_memory_harms_nothing() -> None:
    """Fail the allocation number n of a request, for every n: the process must not crash."""
    pytest.importorskip("_testcapi")
    code = """
        import _testcapi, sys
        from support.lane_rig import observing, run, scope_of, serving, response, packed
        middleware = observing(serving(*response()))
        run(middleware, scope_of())
        survived = 0
        for number in range(400):
            scope = scope_of()
            _testcapi.set_nomemory(number, number + 1)
            try:
                run(middleware, scope)
            except MemoryError:
                pass
            except Exception:
                pass
            finally:
                _testcapi.remove_mem_hooks()
            survived += 1
        run(middleware, scope_of())
        assert packed(middleware)[-1], "nothing was observed"
        print(survived)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "400"


def test_a_call_without_memory_harms_nothing() -> None:
    """Fail the allocation number n of a call, for every n: the process must not crash."""
    pytest.importorskip("_testcapi")
    code = """
        import _testcapi, sys
        import nilometer
        from support.call_rig import Observed
        def function(row):
            nilometer.log(a=1.5)
            return row
        observed = Observed(function)
        observed.worker.notes = True
        observed.call({"a": 1.5})
        survived = 0
        for number in range(200):
            _testcapi.set_nomemory(number, number + 1)
            try:
                observed.call({"a": 1.5})
            except MemoryError:
                pass
            finally:
                _testcapi.remove_mem_hooks()
            survived += 1
        observed.worker.live = True  # the guard may have paused it
        observed.call({"a": 1.5})
        assert observed.packed()[-1], "nothing was observed"
        print(survived)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "200"
