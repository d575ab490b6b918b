"""Changes of declared objects: made together or not at all, and kept. In every store."""

import threading

import msgspec
import pytest
from support.stores import Place

from nilometer_collector.alerting.definitions import AlerterDefinition, alerter_of
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.alerting.routes import RouteDefinition
from nilometer_collector.alerting.targets import TargetDefinition
from nilometer_collector.declared.applying import By, apply, remove_one, roll_back
from nilometer_collector.declared.arriving import OfSettings, put_receiver, take_settings
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.receivers import ChannelObjects
from nilometer_collector.declared.registered import KINDS, document_of
from nilometer_collector.errors import Conflict, Moved, Unknown
from nilometer_collector.store import (
    AddReference,
    Change,
    ChangeQuestion,
    ChooseReference,
    Command,
    DeclareEntity,
    EntityDeclaration,
    Key,
    Origin,
    RemoveAlerter,
    RemoveEntity,
    RemoveObject,
    Revision,
    SetAlerter,
    SetObject,
    Store,
    WithdrawReference,
)
from nilometer_collector.testing import ENTITY, START_NS, a_reference, an_alerter

ANN = By("ann", Origin.API)
RULE = Key("watch", "fraud-*", "fraud-*")


def changed(name: str, before: str | None = None, after: str | None = "{}") -> Change:
    return Change(key=Key("entity", name, name), before=before, after=after)


def revision(
    *commands: Command, changes: tuple[Change, ...] = (), depends_on: tuple[Key, ...] = ()
) -> Revision:
    return Revision(
        author="ann",
        origin=Origin.APPLY,
        commands=commands,
        changes=changes,
        depends_on=depends_on,
        reason="a\0",
    )


def declared(name: str, *reads_from: str) -> DeclareEntity:
    return DeclareEntity(name, EntityDeclaration(reads_from=reads_from))


def test_a_revision_changes_objects_of_every_kind_and_is_kept(place: Place) -> None:
    store = place.open()
    first, second = a_reference({"input.a": [1.0]}), a_reference({"input.a": [2.0]})
    made = revision(
        declared("a", "b"),
        SetAlerter(an_alerter(), "api"),
        AddReference(first),
        AddReference(second),
        ChooseReference(ENTITY, "training", first.digest),
        SetObject(RULE, '{"watch":false}'),
        changes=(changed("a"), changed("b", before='{"owner":"π"}', after=None)),
    )
    assert store.history.commit(made, START_NS) == 1
    store.close()
    store = place.open()
    assert [one.name for one in store.entities.all()] == ["a"]
    assert [one.name for one in store.alerts.alerters()] == ["drift"]
    (current,) = store.references.records()
    assert current.digest == first.digest
    assert store.history.objects("watch") == {RULE: '{"watch":false}'}
    assert store.history.object(RULE) == '{"watch":false}'
    assert store.history.object(Key("watch", "fraud-*", "other")) is None
    found = store.history.changes()
    assert [one.change for one in found] == list(made.changes)
    assert {(one.revision, one.author, one.origin, one.made_ns, one.reason) for one in found} == {
        (1, "ann", Origin.APPLY, START_NS, "a\N{REPLACEMENT CHARACTER}")
    }


def test_objects_are_removed_and_versions_of_references_stay(store: Store) -> None:
    reference = a_reference({"input.a": [1.0]})
    commands = (
        declared("a"),
        SetAlerter(an_alerter(), "api"),
        AddReference(reference),
        SetObject(RULE, "{}"),
    )
    store.history.commit(revision(*commands), START_NS)
    removals = (
        RemoveEntity("a"),
        RemoveAlerter(ENTITY, "drift"),
        WithdrawReference(ENTITY, "training"),
        RemoveObject(RULE),
    )
    store.history.commit(revision(*removals), START_NS)
    assert (store.entities.all(), store.alerts.alerters(), store.references.records()) == (
        [],
        [],
        [],
    )
    assert store.history.objects("watch") == {}
    (left,) = store.references.records(current=False)
    assert left.digest == reference.digest


