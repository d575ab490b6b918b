"""A cut-off agent and the collector both judge the windows of an outage: one episode for one event."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from support.shipping import Agents

from nilometer_collector.store import Store
from nilometer_collector.testing import an_evaluation

COLLECTOR = "nilometer-collector"
EVENT = [0.1, 0.5, 0.6, 0.1]


@pytest.fixture
def agents(store: Store) -> Agents:
    return Agents(store)


def judge_merged(agents: Agents, values: Sequence[float], first: int = 0) -> int:
    """Let the collector judge merged windows from minute *first*; return the notifications."""
    merged = [
        replace(an_evaluation(value, number), edge=False)
        for number, value in enumerate(values, first)
    ]
    return agents.store.alerts.evaluate(merged, COLLECTOR, agents.now_ns)


def tell(agents: Agents, values: Sequence[float], first: int = 0) -> int:
    """Ship what a cut-off agent judged from minute *first*; return the notifications."""
    return agents.judge("pod-1", [an_evaluation(v, n) for n, v in enumerate(values, first)])


def test_the_collector_does_not_open_an_episode_of_an_agent_again(agents: Agents) -> None:
    assert tell(agents, EVENT) == 2
    assert judge_merged(agents, EVENT) == 0
    assert agents.statuses == [["ALERTING", "OK"]]


def test_an_agent_does_not_open_an_episode_of_the_collector_again(agents: Agents) -> None:
    assert judge_merged(agents, EVENT) == 2
    assert tell(agents, EVENT) == 0
    assert agents.statuses == [["ALERTING", "OK"]]


def test_a_later_event_opens_an_episode_of_its_own(agents: Agents) -> None:
    tell(agents, EVENT)
    assert judge_merged(agents, [*EVENT, 0.7]) == 1
    assert agents.statuses == [["ALERTING"], ["ALERTING", "OK"]]


def test_an_event_that_only_merged_windows_show_opens_an_episode(agents: Agents) -> None:
    tell(agents, [0.1, 0.1, 0.1, 0.1])
    assert judge_merged(agents, EVENT) == 2
    assert agents.statuses == [["ALERTING", "OK"]]


def test_an_event_that_goes_on_in_merged_windows_opens_an_episode(agents: Agents) -> None:
    tell(agents, EVENT)
    assert judge_merged(agents, [0.1, 0.5, 0.6]) == 0
    assert judge_merged(agents, [0.8], first=3) == 1
    (newest, _) = agents.store.alerts.episodes()
    assert (newest.since_ns, newest.closed_ns) == (an_evaluation(0.5, 1).window.start_ns, None)


def test_the_next_merged_window_decides_about_an_episode_of_an_agent(agents: Agents) -> None:
    tell(agents, EVENT[:3])
    assert judge_merged(agents, [0.1, 0.1, 0.1]) == 0  # the agent judged these, too
    assert agents.statuses == [["ALERTING"]]
    assert judge_merged(agents, [0.1], first=3) == 1
    assert agents.statuses == [["ALERTING", "OK"]]
