"""One exchange on its way through a proxy, and what is noted of it."""

from random import random
from time import perf_counter, time_ns

from nilometer.capture.exchange import Exchange, More, Stream, joined
from nilometer.handoff.worker import Worker
from nilometer_agent.proxy.bodies import Piece
from nilometer_agent.proxy.heads import RequestHead


class Passing(Exchange):
    """An exchange between two connections.

    Attributes:
        head: Of the request; None where it could not be read.
        whole: Whether the request passed to its end.
        piecewise: Whether the answer comes in chunks of the server's making.
        in_flight: Requests of this proxy when this one began, itself included.
        arrival_ns: Unix nanoseconds.
        started: Monotonic seconds.
        passed: Its `more`, which it has from the beginning.
    """

    __slots__ = ("arrival_ns", "head", "in_flight", "passed", "piecewise", "started", "whole")

    def __init__(self, worker: Worker, cap: int, head: RequestHead | None) -> None:
        self.worker = worker
        self.cap = cap
        self.share = share = worker.share
        if share < 1.0 and random() >= share:  # noqa: S311  no secret
            self.cap, self.share = 0, -share
        self.head = head
        self.whole = self.piecewise = False
        self.status = 0
        self.response_headers = ()
        self.request = self.response = b""
        self.finished = self.annotations = None
        self.more = self.passed = More()
        self.arrival_ns = time_ns()
        self.latest = self.started = perf_counter()
        worker.in_flight += 1
        self.in_flight = worker.in_flight

    def note_request(self, content: bytes) -> None:
        """Content of the request's body passed."""
        self._note_request(content)

    def note_answer(self, data: bytes, pieces: list[Piece], *, over: bool) -> None:
        """Content of the answer's body passed."""
        now = perf_counter()
        passed = self.passed
        for start, end, begins in pieces:
            if start == end:
                continue
            before = passed.response_size
            if not before:
                passed.first = now
            elif begins and self.piecewise:
                passed.stream = passed.stream or Stream()
                passed.stream.note(now - self.latest)
            passed.response_size = before + end - start
            if passed.response_size > self.cap:
                self.keep_ends(passed, data[start:end])
            else:
                self.response = joined(self.response, data[start:end], before)
            self.latest = now
        if over:
            self.end()

    def end(self) -> None:
        """The answer is over."""
        self.latest = perf_counter()
        self.finished = True
