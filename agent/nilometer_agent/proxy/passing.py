"""The observation of one exchange that passes through a proxy."""

from time import perf_counter, time_ns

from nilometer.capture.exchange import Exchange, More, joined
from nilometer.capture.stream import Stream
from nilometer.handoff.worker import Worker
from nilometer_agent.proxy.bodies import Piece
from nilometer_agent.proxy.heads import RequestHead


class Passing(Exchange):
    """An exchange between two connections.

    Attributes:
        head: Head of the request; None if it could not be parsed.
        whole: Whether the request was forwarded completely.
        piecewise: Whether the server sends the response in chunks.
        in_flight: Number of requests of this proxy at the start of this one, itself included.
        arrival_ns: Time of arrival, Unix nanoseconds.
        started: Time of arrival, monotonic seconds.
        passed: Optional parts of the observation (`more`), set from the start.
    """

    __slots__ = ("arrival_ns", "head", "in_flight", "passed", "piecewise", "started", "whole")

    def __init__(self, worker: Worker, cap: int, head: RequestHead | None) -> None:
        self.worker = worker
        self.cap = cap
        self.head = head
        self.whole = self.piecewise = False
        self.status = 0
        self.response_headers = ()
        self.request = self.response = b""
        self.finished = self.annotations = None
        self.more = self.passed = More()
        if worker.share < 1.0:
            self.sample(worker.share)
        self.arrival_ns = time_ns()
        self.latest = self.started = perf_counter()
        worker.in_flight += 1
        self.in_flight = worker.in_flight

    def note_request(self, content: bytes) -> None:
        """Record content of the request's body."""
        self._note_request(content)

    def note_answer(self, data: bytes, pieces: list[Piece], *, over: bool) -> None:
        """Record content of the response's body."""
        now = perf_counter()
        passed = self.passed
        for start, end, begins in pieces:
            if start == end:
                continue
            before = passed.response_size
            if not before:
                passed.first = now
            elif begins and self.piecewise:
                passed.stream = passed.stream or Stream(before)
                passed.stream.note(now - self.latest, end - start)
            elif passed.stream is not None:
                passed.stream.extend(end - start)
            passed.response_size = before + end - start
            if passed.response_size > self.cap:
                self.keep_ends(passed, data[start:end])
            else:
                self.response = joined(self.response, data[start:end], before)
            self.latest = now
        if over:
            self.end()

    def end(self) -> None:
        """Note the end of the response."""
        self.latest = perf_counter()
        self.finished = True
