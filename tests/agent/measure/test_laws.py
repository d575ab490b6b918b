"""The accounting laws, against counters of a real agent and against figures that are wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer_agent.measure.counters import Counter
from nilometer_agent.measure.laws import LAWS, broken

FIGURES = {counter.value for counter in Counter} | {
    *("rows_in_outbox", "observations_in_outbox", "observations_in_partials", "events_waiting"),
    "predictions_in_outbox",
}


def test_every_law_speaks_of_figures_that_there_are() -> None:
    for law in LAWS:
        assert {*law.come, *law.gone, *law.unless} <= FIGURES


def test_the_laws_stand_in_the_documents() -> None:
    page = (Path(__file__).parents[3] / "docs" / "telemetry.md").read_text("utf-8")
    words = " ".join(page.replace("`", "").split())
    for law in LAWS:
        assert f"{' + '.join(law.come)} = {' + '.join(law.gone)}" in words


@given(law=st.sampled_from(LAWS), parts=st.lists(st.integers(0, 1000), min_size=9, max_size=9))
def test_what_adds_up_is_no_breach_and_one_more_is(law: object, parts: list[int]) -> None:
    assert law in LAWS
    law = LAWS[LAWS.index(law)]
    figures = dict(zip(law.gone, parts, strict=False))
    figures[law.come[0]] = sum(figures.values())
    assert law.excess(figures) == 0
    figures[law.gone[-1]] += 1
    assert law.excess(figures) == -1
    figures[law.come[0]] += 3
    assert law.excess(figures) == 2


def test_what_is_under_way_is_no_breach_and_what_stays_off_is() -> None:
    moving = [{"observations": seen, "profiled": 5} for seen in (7, 6, 9)]
    assert broken(moving) == []
    stuck = [{"observations": 7 + look, "profiled": 5 + look} for look in range(3)]
    (breach,) = [one for one in broken(stuck) if one.law is LAWS[0]]
    assert breach.excess == 2
    assert "off by 2: 2 cannot be found" in str(breach)


def test_a_damaged_file_suspends_what_it_has_made_unknown() -> None:
    assert [one.law.hop for one in broken([{"rows_queued": 1}])] == ["agent to collector, rows"]
    assert broken([{"rows_queued": 1, "rows_corrupt": 1}]) == []


def test_no_figures_are_no_verdict() -> None:
    with pytest.raises(ValueError, match="at least one snapshot"):
        broken([])
