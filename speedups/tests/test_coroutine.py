"""What a call of the middleware returns behaves like the coroutine of an `async def`."""

import asyncio
import contextlib
import copy
import gc
import inspect
import traceback
import types
import warnings
import weakref
from collections.abc import Coroutine, Generator
from typing import Any

import pytest
from support.lane_rig import finish, in_c, observing, packed, response, run, scope_of, serving


class Pause:
    """An awaitable that yields *value* once and returns what is sent."""

    def __init__(self, value: Any = None) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self.value)


async def paused(_scope: Any, receive: Any, send: Any) -> Any:
    got = await Pause("first")
    await receive()
    for message in response():
        await send(message)
    return got


async def no_message() -> Any:
    return {"type": "http.request", "body": b"{}"}


async def nowhere(_: Any) -> None:
    return


def both(app: Any) -> Any:
    """Yield the awaitable of C and the coroutine of Python, with their middlewares."""
    for in_python in (False, True):
        middleware = observing(app, in_python=in_python)
        assert in_c(middleware, scope_of()) is not in_python
        yield middleware(scope_of(), no_message, nowhere), middleware  # nothing else holds it


def outcomes(middleware: Any) -> list[Any]:
    import msgspec

    return [msgspec.msgpack.decode(one)[3] for one in packed(middleware)]


def test_values_pass_in_both_directions() -> None:
    for made, middleware in both(paused):
        assert made.send(None) == "first"
        with pytest.raises(StopIteration) as stopped:
            made.send("sent")
        assert stopped.value.value == "sent"
        assert outcomes(middleware) == ["ok"]


@pytest.mark.parametrize("value", [(1, 2), ValueError("a value"), StopIteration(3), None, [], {}])
def test_any_value_is_returned(value: Any) -> None:
    async def app(*_: Any) -> Any:
        return value

    for made, _ in both(app):
        assert finish(made) is value


@pytest.mark.parametrize("value", [(1, 2), ValueError("a value"), None, 5])
def test_any_message_passes(value: Any) -> None:
    async def receive() -> Any:
        return value

    async def app(_scope: Any, receive: Any, _send: Any) -> Any:
        return await receive()

    middleware = observing(app)
    assert finish(middleware(scope_of(), receive, nowhere)) is value


def test_an_exception_passes_with_its_traceback() -> None:
    async def app(*_: Any) -> None:
        raise LookupError("of the application")

    for made, middleware in both(app):
        with pytest.raises(LookupError) as raised:
            finish(made)
        assert traceback.extract_tb(raised.value.__traceback__)[-1].name == "app"
        assert outcomes(middleware) == ["exception"]


def test_an_exception_thrown_into_it_reaches_the_application() -> None:
    caught = []

    async def app(*_: Any) -> Any:
        try:
            await Pause()
        except KeyError as error:
            caught.append(error)
        return "went on"

    for made, middleware in both(app):
        made.send(None)
        with pytest.raises(StopIteration) as stopped:
            made.throw(KeyError("thrown"))
        assert stopped.value.value == "went on"
        assert outcomes(middleware) == ["no_response"]
    assert [one.args for one in caught] == [("thrown",)] * 2


