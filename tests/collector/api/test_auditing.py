"""A change is in the audit log before it is made, and its entry is replaced before its answer."""

from pathlib import Path

import anyio
import pytest
from starlette.types import Message, Receive, Scope, Send

from nilometer.testing import SteppedClock
from nilometer_collector.access.needs import Need
from nilometer_collector.access.rights import Access
from nilometer_collector.api.auditing import Announcing, Auditing
from nilometer_collector.api.authentication import ACCESS
from nilometer_collector.audit import MOST_A_MINUTE, Auditor, Caller, entry_of
from nilometer_collector.counters import Counters
from nilometer_collector.store import Outcome, Store, open_store

BODY = b'{"entity": "fraud", "name": "drift"}'


class Bench:
    """Both middlewares around an application that looks at the log while it answers."""

    def __init__(self, store: Store, status: int = 200) -> None:
        self.store = store
        self.status = status
        self.seen: list[tuple[str, str, str]] = []
        clock = SteppedClock()
        self.auditor = Auditor(store, clock, Counters())
        self.app = Auditing(Announcing(self._answer, self.auditor, clock), self.auditor, clock)

    def log(self) -> list[tuple[str, str, str]]:
        """Return outcome, entity and name of the entries, newest first."""
        found = [one.entry for one in self.store.audit.entries(None, 9)]
        return [(one.outcome.value, one.entity, one.name) for one in found]

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "PUT":
            while (await receive())["more_body"]:
                assert self.log() == []
        self.seen = self.log()
        if self.status == 500:
            raise RuntimeError("a bug")
        await send({"type": "http.response.start", "status": self.status})

    def ask(self, method: str, path: str, body: bytes = b"", query: bytes = b"") -> None:
        """Send a request, whose body arrives in two parts."""
        parts = [body[:5], body[5:]]

        async def receive() -> Message:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: Message) -> None:
            del message

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query,
            "headers": [(b"content-length", str(len(body)).encode())],
            ACCESS: Access(None, Need.NOTHING),
        }
        anyio.run(self.app, scope, receive, send)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "collector.db", "")


def test_a_change_is_announced_when_its_whole_body_has_arrived(store: Store) -> None:
    bench = Bench(store)
    bench.ask("PUT", "/api/v1/alerters", BODY)
    assert bench.seen == [("started", "fraud", "drift")]
    assert bench.log() == [("done", "fraud", "drift")]


def test_a_change_without_a_body_is_announced_at_once(store: Store) -> None:
    bench = Bench(store, status=409)
    bench.ask("DELETE", "/api/v1/alerters", query=b"entity=fraud&name=drift")
    assert bench.seen == [("started", "fraud", "drift")]
    assert bench.log() == [("failed", "fraud", "drift")]


def test_a_bug_is_recorded_as_a_failure(store: Store) -> None:
    bench = Bench(store, status=500)
    with pytest.raises(RuntimeError, match="a bug"):
        bench.ask("PUT", "/api/v1/alerters", BODY)
    assert bench.log() == [("failed", "fraud", "drift")]


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", "/api/v1/alerters", b""),
        ("PUT", "/api/v1/samples", b""),
        ("PUT", "/api/v1/alerters", b"dry_run=true"),
    ],
)
def test_what_changes_nothing_is_not_recorded(
    store: Store, method: str, path: str, query: bytes
) -> None:
    bench = Bench(store)
    bench.ask(method, path, BODY, query)
    assert (bench.seen, bench.log()) == ([], [])


@pytest.mark.parametrize("path", ["/decide", "/approve"])
def test_the_form_of_a_link_costs_nothing_before_the_link_is_valid(store: Store, path: str) -> None:
    bench = Bench(store, status=404)
    bench.ask("POST", path, BODY, b"dry_run=true")
    assert bench.seen == []
    assert [outcome for outcome, _, _ in bench.log()] == ["failed"]


def test_refusals_of_one_workspace_leave_room_for_those_of_another(store: Store) -> None:
    auditor = Bench(store).auditor

    def refuse(caller: Caller, entity: str) -> None:
        auditor.add(entry_of(caller, "Ship", 1, entity=entity))

    for number in range(MOST_A_MINUTE + 1):
        refuse(Caller(), str(number))
    refuse(Caller("ada", "ada", "payments"), "fraud")
    newest, before = store.audit.entries(None, 2)
    assert (newest.entry.entity, before.entry.entity) == ("fraud", str(MOST_A_MINUTE - 1))


def test_a_refusal_without_room_leaves_no_begun_entry(store: Store) -> None:
    auditor = Bench(store).auditor
    refused = entry_of(Caller("ada", "ada"), "Ship", 1)
    for _ in range(MOST_A_MINUTE):
        auditor.add(refused)
    auditor.add(refused, auditor.begin(entry_of(Caller("ada", "ada"), "x", 1, Outcome.STARTED)))
    (only,) = store.audit.entries(None, 9)
    assert (only.entry.outcome, only.entry.times) == (Outcome.REFUSED, MOST_A_MINUTE)
