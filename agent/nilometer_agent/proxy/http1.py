"""Follows both directions of an HTTP/1.1 or 1.0 connection, and observes each exchange.

Requests are checked before they are forwarded, as a server would check them. Pipelined requests are
forwarded as they arrive. Responses are always forwarded. From a head, only the fields named in its
`Connection` field are removed. No `Via` is added, because it changes the responses of some servers.
"""

import os
from collections import deque
from http import HTTPStatus
from time import perf_counter

from nilometer.capture.exchange import outcome_of
from nilometer.handoff.worker import Worker
from nilometer.values.reasons import Outcome
from nilometer_agent.proxy.bodies import Body, Chunked, Malformed, Piece, Sized, UntilClose
from nilometer_agent.proxy.heads import (
    HEAD_END,
    TUNNEL_METHOD,
    AnswerHead,
    Headers,
    Refused,
    RequestHead,
    Unreadable,
    answer_head,
    head_end,
    path_and_query,
    request_head,
    without_named,
)
from nilometer_agent.proxy.passing import Passing
from nilometer_agent.proxy.settings import ProxySettings

MAX_PIPELINED = 64  # requests of a connection that wait for their responses
SWITCHING = 101


class _Turn:
    """One request of a connection: the state for its framing, and its observation."""

    __slots__ = ("head", "passing", "whole")

    def __init__(self, head: RequestHead) -> None:
        self.head = head
        self.whole = False
        self.passing: Passing | None = None