@pytest.mark.parametrize(
    "arguments",
    [
        (KeyError,),
        (KeyError("an instance"),),
        (KeyError, "text"),
        (KeyError, KeyError("an instance")),
        (KeyError, None, None),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:the \\(type, exc, tb\\) signature")
@pytest.mark.parametrize("started", [True, False])
def test_throw_takes_every_form(arguments: Any, *, started: bool) -> None:
    raised = []
    for made, _ in both(paused):
        if started:
            made.send(None)
        with pytest.raises(KeyError) as error:
            made.throw(*arguments)
        raised.append(error.value.args)
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            made.send(None)
    assert raised[0] == raised[1]


@pytest.mark.parametrize("arguments", [(), (1,), ("text",), (KeyError, None, 5)], ids=str)
def test_throw_refuses_what_is_no_exception(arguments: Any) -> None:
    made = observing(paused)(scope_of(), no_message, nowhere)
    made.send(None)
    with pytest.raises(TypeError):
        made.throw(*arguments)


def test_a_close_ends_the_request() -> None:
    ended = []

    async def app(*_: Any) -> None:
        try:
            await Pause()
        finally:
            ended.append(True)

    for made, middleware in both(app):
        made.send(None)
        made.close()
        made.close()
        assert outcomes(middleware) == ["exception"]
        assert middleware._worker.in_flight == 0
    assert ended == [True, True]


def test_a_close_before_the_start_runs_nothing() -> None:
    for made, middleware in both(paused):
        made.close()
        assert outcomes(middleware) == []
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            made.send(None)


def test_an_application_that_ignores_the_close_is_told_so() -> None:
    async def app(*_: Any) -> None:
        try:
            await Pause()
        except GeneratorExit:
            await Pause()

    for made, middleware in both(app):
        made.send(None)
        with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
            made.close()
        assert middleware._worker.in_flight == 0


def test_one_that_is_never_awaited_is_warned_about() -> None:
    for made, middleware in both(paused):
        dropped = [made]
        del made
        with pytest.warns(RuntimeWarning, match="was never awaited"):
            dropped.clear()
        assert middleware._worker.in_flight == 0


def test_one_that_is_dropped_in_the_middle_ends() -> None:
    ended = []

    async def app(*_: Any) -> None:
        try:
            await Pause()
        finally:
            ended.append(True)

    for made, middleware in both(app):
        made.send(None)
        del made
        gc.collect()
        assert outcomes(middleware) == ["exception"]
    assert ended == [True, True]


def test_a_value_for_one_that_has_not_started_is_refused() -> None:
    for made, _ in both(paused):
        with pytest.raises(
            TypeError, match="can't send non-None value to a just-started coroutine"
        ):
            made.send(1)
        made.close()


def test_one_that_awaits_itself_is_refused() -> None:
    async def app(*_: Any) -> None:
        await kept[0]

    kept: list[Any] = []
    for made, _ in both(app):
        kept[:] = [made]
        with pytest.raises((RuntimeError, ValueError), match=r"already (executing|being awaited)"):
            finish(made)


class Custom:
    def __init__(self, result: Any) -> None:
        self.result = result

    def __await__(self) -> Any:
        return self.result


@types.coroutine
def of_a_generator() -> Any:
    return (yield)


@pytest.mark.parametrize(
    ("awaitable", "raises"),
    [
        (lambda: Custom(iter([1, 2])), None),
        (lambda: Custom(iter([])), None),
        (of_a_generator, None),
        (lambda: Custom([1]), TypeError),
        (lambda: Custom(None), TypeError),
        (lambda: None, TypeError),
        (lambda: 5, TypeError),
    ],
)
def test_every_awaitable_of_an_application_is_awaited(awaitable: Any, raises: Any) -> None:
    for made, middleware in both(lambda *_: awaitable()):
        if raises is None:
            assert finish(made) is None
        else:
            with pytest.raises(raises):
                finish(made)
        assert middleware._worker.in_flight == 0


@pytest.mark.parametrize("where", range(4))
def test_a_cancellation_at_any_await_passes(where: int) -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        await receive()
        for message in response():
            await send(message)
        await asyncio.sleep(0)

    async def receive() -> Any:
        await asyncio.sleep(0)
        return await no_message()

    async def send(_: Any) -> None:
        await asyncio.sleep(0)

    async def cancelled(middleware: Any) -> None:
        task = asyncio.ensure_future(middleware(scope_of(), receive, send))
        for _ in range(where + 1):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    ends = []
    for in_python in (False, True):
        middleware = observing(app, in_python=in_python)
        asyncio.run(cancelled(middleware))
        ends.append(outcomes(middleware))
        assert middleware._worker.in_flight == 0
    assert ends[0] == ends[1]
    assert len(ends[0]) == 1


def test_asyncio_takes_it_for_a_coroutine() -> None:
    async def main() -> list[Any]:
        middleware = observing(serving(*response()))
        task = asyncio.create_task(middleware(scope_of(), no_message, nowhere))
        assert "Serving" in repr(task)
        await task
        return packed(middleware)

    assert len(asyncio.run(main())) == 1
    made: Any = observing(paused)(scope_of(), no_message, nowhere)
    assert issubclass(type(made), Coroutine)
    made.close()


def test_servers_see_a_coroutine_function() -> None:
    middleware = observing(paused)
    assert inspect.iscoroutinefunction(middleware.__call__)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert asyncio.iscoroutinefunction(middleware.__call__)
    assert list(inspect.signature(middleware.__call__).parameters) == ["scope", "receive", "send"]
    assert middleware.__call__.__doc__


def test_a_copy_is_served_in_c_by_its_own_application() -> None:
    first = observing(serving(*response()))
    second = copy.copy(first)
    second.app = serving(*response(b"of the copy"))
    assert in_c(second, scope_of())
    assert run(second, scope_of())[1]["body"] == b"of the copy"


def test_a_subclass_may_call_the_one_above() -> None:
    from nilometer import NilometerMiddleware

    class Own(NilometerMiddleware):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await super().__call__(scope, receive, send)

    middleware = Own(serving(*response()), entity="tested")
    middleware._worker.ensure_started = lambda: None  # type: ignore[method-assign]
    middleware._worker.live = True
    run(middleware, scope_of())
    assert outcomes(middleware) == ["ok"]


def test_keyword_arguments_are_served() -> None:
    middleware = observing(serving(*response()))
    finish(middleware(scope=scope_of(), receive=no_message, send=nowhere))
    assert outcomes(middleware) == ["ok"]


def test_missing_arguments_are_refused() -> None:
    middleware: Any = observing(serving())
    with pytest.raises(TypeError, match="missing"):
        middleware(scope_of())


def test_nothing_of_a_request_is_kept() -> None:
    class Server:
        async def receive(self) -> Any:
            return await no_message()

        async def send(self, _: Any) -> None:
            return

    middleware = observing(serving(*response()))
    server = Server()
    gone = weakref.ref(server)
    gc.disable()  # no cycle may be left
    try:
        finish(middleware(scope_of(), server.receive, server.send))
        del server
        assert gone() is None
    finally:
        gc.enable()


def test_a_cycle_through_a_request_is_collected() -> None:
    class Server:
        async def receive(self) -> Any:
            await Pause()

        async def send(self, _: Any) -> None:
            return

    middleware = observing(serving(*response()))
    server = Server()
    gone = weakref.ref(server)
    server.held = made = middleware(scope_of(), server.receive, server.send)  # type: ignore[attr-defined]
    made.send(None)
    del server, made
    gc.collect()
    assert gone() is None
    assert middleware._worker.in_flight == 0


def test_a_message_may_be_given_by_keyword() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in response():
            await send(message=message)

    for made, middleware in both(app):
        finish(made)
        assert outcomes(middleware) == ["ok"]


@pytest.mark.parametrize("arguments", [(), (1, 2)])
def test_wrong_arguments_of_send_are_refused_alike(arguments: Any) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(*arguments)

    for made, _ in both(app):
        with pytest.raises(TypeError, match=r"send\(\)"):
            finish(made)


def test_the_functions_of_the_application_have_signatures() -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> Any:
        return [list(inspect.signature(one).parameters) for one in (receive, send)]

    for made, _ in both(app):
        assert finish(made) == [[], ["message"]]


def test_a_stop_iteration_of_an_application_is_no_return() -> None:
    def app(*_: Any) -> Any:
        return next(iter(()))

    for made, middleware in both(app):
        with pytest.raises(RuntimeError, match="coroutine raised StopIteration") as raised:
            made.send(None)
        assert isinstance(raised.value.__cause__, StopIteration)
        assert outcomes(middleware) == ["exception"]

    async def main() -> None:
        await asyncio.create_task(observing(app)(scope_of(), no_message, nowhere))

    with pytest.raises(RuntimeError, match="coroutine raised StopIteration"):
        asyncio.run(main())


def test_a_stop_iteration_of_the_server_is_no_message() -> None:
    def receive() -> Any:
        return next(iter(()))

    async def app(_scope: Any, receive: Any, _send: Any) -> Any:
        return await receive()

    for in_python in (False, True):
        middleware = observing(app, in_python=in_python)
        with pytest.raises(RuntimeError, match="coroutine raised StopIteration"):
            finish(middleware(scope_of(), receive, nowhere))


@pytest.mark.parametrize("place", ["_finish", "_note_received"])
def test_an_interruption_of_nilometers_own_steps_leaves(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    for made, middleware in both(serving(*response(status=500))):
        owner = type(middleware) if place == "_finish" else middleware._kind
        monkeypatch.setattr(owner, place, interrupt)
        sent = {"type": "http.request", "body": b"x" * 300_000}
        made.close()
        with pytest.raises(KeyboardInterrupt):
            run(middleware, scope_of(), [sent])
        monkeypatch.undo()


def test_the_end_happens_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[type[BaseException]] = []
    for made, middleware in both(serving(*response(status=500))):
        end = type(middleware)._finish

        def finishing(*arguments: Any, made: Any = made, end: Any = end) -> None:
            try:
                made.send(None)
            except (ValueError, RuntimeError) as error:
                tried.append(type(error))
            end(*arguments)

        monkeypatch.setattr(type(middleware), "_finish", finishing)
        finish(made)
        monkeypatch.undo()
        assert outcomes(middleware) == ["server_error"]
    assert len(tried) == 2


class Odd:
    """A key that is equal to another one, and changes the dict when it is compared."""

    def __init__(self, name: str, act: Any) -> None:
        self.name, self.act = name, act

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        self.act()
        return False


@pytest.mark.parametrize("name", ["body", "more_body", "headers", "status", "type"])
def test_a_message_that_changes_while_it_is_read_harms_nothing(name: str) -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for one in response():
            message: dict[Any, Any] = {}
            message[Odd(name, message.clear)] = 1
            await send(message | one)
            message |= one
            await send(message)

    async def receive() -> Any:
        message: dict[Any, Any] = {}
        message[Odd(name, message.clear)] = 1
        message |= {"type": "http.request", "body": bytes(bytearray(b"{}"))}
        return message

    for in_python in (False, True):
        middleware = observing(app, in_python=in_python)
        finish(middleware(scope_of(), receive, nowhere))
        assert len(packed(middleware)) == 1


@pytest.mark.parametrize(
    "name",
    ["app_receive", "app_send", "worker", "request", "response", "finished", "more", "status"],
)
def test_a_deleted_attribute_crashes_nothing(name: str) -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        delattr(send.__self__, name)
        await receive()
        for message in response():
            await send(message)

    for made, _ in both(app):
        with contextlib.suppress(AttributeError, RuntimeError):
            finish(made)


def test_a_queue_needs_no_constructor() -> None:
    from nilometer.handoff.plain import Queue

    queue = Queue.__new__(Queue)
    queue.max_bytes = 1 << 20
    queue.offer(b"x")
    assert queue._items == [b"x"]
