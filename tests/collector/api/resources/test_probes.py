"""The readiness probe checks that rows can be stored, and returns the counters."""

from nilometer_collector.testing import Running


def test_readiness_counts_what_became_of_rows(filled: Running) -> None:
    answer = filled.http.get("/readyz").json()
    assert answer["ready"]
    assert answer["counters"]["rows_stored"] == 3