class Http1:
    """Follows one connection; see `nilometer_agent.proxy.follower.Follower`.

    Args:
        settings: Settings of the proxy.
        worker: Worker that gets the observations.
    """

    connects_at_once = False

    def __init__(self, settings: ProxySettings, worker: Worker) -> None:
        self.tunnels = False
        self.refusal: Refused | None = None
        self.in_answer = False
        self._settings = settings
        self._worker = worker
        self._turns: deque[_Turn] = deque()  # requests whose responses are incomplete
        self._sending: tuple[_Turn, Body] | None = None  # the request whose body is being forwarded
        self._answer: Body | None = None  # the response whose body is being forwarded
        self._late: list[Passing] = []  # exchanges whose response was complete before the request
        self._may_switch = False
        self._id_header = settings.return_prediction_id.lower().encode()

    @property
    def waits(self) -> bool:
        """See `Follower`."""
        return self._may_switch or len(self._turns) >= MAX_PIPELINED

    @property
    def unanswered(self) -> bool:
        """See `Follower`."""
        return bool(self._turns)

    @property
    def in_request(self) -> bool:
        """See `Follower`."""
        return self._sending is not None

    @property
    def waits_for_client(self) -> bool:
        """See `Follower`."""
        return self._sending is not None or not self._turns

    def sent(self, data: bytes) -> tuple[bytes, bytes]:
        """See `Follower`."""
        if self.refusal is not None:
            return b"", b""
        passing: list[bytes] = []
        position = kept = 0
        try:
            while position < len(data):
                if self._sending is not None:
                    position = self._follow_request(*self._sending, data, position)
                    continue
                if data.startswith(b"\r\n", position):
                    position += 2  # a server ignores empty lines before a request
                    continue
                end = -1 if self.waits else self._head_end(data, position)
                if end < 0:
                    break
                raw = data[position:end]
                head = request_head(raw)
                edited = without_named(raw, head.headers)
                self._begin(head)
                if edited is not raw:
                    passing += (data[kept:position], edited)
                    kept = end
                position = end
        except Refused as refusal:
            self.refusal = refusal
            passing.append(data[kept:position])
            return b"".join(passing), b""
        if not passing and position == len(data):
            return data, b""
        passing.append(data[kept:position])
        return b"".join(passing), data[position:]

    def _head_end(self, data: bytes, position: int) -> int:
        end = head_end(data, position)
        if (end if end >= 0 else len(data)) - position > self._settings.max_head_bytes:
            raise Refused(431, "the head of the request is too large")
        return end

    def _begin(self, head: RequestHead) -> None:
        turn = _Turn(head)
        turn.passing = self._observed(head)
        self._turns.append(turn)
        self._may_switch = head.upgrades or head.method == TUNNEL_METHOD
        if head.length is None:
            self._sending = turn, Chunked(self._settings.max_head_bytes)
        elif head.length:
            self._sending = turn, Sized(head.length)
        else:
            self._request_over(turn)

    def _observed(self, head: RequestHead) -> Passing | None:
        worker = self._worker
        try:
            if not (worker.live or worker.revive()):
                return None
            if head.selected_by(self._settings.exclude):
                return None
            passing = Passing(worker, self._settings.max_body_bytes, head)
            if self._id_header:
                passing.passed.new_id = self._id_header, self._id_of(head)
        except Exception as error:  # monitoring must never fail a prediction
            worker.note(error, lost=1)
            return None
        return passing

    def _id_of(self, head: RequestHead) -> bytes:
        for name, value in head.headers:
            if name == self._id_header:
                return value
        return os.urandom(16).hex().encode()

    def _follow_request(self, turn: _Turn, body: Body, data: bytes, position: int) -> int:
        pieces: list[Piece] = []
        try:
            end, over = body.follow(data, position, pieces)
        except Malformed as error:
            raise Refused(400, f"the body of the request is invalid: {error}") from error
        passing = turn.passing
        if passing is not None:
            try:
                for start, stop, _ in pieces:
                    passing.note_request(data[start:stop])
            except Exception as error:  # monitoring must never fail a prediction
                self._fault(turn, error)
        if over:
            self._sending = None
            self._request_over(turn)
        return end

    def _request_over(self, turn: _Turn) -> None:
        turn.whole = True
        passing = turn.passing
        if passing is not None:
            passing.whole = True
            if passing in self._late:
                self._late.remove(passing)
                self._offer(passing)

    def answered(self, data: bytes) -> tuple[bytes, bytes]:
        """See `Follower`."""
        passed: list[bytes] = []
        position = kept = 0
        while position < len(data) and not self.tunnels:
            if self._answer is not None:
                position = self._follow_answer(self._answer, data, position)
                continue
            if not self._turns:
                raise Unreadable("the server sent a response without a request")
            end = head_end(data, position)
            if end < 0:
                if len(data) - position > self._settings.max_head_bytes:
                    raise Unreadable("the head of a response is too large")
                break
            raw = data[position:end]
            turn = self._turns[0]
            head = answer_head(raw, turn.head.method)
            edited = self._edited(raw, head, turn)
            self._begin_answer(head, turn)
            if edited is not raw:
                passed += (data[kept:position], edited)
                kept = end
            position = end
        if self.tunnels or (not passed and position == len(data)):
            passed.append(data[kept:])
            return (b"".join(passed) if len(passed) > 1 else passed[0]), b""
        passed.append(data[kept:position])
        return b"".join(passed), data[position:]

    def _edited(self, raw: bytes, head: AnswerHead, turn: _Turn) -> bytes:
        edited = without_named(raw, head.headers)
        passing = turn.passing
        if passing is None or passing.passed.new_id is None or head.status < 200:
            return edited
        name, value = passing.passed.new_id
        if any(key == name for key, _ in head.headers):
            return edited
        head.headers.append((name, value))
        return edited.removesuffix(HEAD_END) + b"\r\n" + name + b": " + value + HEAD_END

    def _begin_answer(self, head: AnswerHead, turn: _Turn) -> None:
        switches = head.status == SWITCHING or (
            turn.head.method == TUNNEL_METHOD and 200 <= head.status < 300
        )
        if switches:
            self.tunnels = True
            self._forget(turn)
            return
        if head.status < 200:  # 100 and 103 precede the final response
            return
        if turn.head.upgrades or turn.head.method == TUNNEL_METHOD:
            self._may_switch = False
        self.in_answer = True
        passing = turn.passing
        if passing is not None:
            try:
                passing.status = head.status
                passing.response_headers = head.headers
                passing.piecewise = head.length in {None, -1}
            except Exception as error:  # monitoring must never fail a prediction
                self._fault(turn, error)
        if head.length == 0:
            self._answer_over(self._turns.popleft())
        elif head.length is None:
            self._answer = Chunked(self._settings.max_head_bytes)
        else:
            self._answer = UntilClose() if head.length < 0 else Sized(head.length)

    def _follow_answer(self, body: Body, data: bytes, position: int) -> int:
        pieces: list[Piece] = []
        try:
            end, over = body.follow(data, position, pieces)
        except Malformed as error:
            raise Unreadable(str(error)) from error
        turn = self._turns[0]
        if turn.passing is not None:
            try:
                turn.passing.note_answer(data, pieces, over=over)
            except Exception as error:  # monitoring must never fail a prediction
                self._fault(turn, error)
        if over:
            self._answer = None
            self._answer_over(self._turns.popleft())
        return end

    def _answer_over(self, turn: _Turn) -> None:
        self.in_answer = False
        passing = turn.passing
        if passing is None:
            return
        if not passing.finished:  # the response has no body
            passing.end()
        if turn.whole:
            self._offer(passing)
        else:
            self._late.append(passing)

    def refused(self, refusal: Refused) -> bytes:
        """See `Follower`."""
        turn = self._turns[0] if self._turns else None
        if turn is not None:
            passing = turn.passing
        else:
            live = self._worker.live or self._worker.revive()
            passing = Passing(self._worker, 0, None) if live else None
        if passing is not None and not passing.status:
            passing.status = refusal.status
            passing.end()
        if turn is None and passing is not None:
            self._offer(passing)
        if self.in_answer:
            return b""
        phrase = HTTPStatus(refusal.status).phrase
        said = f"{refusal.why}\n"
        return (
            f"HTTP/1.1 {refusal.status} {phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
            f"content-length: {len(said)}\r\nconnection: close\r\n\r\n{said}"
        ).encode("ascii", "replace")

    def client_ended(self) -> None:
        """See `Follower`."""
        for turn in self._turns:
            if turn.passing is not None:
                turn.passing.passed.left = True

    def ended(self, *, whole: bool) -> None:
        """See `Follower`."""
        if whole and isinstance(self._answer, UntilClose) and self._turns:
            passing = self._turns[0].passing
            if passing is not None:
                passing.finished = True
        turns, late = [*self._turns], [*self._late]
        self._turns.clear()
        self._late.clear()
        self._answer = self._sending = None
        for passing in (*late, *(turn.passing for turn in turns)):
            if passing is not None:
                self._offer(passing)

    def lose(self) -> int:
        """See `Follower`."""
        lost = [*self._late, *(turn.passing for turn in self._turns if turn.passing is not None)]
        self._turns.clear()
        self._late.clear()
        self._worker.in_flight -= len(lost)
        return len(lost)

    def _forget(self, turn: _Turn) -> None:
        """Drop an exchange that switched protocols."""
        self._turns.remove(turn)
        if turn.passing is not None:
            self._worker.in_flight -= 1

    def _fault(self, turn: _Turn, error: Exception) -> None:
        """Stop observing this exchange after an internal error."""
        if turn.passing in self._late:
            self._late.remove(turn.passing)
        turn.passing = None
        self._worker.in_flight -= 1
        self._worker.note(error, lost=1)

    def _offer(self, passing: Passing) -> None:
        worker = self._worker
        try:
            worker.in_flight -= 1
            outcome = _outcome(passing)
            whole = bool(passing.finished)
            ended_at = passing.latest if whole else perf_counter()
            head = passing.head or _NO_HEAD
            path, query = path_and_query(head.target)
            packed = worker.packer.pack(
                passing.arrival_ns,
                ended_at - passing.started,
                passing.status,
                outcome,
                head.method.decode("latin-1"),
                path,
                head.headers,
                passing.response_headers,
                passing.request,
                passing.response,
                passing.in_flight,
                passing.rest(
                    outcome,
                    passing.started,
                    ended_at,
                    self._settings.stall_seconds,
                    query if self._settings.query_parameters else None,
                ),
            )
            worker.sink.offer(packed)
        except Exception as error:  # monitoring must never fail a prediction
            worker.note(error, lost=1)


def _outcome(passing: Passing) -> str:
    """Return the outcome of an exchange; a response that breaks off counts as an exception."""
    if passing.finished:
        return outcome_of(passing)
    if passing.passed.left:
        return _CLIENT_LEFT
    return _EXCEPTION if passing.status else _NO_RESPONSE


_CLIENT_LEFT = Outcome.CLIENT_LEFT.value
_EXCEPTION = Outcome.EXCEPTION.value
_NO_RESPONSE = Outcome.NO_RESPONSE.value
_NO_HEAD = RequestHead(b"", b"", Headers(), 0, upgrades=False)
