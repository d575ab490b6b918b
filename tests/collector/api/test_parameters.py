"""A query parameter is read strictly: what is not declared or out of bounds is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.problems import is_problem

from nilometer_collector.testing import ENTITY, Running

S = f"samples?entity={ENTITY}&summary=input.amount"
HOSTILE = [
    "entities?entity=x",
    "entities?%00=1",
    "summaries",
    "summaries?entity=",
    "summaries?entity=a%00b",
    "summaries?entity=a%0Ab",
    f"summaries?entity={ENTITY}&entity={ENTITY}",
    "summaries?entity=" + "a" * 300,
    f"samples?entity={ENTITY}",
    "samples?summary=input.amount",
    f"{S}&start=yesterday",
    f"{S}&start=nan",
    f"{S}&start=inf",
    f"{S}&start=-1",
    f"{S}&start=1e400",
    f"{S}&start=" + "9" * 4000,
    f"{S}&start=1_000",
    f"{S}&start=%D9%A1",
    f"{S}&end=1e300",
    f"{S}&step=0",
    f"{S}&step=-60",
    f"{S}&step=60.5",
    f"{S}&step=99999999999999999999999",
    f"{S}&step=%C2%B2",
    f"{S}&step=",
    f"{S}&label=version",
    f"{S}&label=Version:1",
    f"{S}&label=:1",
    f"{S}&label=a:{'x' * 400}",
    S + "&label=a:b" * 100,
    f"{S}&reference=",
    f"{S}&colour=blue",
    f"{S}&{'x' * 20000}=1",
    "references?name=x",
    "alerters?entity=%F0%9F%98%80&entity=b",
    "episodes?open=1",
    "episodes?open=TRUE",
    "episodes?open=true&open=false",
]


@pytest.mark.parametrize("query", HOSTILE)
def test_a_parameter_that_is_not_allowed_is_422(filled: Running, query: str) -> None:
    is_problem(filled.http.get(f"/api/v1/{query}"), 422)


@given(
    path=st.sampled_from(
        [
            *("entities", "summaries", "samples", "query", "newest"),
            *("references", "episodes", "alerters"),
        ]
    ),
    query=st.lists(
        st.tuples(
            st.sampled_from(
                [
                    *(
                        "entity",
                        "summary",
                        "start",
                        "end",
                        "label",
                        "step",
                        "reference",
                        "open",
                        "x",
                    ),
                    *("not_label", "has_label", "by", "quantile", "cdf", "edge", "top", "show"),
                    *("statistic", "comparator", "other_entity", "other_label", "other_earlier"),
                    *("limit", "after", "windows"),
                ]
            ),
            st.one_of(
                st.text(max_size=20),
                st.integers().map(str),
                st.floats().map(str),
                st.just(ENTITY),
                st.just("input.amount"),
                st.just("version:1"),
            ),
        ),
        max_size=5,
    ),
)
def test_no_query_is_a_fault_of_ours(
    filled: Running, path: str, query: list[tuple[str, str]]
) -> None:
    encoded = [(name, value.encode("utf-8", "surrogatepass")) for name, value in query]
    from urllib.parse import urlencode

    answer = filled.http.get(f"/api/v1/{path}?{urlencode(encoded)}")
    assert answer.status_code in {200, 404, 422}
