"""Lists choose what the asker may see, and what a filter asks for, before their limit cuts them."""

import pytest
from support.acting import an_action, declare
from support.shipping import Agents
from support.watch_steps import a_part, a_step, an_opening

from nilometer.values.labels import LabelFilter, Labels
from nilometer_collector.store import RunQuestion, Store
from nilometer_collector.testing import ENTITY, START_NS, an_alerter

QUIET, BUSY = "quiet-model", "busy-model"
LIMIT = 2


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (
        "sqlite.episodes.MOST_EPISODES",
        "sqlite.deliveries.MOST_DELIVERIES",
        "sqlite.acting.MOST_RUNS",
        "postgresql.episodes.MOST_EPISODES",
        "postgresql.delivery_lists.MOST_DELIVERIES",
        "postgresql.acting.MOST_RUNS",
    ):
        monkeypatch.setattr(f"nilometer_collector.store.{place}", LIMIT)


@pytest.fixture
def filled(store: Store) -> Store:
    """A store in which one entity had an episode before another had more than a list holds."""
    agents = Agents(store)
    declare(store, an_action(entity="*", approvers=["alice"]))
    for entity, versions in ((QUIET, "1"), (BUSY, "234")):
        alerter = an_alerter(entity=entity)
        for number, version in enumerate(versions, start=len(versions)):
            agents.say("pod-1", 0.5, number, alerter=alerter, labels={"version": version})
            store.actions.step(entity, {}, START_NS)
    return store


def test_episodes_of_others_do_not_fill_a_list(filled: Store) -> None:
    found = filled.alerts.episodes(among=[QUIET])
    assert [one.alerter.entity for one in found] == [QUIET]
    assert {one.alerter.entity for one in filled.alerts.episodes()} == {BUSY}
    assert filled.alerts.episodes(among=[]) == []


def test_episodes_without_the_labels_do_not_fill_a_list(filled: Store) -> None:
    (found,) = filled.alerts.episodes(labels=(("version", frozenset({"1", "9"})),))
    assert found.labels.as_dict() == {"version": "1"}
    absent = (("version", frozenset({"1"})), ("region", frozenset({"eu"})))
    assert filled.alerts.episodes(labels=absent) == []


def test_an_episode_is_found_by_the_labels_of_each_part(store: Store) -> None:
    parts = a_part(), a_part("input.age", labels=Labels.of(version="7", region="eu"))
    store.watching.save(ENTITY, a_step(0, episodes=[an_opening(1, *parts)]), START_NS)
    for version, found in (("7", 1), ("8", 0)):
        labels = LabelFilter.of([("version", version), ("region", "eu")]).allowed
        assert len(store.alerts.episodes(labels=labels)) == found


def test_deliveries_of_others_do_not_fill_a_list(filled: Store) -> None:
    assert {one.entity for one in filled.deliveries.records(among=[QUIET])} == {QUIET}
    assert {one.entity for one in filled.deliveries.records()} == {BUSY}


def test_runs_of_others_do_not_fill_a_list(filled: Store) -> None:
    (run,) = filled.actions.runs(RunQuestion(among=[QUIET]))
    assert run.entity == QUIET
    assert {one.entity for one in filled.actions.runs()} == {BUSY}
    assert filled.actions.runs(RunQuestion(episodes=[run.episode], among=[QUIET])) == [run]
    assert filled.actions.runs(RunQuestion(episodes=[])) == []
