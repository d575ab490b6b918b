"""Causes of an episode as the collector finds them in its store."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.episode_traffic import (
    BASE_NS,
    HOUR_NS,
    ONSET_NS,
    OPENED_NS,
    ROWS,
    Cells,
    EpisodeTraffic,
    an_episode,
    normals,
    reference_for,
)
from support.shipping import Agents

from nilometer.causes import Answer, CauseKind
from nilometer.profile import Content, FeatureRecorder
from nilometer.profile.bin_sums import BinSums, Rounded, SumKey
from nilometer.profile.feature_bins import FeatureBins
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_collector.causes import reading
from nilometer_collector.causes.causes import Causes
from nilometer_collector.causes.spans import end_of, times_of
from nilometer_collector.store import EntityDeclaration, Store, open_store
from nilometer_collector.store.history_records import (
    Change,
    DeclareEntity,
    Key,
    Origin,
    Revision,
)
from nilometer_collector.testing import ENTITY, an_alerter, an_evaluation


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "collector.db", "slack")
    yield opened
    opened.close()


def sentences(answer: Answer, kind: CauseKind) -> list[str]:
    """Return the sentences of the causes of one kind."""
    return [one.sentence for one in answer.causes if one.kind is kind]


def test_the_interval_that_gained_most_names_the_feature(store: Store) -> None:
    rng = np.random.default_rng(1)
    training: dict[str, Cells] = {
        "amount": rng.exponential(50.0, 5000),
        "age": rng.normal(0.0, 1.0, 5000),
    }
    traffic = EpisodeTraffic(store, reference=reference_for(training))
    assert traffic.reference is not None
    store.references.put(traffic.reference, 0)
    amounts: dict[int, Cells] = {}
    for start in traffic.starts():
        drawn = rng.exponential(50.0, ROWS)
        amounts[start] = (
            np.where(rng.random(ROWS) < 0.17, 0.0, drawn) if start >= ONSET_NS else drawn
        )
    traffic.feature("input.amount", amounts)
    traffic.feature("input.age", normals(traffic, 2))
    answer = Causes(store, traffic.clock).of(an_episode("input.amount"))
    lead = answer.causes[0]
    assert (lead.kind, lead.summary) == (CauseKind.FEATURE, "input.amount")
    assert " of the values of input.amount are now below " in lead.sentence
    assert next(share.name for share in lead.shares if share.marked).startswith("below ")
    assert sum(share.now for share in lead.shares) == pytest.approx(1.0)


def test_missing_cells_are_told_without_a_reference(store: Store) -> None:
    traffic = EpisodeTraffic(store)
    rng = np.random.default_rng(3)
    cells: dict[int, Cells] = {
        start: [
            None if start >= ONSET_NS and at < 60 else float(rng.normal()) for at in range(ROWS)
        ]
        for start in traffic.starts()
    }
    traffic.feature("input.amount", cells)
    (told,) = sentences(
        Causes(store, traffic.clock).of(an_episode("input.amount")), CauseKind.FEATURE
    )
    assert told == "30 % of the cells of input.amount are now missing; before it was 0 %."


def test_days_without_data_are_not_compared(store: Store) -> None:
    """The hours directly before the onset are compared, if the entity was off on every earlier day."""
    traffic = EpisodeTraffic(store)
    early = ONSET_NS - 21 * 24 * HOUR_NS  # so that all earlier days lie after the first sample
    drawn = normals(traffic, 5, 0.6)
    kept = {at: cells for at, cells in drawn.items() if at > ONSET_NS - 3 * HOUR_NS}
    traffic.feature("input.amount", {early: drawn[min(drawn)]} | kept)
    (told,) = sentences(
        Causes(store, traffic.clock).of(an_episode("input.amount")), CauseKind.FEATURE
    )
    assert " of the values of input.amount are now " in told


def test_new_categories_are_named(store: Store) -> None:
    rng = np.random.default_rng(4)
    names = ["visa", "amex", "other"]
    traffic = EpisodeTraffic(
        store, reference=reference_for({"card": rng.choice(names, 3000).tolist()})
    )
    assert traffic.reference is not None
    store.references.put(traffic.reference, 0)
    cells: dict[int, Cells] = {
        start: rng.choice([*names, "diners"] if start >= ONSET_NS else names, ROWS).tolist()
        for start in traffic.starts()
    }
    traffic.feature("input.card", cells)
    (told,) = sentences(
        Causes(store, traffic.clock).of(an_episode("input.card")), CauseKind.FEATURE
    )
    assert " of the values of input.card are now names that were not there before, such as " in told
    assert "'diners'" in told


def test_the_segment_with_the_change_is_named(store: Store) -> None:
    traffic = EpisodeTraffic(store)
    for at in range(4):
        shift = 1.0 if at == 2 else 0.0
        labels = Labels.of(region=f"r{at}")
        traffic.feature("input.amount", normals(traffic, 10 + at, shift), labels)
    answer = Causes(store, traffic.clock).of(an_episode("input.amount"))
    found = [one for one in answer.causes if one.kind is CauseKind.SEGMENT]
    assert [one.labels for one in found] == [Labels.of(region="r2")]
    assert found[0].sentence.startswith("In region=r2, ")


def test_a_stage_that_moved_before_is_named_first_and_only_to_those_who_may_see_it(
    store: Store,
) -> None:
    traffic = EpisodeTraffic(store)
    traffic.feature("input.amount", normals(traffic, 20, 0.4))
    store.entities.put(ENTITY, EntityDeclaration(reads_from=("features",)), 0)
    opening = replace(
        an_evaluation(0.5, 0, alerter=an_alerter(entity="features")),
        window=Window(ONSET_NS - HOUR_NS, ONSET_NS),
    )
    Agents(store).judge("pod-1", [opening])
    causes, episode = Causes(store, traffic.clock), an_episode("input.amount")
    (told,) = sentences(causes.of(episode), CauseKind.STAGE)
    assert told.startswith(f"features, from which {ENTITY} reads, moved first, 60 minutes before ")
    hidden = causes.of(episode, lambda entity: entity == ENTITY)
    assert not any("features" in str(one) for one in (*hidden.causes, *hidden.untold))


def test_an_old_episode_of_a_stage_does_not_hide_its_newest_one(store: Store) -> None:
    store.entities.put(ENTITY, EntityDeclaration(reads_from=("features",)), 0)
    agents = Agents(store)
    for name, onset_ns in (("old", ONSET_NS - 72 * HOUR_NS), ("new", ONSET_NS - HOUR_NS)):
        alerter = replace(an_alerter(entity="features"), name=name)
        opening = replace(
            an_evaluation(0.5, 0, alerter=alerter), window=Window(onset_ns - HOUR_NS, onset_ns)
        )
        agents.judge("pod-1", [opening])
    answer = Causes(store, EpisodeTraffic(store).clock).of(an_episode("input.amount"))
    (told,) = sentences(answer, CauseKind.STAGE)
    assert told.startswith(f"features, from which {ENTITY} reads, moved first, 2 hours before ")


def test_what_changed_around_the_onset_is_told_with_its_time(store: Store) -> None:
    traffic = EpisodeTraffic(store)
    traffic.feature("input.amount", normals(traffic, 30, 0.4))
    early = ONSET_NS - 4 * BASE_NS
    before = {start: 2 for start in traffic.starts() if start < early}
    after = {start: 30 for start in traffic.starts() if start >= early}
    traffic.requests(before, labels=Labels.of(version="v7"))
    traffic.requests(after, labels=Labels.of(version="v8"))
    told = sentences(Causes(store, traffic.clock).of(an_episode("input.amount")), CauseKind.CHANGE)
    assert told == [
        "Version=v8 appears, with 100 % of the requests, 20 minutes before the onset.",
        "Version=v7 ends, which had 100 % of the requests, 20 minutes before the onset.",
        "The share of failed requests rises from 1 % to 15 %, 20 minutes before the onset.",
    ]


def test_an_episode_without_data_tells_nothing_and_why(store: Store) -> None:
    answer = Causes(store, EpisodeTraffic(store).clock).of(an_episode("input.amount"))
    assert answer.causes == ()
    assert {one.kind for one in answer.untold} == {
        CauseKind.FEATURE, CauseKind.SEGMENT, CauseKind.STAGE, CauseKind.CHANGE,
    }  # fmt: skip
    assert all(len(one.sentence) > 20 for one in answer.untold)


def test_the_samples_of_an_answer_are_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic = EpisodeTraffic(store)
    for at in range(6):
        traffic.feature(f"input.f{at}", normals(traffic, 40 + at, 0.5))
    monkeypatch.setattr(reading, "MOST_SAMPLES", 10)
    nothing = Causes(store, traffic.clock).of(an_episode("input.f3"))
    assert [one.kind for one in nothing.causes] == []
    monkeypatch.setattr(reading, "MOST_SAMPLES", 100)
    answer = Causes(store, traffic.clock).of(an_episode("input.f3"))
    assert [one.summary for one in answer.causes] == ["input.f3"]
    assert any("were not read, to bound the cost" in one.sentence for one in answer.untold)


def test_an_answer_is_kept_until_the_episode_changes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic = EpisodeTraffic(store)
    traffic.feature("input.amount", normals(traffic, 50, 0.5))
    causes, episode = Causes(store, traffic.clock), an_episode("input.amount")
    first = causes.of(episode)
    assert causes.of(episode) is first
    assert causes.of(replace(episode, closed_ns=OPENED_NS + HOUR_NS)) is not first
    assert causes.likely([episode]) == first.causes[0].sentence


def test_comparable_times_are_days_of_the_same_kind_without_other_episodes() -> None:
    episode = an_episode("input.amount")
    end_ns = end_of(episode, OPENED_NS)
    times = times_of(episode, end_ns, [])
    noon = [(ONSET_NS - one.start_ns) // (24 * HOUR_NS) for one in times.days]
    assert noon[:4] == [7, 1, 2, 3]
    assert not {4, 5, 11, 12}.intersection(noon)  # weekends, seen from a Thursday
    yesterday = ONSET_NS - 24 * HOUR_NS
    others = [(yesterday, yesterday + BASE_NS)]
    noon = [
        (ONSET_NS - one.start_ns) // (24 * HOUR_NS)
        for one in times_of(episode, end_ns, others).days
    ]
    assert noon[:3] == [7, 2, 3]


def test_an_episode_about_the_monitoring_has_no_cause(store: Store) -> None:
    answer = Causes(store, EpisodeTraffic(store).clock).of(an_episode("nilometer.agents"))
    assert answer.causes == ()
    assert "about the monitoring itself" in answer.untold[0].sentence


def test_a_small_effect_is_no_cause_in_a_message(store: Store) -> None:
    traffic = EpisodeTraffic(store)
    traffic.feature("input.amount", normals(traffic, 60))
    declare = DeclareEntity(ENTITY, EntityDeclaration())
    change = Change(key=Key("entity", ENTITY, ENTITY), before=None, after="{}")
    made = Revision(author="ann", origin=Origin.API, commands=[declare], changes=[change])
    store.history.commit(made, ONSET_NS)
    causes, episode = Causes(store, traffic.clock), an_episode("input.amount")
    assert sentences(causes.of(episode), CauseKind.CHANGE) == [
        f"Entity {ENTITY!r} was created by ann, at the onset."
    ]
    assert causes.likely([episode]) == ""


@pytest.mark.parametrize("is_mix", [True, False])
def test_stored_sums_tell_mix_from_behaviour(store: Store, *, is_mix: bool) -> None:
    rng = np.random.default_rng(70)
    traffic = EpisodeTraffic(store, reference=reference_for({"amount": rng.normal(0, 1, 5000)}))
    assert traffic.reference is not None
    store.references.put(traffic.reference, 0)
    column = traffic.reference.columns["input.amount"]
    bins = FeatureBins.of(column.edges, column.dictionary)
    contents: dict[int, Content] = {}
    for start, cells in normals(traffic, 71, 0.8 if is_mix else 0.0).items():
        amounts = np.asarray(cells, np.float64)
        recorder = FeatureRecorder(traffic.reference.spec("input.amount"))
        recorder.observe(amounts)
        profile = recorder.profile()
        predicted = 0.1 * amounts + (0.08 if not is_mix and start >= ONSET_NS else 0.0)
        places = np.searchsorted(np.array(column.edges), amounts, "right")
        sums = BinSums.of(bins, places, Rounded.of(predicted, bits=14))
        profile.sums = {SumKey("output.score", bins): sums}
        contents[start] = profile
    traffic.ship("input.amount", contents)
    (told,) = sentences(
        Causes(store, traffic.clock).of(an_episode("output.score")), CauseKind.SHIFT
    )
    assert told.startswith(
        "output.score moved because input.amount moved: "
        if is_mix
        else "output.score moved with the same inputs: "
    )