def test_a_revision_that_fails_changes_nothing(store: Store) -> None:
    for failing, error in (
        (ChooseReference(ENTITY, "training", "beef"), Unknown),
        (declared("b", "a"), Conflict),
        (DeclareEntity("c", EntityDeclaration(), replaces=7), Conflict),
    ):
        made = revision(
            declared("a", "b"), SetAlerter(an_alerter(), "api"), failing, changes=(changed("a"),)
        )
        with pytest.raises(error):
            store.history.commit(made, START_NS)
    assert (store.entities.all(), store.alerts.alerters(), store.history.newest) == ([], [], 0)
    assert store.history.changes() == []


def test_edges_are_checked_when_all_entities_have_changed(store: Store) -> None:
    store.history.commit(revision(declared("a", "b"), declared("b", "c")), START_NS)
    turned = revision(declared("c", "b"), declared("b", "a"), declared("a"))
    store.history.commit(turned, START_NS)
    edges = {one.name: one.declaration.reads_from for one in store.entities.all()}
    assert edges == {"a": (), "b": ("a",), "c": ("b",)}


def test_a_revision_based_on_an_older_one_is_refused(store: Store) -> None:
    history = store.history
    assert history.commit(revision(changes=(changed("a"),)), 1, based_on=0) == 1
    with pytest.raises(Moved):
        history.commit(revision(declared("a"), changes=(changed("a"),)), 2, based_on=0)
    assert (store.entities.all(), history.newest) == ([], 1)
    assert history.commit(revision(changes=(changed("a"),)), 2, based_on=1) == 2


def test_a_revision_stays_possible_while_others_change_other_objects(store: Store) -> None:
    history = store.history
    history.commit(revision(declared("a"), changes=(changed("a"),)), 1, based_on=0)
    assert history.commit(revision(declared("b"), changes=(changed("b"),)), 2, based_on=0) == 2
    again = revision(declared("b"), depends_on=(changed("b").key,))
    with pytest.raises(Moved, match="'b' of b changed after revision 1"):
        history.commit(again, 3, based_on=1)
    assert history.commit(again, 3, based_on=2) == 2


def test_the_newest_change_of_some_objects_is_found(store: Store) -> None:
    history = store.history
    for names in ("a", "bc", "a", "d"):
        history.commit(revision(changes=tuple(map(changed, names))), 1)
    a, b, c, d = (changed(name).key for name in "abcd")
    assert history.newest_change([a, b], 0) == (3, a)
    assert history.newest_change([c, b], 1) == (2, b)
    assert history.newest_change([b, c], 2) is None
    assert history.newest_change([], 0) is None
    assert history.newest_change([d._replace(kind="alerter")], 0) is None


