"""Objects that a newer version wrote are set aside and shown; all others work as before."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.alerting.routes import RouteDefinition
from nilometer_collector.alerting.targets import TargetDefinition
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.declared.applying import By, Part, apply, remove_one, roll_back
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.kind import Misdeclared
from nilometer_collector.declared.listing import UnreadCount
from nilometer_collector.declared.registered import document_of, kind_named
from nilometer_collector.declared.sets import SetObjects
from nilometer_collector.errors import Conflict
from nilometer_collector.query.declared_summaries import declared_summaries
from nilometer_collector.query.definitions import maturity_rule, performance_of
from nilometer_collector.store import (
    Change,
    Command,
    Key,
    Origin,
    RemoveObject,
    RemoveReceiver,
    Revision,
    SetObject,
    SetReceiver,
    SetRoute,
    Store,
    open_store,
)
from nilometer_collector.store.silencing import DeclaredSilences
from nilometer_collector.store.written import _set_aside
from nilometer_collector.testing import ENTITY, Running, an_evaluation, feature_sample, running
from nilometer_collector.watch.rules import current_rules

TOKEN = "s3cret-token"
OF_OBJECTS = {
    "watch": ("fraud-*", '{"entity":"fraud-*","budget_days":3,"colour":"red"}'),
    "summary": ("input.amount", '{"entity":"fraud-scorer","name":"input.amount","colour":"red"}'),
    "performance": ("fraud-scorer", '{"entity":"fraud-scorer","colour":"red"}'),
    "silence": ("sale", '{"entity":"*","name":"sale","colour":"red"}'),
    "action": ("retrain", '{"entity":"*","name":"retrain","colour":"red"}'),
    "set": ("risk", '{"name":"risk","owner":"ann","objects":"all"}'),
}


class NewChannel(ChannelDefinition, frozen=True, kw_only=True):
    """A channel of a newer version."""

    colour: str = "red"


class NewTarget(TargetDefinition, frozen=True, kw_only=True):
    """A target of a newer version."""

    colour: str = "red"


class NewRoute(RouteDefinition, frozen=True, kw_only=True):
    """A route of a newer version."""

    colour: str = "red"


def write(store: Store, *commands: Command) -> None:
    """Write what a newer version would write."""
    store.history.commit(
        Revision(author="ann", origin=Origin.API, commands=[*commands], changes=[]), 1
    )


def key_of(kind: str) -> Key:
    """Return the identity of an object of `OF_OBJECTS`."""
    name = OF_OBJECTS[kind][0]
    owners = {"watch": name, "set": "", "silence": "*", "action": "*"}
    return Key(kind, owners.get(kind, "fraud-scorer"), name)


def fill(store: Store) -> None:
    write(store, *(SetObject(key_of(kind), text) for kind, (_, text) in OF_OBJECTS.items()))
    write(
        store,
        SetReceiver(
            NewChannel(name="team", kind="webhook", secrets={"token": TOKEN}), Origin.API.value
        ),
        SetReceiver(NewTarget(name="jobs", kind="webhook"), Origin.API.value),
        SetRoute(NewRoute(name="all", channels=["team"]), Origin.API.value),
    )


def test_rules_and_summaries_of_this_version_apply_beside_those_of_a_newer_one(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    _set_aside.cache_clear()  # each object is logged once in a process
    fill(store)
    known = '{"entity":"fraud-eu","budget_days":3}'
    write(store, SetObject(Key("watch", "fraud-eu", "fraud-eu"), known))
    known = '{"entity":"fraud-scorer","name":"input.x"}'
    write(store, SetObject(Key("summary", "fraud-scorer", "input.x"), known))
    with caplog.at_level(logging.WARNING, "nilometer.collector"):
        for _ in range(3):
            rules = current_rules(store, (WatchRule(),))
            assert [one.entity for one in rules] == ["fraud-eu", "*"]
            assert [one.name for one in declared_summaries(store)] == ["input.x"]
    told = [one for one in caplog.records if getattr(one, "kind", "") == "SummaryDefinition"]
    assert len(told) == 1


def test_texts_that_an_older_version_accepted_are_read_and_not_set_aside(store: Store) -> None:
    """It did not refuse bidirectional controls, which a person may not write any more."""
    text = "a \u202asale\u202c"
    stored: list[tuple[Key, dict[str, object]]] = [
        (Key("silence", "*", "sale"), {"from": 0, "until": 9, "reason": text}),
        (Key("summary", ENTITY, "input.x"), {"tolerance": 2.0, "description": text}),
        (
            Key("action", "*", "ask"),
            {"cure": "retrain", "target": "jobs", "parameters": {"why": text}},
        ),
    ]
    for key, fields in stored:
        content = json.dumps({"entity": key.entity, "name": key.name, **fields})
        write(store, SetObject(key, content))
    route = RouteDefinition(name="all", channels=["team"], owners=[text])
    write(store, SetRoute(route, Origin.API.value))
    now_ns = 5 * 10**9
    (silence,) = DeclaredSilences(
        [(one, "ann") for one in store.history.objects("silence").values()], now_ns
    ).ends_ns.values()
    assert silence == 9 * 10**9
    assert [one.tolerance for one in declared_summaries(store)] == [2.0]
    assert store.routes.all() == [route]
    assert UnreadCount(store).read() == 0
    for key, fields in stored:
        plain = {"entity": key.entity, "name": key.name, **fields}
        plural = {"summary": "summaries"}.get(key.kind, f"{key.kind}s")
        again = document_of({"version": 1, plural: [plain]})
        with pytest.raises(Misdeclared, match=r"bidirectional controls, and has U\+202A"):
            apply(DeclareContext(store), again, By("ann", Origin.APPLY), now_ns)


def test_a_rollback_names_the_object_that_only_an_older_version_accepted(store: Store) -> None:
    silences = {"late": "plain", "sale": "a \u202asale\u202c"}
    for name, reason in silences.items():
        plain = {"entity": "*", "name": name, "from": 0, "until": 9, "reason": reason}
        write(store, SetObject(Key("silence", "*", name), json.dumps(plain)))
    revision, by = store.history.newest, By("ann", Origin.APPLY)
    for name in silences:
        key = Key("silence", "*", name)
        assert remove_one(
            DeclareContext(store), kind_named("silence"), key, RemoveObject(key), by, 5
        )
    refused = (
        r"^revision [0-9]+ cannot be restored: silence 'sale' of \*: reason: .*U\+202A: .* anew$"
    )
    with pytest.raises(Conflict, match=refused):
        roll_back(DeclareContext(store), revision, by, 6)
    part = Part(name="late")
    assert len(roll_back(DeclareContext(store), revision, by, 7, part=part).plan.changes) == 1


def test_a_performance_of_a_newer_version_says_so(store: Store) -> None:
    fill(store)
    with pytest.raises(Conflict, match="unknown field `colour`"):
        performance_of(store, "fraud-scorer")
    assert maturity_rule(store, "fraud-scorer", "performance").usual_lag_seconds == 0


def test_receivers_and_routes_of_a_newer_version_are_left_out_and_can_be_removed(
    store: Store,
) -> None:
    fill(store)
    write(store, SetReceiver(ChannelDefinition(name="other", kind="webhook"), Origin.API.value))
    assert [one.name for one in store.channels.all()] == ["other"]
    assert (store.targets.all(), store.routes.all()) == ([], [])
    assert store.channels.read("team") is None
    assert store.channels.unread().keys() == {"team"}
    write(store, RemoveReceiver(ChannelDefinition, "team"))
    assert store.channels.unread() == {}


def test_each_object_of_a_newer_version_is_counted_after_each_revision(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = UnreadCount(store)
    assert count.read() == 0
    fill(store)
    put_watch_rule(store, "fraud-eu")
    assert count.read() == len(OF_OBJECTS) + 3

    def read_again(*_: object) -> dict[Key, str]:
        raise AssertionError("objects are read without a new revision")

    with monkeypatch.context() as patch:
        patch.setattr(type(store.history), "objects", read_again)
        assert count.read() == len(OF_OBJECTS) + 3
    put_watch_rule(store, "fraud-*")
    assert count.read() == len(OF_OBJECTS) + 2


def put_watch_rule(store: Store, pattern: str) -> None:
    """Declare a rule of this version, in a revision of its own."""
    key, text = Key("watch", pattern, pattern), f'{{"entity":"{pattern}","budget_days":3}}'
    change = Change(key=key, before=None, after=text)
    revision = Revision(
        author="ann", origin=Origin.API, commands=[SetObject(key, text)], changes=[change]
    )
    store.history.commit(revision, 1)


@pytest.fixture
def newer(database: Path) -> Iterator[Running]:
    """A collector whose store has objects of a newer version."""
    store = open_store(database, "")
    fill(store)
    store.close()
    with running(database) as served:
        yield served


def test_the_list_of_objects_says_which_are_set_aside(newer: Running) -> None:
    found = newer.get("objects")["objects"]
    told = {one["kind"]: one["warnings"] for one in found}
    assert told.keys() == {"channel", "target", "route", *OF_OBJECTS} - {"set"}
    for warnings in told.values():
        (warning,) = warnings
        assert warning.startswith("is set aside, because this collector cannot read it (Object")
    removed = newer.http.delete("/api/v1/objects", params={"kind": "channel", "name": "team"})
    assert removed.status_code == 204
    document = {"version": 1, "watch": [{"entity": "fraud-*", "budget_days": 4}]}
    applied = newer.http.post("/api/v1/apply", json=document).json()
    assert [one["action"] for one in applied["changes"]] == ["changed"]
    (rule,) = newer.get("objects", kind="watch")["objects"]
    assert "set aside" not in str(rule["warnings"])


def test_the_history_keeps_what_a_newer_version_wrote_without_its_secrets(newer: Running) -> None:
    objects = {"channel": "team", "target": "jobs", "route": "all"}
    for kind, name in objects.items():
        assert newer.http.delete("/api/v1/objects", params={"kind": kind, "name": name}).is_success
    before = {
        change["kind"]: {one["field"]: json.loads(one["before"]) for one in change["fields"]}
        for revision in newer.get("changes")["revisions"]
        for change in revision["changes"]
    }
    assert [one["colour"] for one in before.values()] == ["red"] * len(objects)
    assert before["route"]["channels"] == ["team"]
    assert before["channel"]["kind"] == "webhook"
    assert len(before["channel"]["secrets.token.fingerprint"]) == 16
    assert TOKEN not in str(newer.get("changes")) + str(newer.get("objects"))


def test_an_unread_set_keeps_its_fields(store: Store) -> None:
    fill(store)
    (found,) = SetObjects().stored(store).values()
    assert found == {"name": "risk", "owner": "ann", "objects": "all"}


def test_an_episode_opens_although_objects_cannot_be_read(newer: Running) -> None:
    newer.sender().ship(feature_sample([1.0]), an_evaluation(0.5, 1))
    (episode,) = newer.get("episodes")["episodes"]
    assert episode["closed"] is None
