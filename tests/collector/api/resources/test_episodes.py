"""An episode shows one figure: value, time and sentence belong together, and the worst is told apart."""

from collections.abc import Mapping
from typing import Any

import pytest

from nilometer.alert import Evaluation, Verdict
from nilometer_collector.testing import ENTITY, Running, an_evaluation, minute


def shown(served: Running, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = served.get("episodes", **query)["episodes"]
    return found


def say(served: Running, *evaluations: Evaluation) -> None:
    assert not served.sender().ship(*evaluations).rejected


def figure(episode: Mapping[str, Any]) -> tuple[float, float]:
    """Return value and time, after a check that the sentence has this value."""
    assert episode["evidence"] == f"PSI from training is {episode['value']:g} (threshold 0.2)"
    return episode["value"], episode["measured"]


@pytest.mark.parametrize("values", [(0.5,), (0.5, 0.9), (0.5, 0.9, 0.3)])
def test_an_open_episode_shows_its_newest_figure(served: Running, values: tuple[float]) -> None:
    say(served, *(an_evaluation(value, number) for number, value in enumerate(values)))
    (episode,) = shown(served)
    assert figure(episode) == (values[-1], minute(len(values) - 1).end_ns / 1e9)
    worst = values.index(max(values))
    assert (episode["worst"], episode["worst_at"]) == (values[worst], minute(worst).end_ns / 1e9)


def test_a_window_that_was_not_judged_has_no_figure(served: Running) -> None:
    say(served, an_evaluation(0.5, 0), an_evaluation(0.0, 1, verdict=Verdict.NOT_JUDGED))
    (episode,) = shown(served)
    assert figure(episode) == (0.5, minute(0).end_ns / 1e9)


def test_a_closed_episode_shows_how_it_opened(served: Running) -> None:
    say(served, *(an_evaluation(value, n) for n, value in enumerate((0.5, 0.9, 0.1))))
    (episode,) = shown(served)
    assert figure(episode) == (0.5, minute(0).end_ns / 1e9)
    assert (episode["worst"], episode["worst_at"]) == (0.9, minute(1).end_ns / 1e9)


def test_labels_filter_episodes(served: Running) -> None:
    sets: tuple[dict[str, str], ...] = ({}, {"version": "1"}, {"version": "2"})
    say(served, *(an_evaluation(0.5, 0, labels=labels) for labels in sets))
    assert len(shown(served, entity=ENTITY)) == 3
    (found,) = shown(served, entity=ENTITY, label="version:2")
    assert found["labels"] == {"version": "2"}