def test_of_two_revisions_of_an_object_at_once_one_is_refused(store: Store) -> None:
    together, refused = threading.Barrier(2), []

    def commit(name: str) -> None:
        together.wait(10)
        try:
            both = revision(declared(name), changes=(changed("a"), changed("b")))
            store.history.commit(both, 1, based_on=0)
        except Moved:
            refused.append(name)

    threads = [threading.Thread(target=commit, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(refused) == 1
    assert {one.name for one in store.entities.all()} == {"a", "b"} - {*refused}
    assert store.history.newest == 1


def test_changes_are_selected_and_listed_newest_first(store: Store) -> None:
    alerter = Change(key=Key("alerter", "a", "late"), before=None, after="{}")
    for changes in ((changed("a"),), (changed("b"), alerter), (changed("a", "{}", None),)):
        store.history.commit(revision(changes=changes), 1)

    def listed(limit: int = 10, **asked: str | int) -> list[tuple[int, str, str]]:
        found = store.history.changes(ChangeQuestion(**asked), limit)  # type: ignore[arg-type]
        return [(one.revision, one.change.key.kind, one.change.key.name) for one in found]

    everything = [
        (3, "entity", "a"),
        (2, "alerter", "late"),
        (2, "entity", "b"),
        (1, "entity", "a"),
    ]
    assert listed() == everything
    assert listed(limit=2) == everything[:2]
    assert listed(entity="a") == [everything[0], everything[1], everything[3]]
    assert listed(kind="entity", name="a") == [everything[0], everything[3]]
    assert listed(after=1, before=3) == everything[1:3]


def test_a_revision_without_changes_gets_no_number(store: Store) -> None:
    assert store.history.commit(revision(declared("a")), 1) == 0
    assert store.history.changes() == []


def test_documents_are_applied_and_rolled_back_in_every_store(store: Store) -> None:
    by = By("ann", Origin.APPLY)
    alerter = {
        "entity": "a",
        "name": "<b>late",  # put over HTTP before such names were refused
        "summary": "service",
        "kind": "FIXED",
        "statistic": "count",
        "threshold": 1.0,
    }
    store.alerts.put(alerter_of(msgspec.convert(alerter, AlerterDefinition)), "api", 1)
    rule = {"entity": "a-*", "tolerances": {"input.x": 0.5}}
    entities = [{"name": "a", "reads_from": ["b"]}, {"name": "b", "attributes": {"team": "π"}}]
    document = document_of({"version": 1, "entities": entities, "watch": [rule]})
    assert apply(DeclareContext(store), document, by, 2).revision == 1
    assert apply(DeclareContext(store), document, by, 3).plan.unchanged == 3
    turned = [{"name": "a"}, {"name": "b", "reads_from": ["a"]}]
    apply(DeclareContext(store), document_of({"version": 1, "entities": turned}), by, 4)
    (kind,) = (one for one in KINDS if one.name == "alerter")
    key = kind.key_named("a", "<b>late")
    assert remove_one(DeclareContext(store), kind, key, kind.remove(key), by, 5)
    assert len(roll_back(DeclareContext(store), 1, by, 6).plan.changes) == 3
    edges = {one.name: one.declaration.reads_from for one in store.entities.all()}
    assert edges == {"a": ("b",), "b": ()}
    assert [one.name for one in store.alerts.alerters()] == ["<b>late"]
    assert len(roll_back(DeclareContext(store), 0, by, 7).plan.changes) == 3
    assert (store.entities.all(), store.history.objects("watch")) == ([], {})
    assert [one.name for one in store.alerts.alerters()] == ["<b>late"]


class Rotating(ChannelObjects):
    """Channels, of which the first one that is read gets a new secret at once."""

    is_rotated = False

    def read(self, store: Store, name: str) -> ChannelDefinition | None:
        """Return the stored channel, and then replace its secret."""
        found = super().read(store, name)
        if not self.is_rotated:
            self.is_rotated = True
            put_receiver(DeclareContext(store), ChannelObjects(), a_webhook("new"), ANN, 2)
        return found


def a_webhook(key: str, **settings: str) -> ChannelDefinition:
    secrets = {"url": "https://hooks.example/x", "signing_key": key.ljust(32, "-")}
    return ChannelDefinition(name="team", kind="webhook", secrets=secrets, settings=settings)


def test_a_secret_that_is_rotated_meanwhile_is_not_written_back(store: Store) -> None:
    put_receiver(DeclareContext(store), ChannelObjects(), a_webhook("old"), ANN, 1)
    shown = a_webhook("old", content_type="text/plain").shown()
    put_receiver(DeclareContext(store), Rotating(), shown, ANN, 3)
    kept = store.channels.read("team")
    assert kept == a_webhook("new", content_type="text/plain")
    assert [one.revision for one in store.history.changes()] == [3, 2, 1]


def test_receivers_and_routes_of_the_settings_are_recorded(store: Store) -> None:
    channel = a_webhook("a")
    target = TargetDefinition(**msgspec.structs.asdict(channel))
    route = RouteDefinition(name="night", channels=["team"])
    put_receiver(DeclareContext(store), ChannelObjects(), channel, ANN, 1)
    whole = OfSettings(channels=[channel], targets=[target], routes=[route])
    rotated = OfSettings(channels=[a_webhook("b")], routes=[route])
    for at, defined in enumerate((whole, whole, rotated, OfSettings())):
        take_settings(store, defined, 2 + at)
    made = [
        (one.author, one.change.key.kind, one.change.before is None, one.change.after is None)
        for one in store.history.changes(ChangeQuestion(after=1))
    ]
    assert made == [
        ("settings", "channel", False, True),
        ("settings", "route", False, True),
        ("settings", "channel", False, False),
        ("settings", "target", False, True),
        ("settings", "route", True, False),
        ("settings", "target", True, False),
    ]
    assert (store.channels.all(), store.targets.all(), store.routes.all()) == ([], [], [])
    assert "https" not in "".join(str(one.change) for one in store.history.changes())
