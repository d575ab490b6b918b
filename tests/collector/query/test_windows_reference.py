"""A reference of stored windows is as good as one that was uploaded, and says what is left out."""

import numpy as np
import pyarrow
import pytest
from support.rolling import Rolling
from support.shipping import a_sample_row, ship

from nilometer.batch.reference import reference_of
from nilometer.compare import KS, PSI, Comparison, compare
from nilometer.profile import (
    Coverage,
    FeatureRecorder,
    FeatureSpec,
    Reference,
    SummarySample,
)
from nilometer.testing import SteppedClock, amounts
from nilometer.values.clock import NANOSECONDS
from nilometer.values.labels import LabelFilter, Labels
from nilometer.values.window import Window
from nilometer_collector.errors import TooMuch, Unknown
from nilometer_collector.limits.bounds import LAST_NS
from nilometer_collector.limits.references import check_reference
from nilometer_collector.query import cells
from nilometer_collector.query.query import Query
from nilometer_collector.query.series_records import Selection
from nilometer_collector.query.windows_reference import WindowsReference
from nilometer_collector.store import Arrival, Level, Store
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    a_reference,
    feature_sample,
    minute,
    service_sample,
)

AMOUNT = "input.amount"
KINDS = ["card"] * 60 + ["cash"] * 30 + ["check"] * 10


def ship_all(store: Store, *samples: SummarySample, agent: str = "pod-1") -> None:
    number = sum(one.seen for one in store.samples.totals())  # above every earlier sequence
    arrivals = [
        Arrival(sequence=number + at, content=a_sample_row(sample))
        for at, sample in enumerate(samples, 1)
    ]
    assert ship(store, arrivals, agent=agent).stored == len(samples)


def windows_reference(
    store: Store,
    *summaries: str,
    start_ns: int = 0,
    end_ns: int = LAST_NS,
    **labels: str,
) -> WindowsReference:
    selection = Selection(
        entity=ENTITY,
        summaries=summaries,
        labels=LabelFilter.of(labels.items()),
        start_ns=start_ns,
        end_ns=end_ns,
    )
    return Query(store, SteppedClock()).reference_of(selection, "week")


def kinds_sample(reference: Reference | None, *, readable: bool, number: int = 0) -> SummarySample:
    spec = FeatureSpec(readable=readable, key=b"key")
    if reference is not None:
        found = reference.spec("input.kind", readable=readable, key=b"key")
        assert found is not None
        spec = found
    recorder = FeatureRecorder(spec)
    recorder.observe([*KINDS, "coin"])
    return SummarySample(
        entity=ENTITY,
        summary="input.kind",
        labels=Labels(),
        window=minute(number),
        coverage=Coverage(profiled=len(KINDS) + 1),
        content=recorder.profile(),
    )


def training() -> Reference:
    table = pyarrow.table({"kind": KINDS})
    return reference_of(table, entity=ENTITY, name="training", source="t", created_ns=1)


def test_all_windows_agents_and_labels_are_merged_on_quantile_edges(store: Store) -> None:
    for number in range(4):
        ship_all(
            store,
            feature_sample(
                amounts(500, number), window=minute(number), labels={"version": str(number % 2)}
            ),
            service_sample([0.1]),
            agent=f"pod-{number}",
        )
    made = windows_reference(store)
    check_reference(made.reference)
    column = made.reference.columns[AMOUNT]
    assert (list(made.reference.columns), made.warnings) == ([AMOUNT], [])
    assert (made.reference.rows, column.feature.count, len(column.edges)) == (2000, 2000, 31)
    whole = np.concatenate([amounts(500, number) for number in range(4)])
    shares = np.histogram(whole, [-np.inf, *column.edges, np.inf])[0] / whole.size
    assert np.abs(np.cumsum(shares) - np.arange(1, 33) / 32).max() < 0.01
    assert made.reference.source == "windows 2023-11-14 22:14 UTC to 2023-11-14 22:18 UTC"


def test_it_compares_as_a_reference_of_the_rows_does(store: Store) -> None:
    before, now = amounts(4000, 1), [2 * one for one in amounts(1000, 2)]
    ship_all(store, feature_sample(before))
    table = pyarrow.table({"amount": before})
    of_rows = reference_of(table, entity=ENTITY, name="r", source="t", created_ns=1)
    of_windows = windows_reference(store).reference
    current = feature_sample(now).content
    for comparator in (PSI, KS):
        found = [compare(comparator, one.columns[AMOUNT], current) for one in (of_rows, of_windows)]
        values = [one.value for one in found if isinstance(one, Comparison)]
        assert values[1] == pytest.approx(values[0], rel=0.05)


def test_edges_of_an_earlier_reference_are_replaced(store: Store) -> None:
    old = a_reference({AMOUNT: [1.0, 2.0, 3.0, 4.0]})
    store.references.put(old, 1)
    edges = old.columns[AMOUNT].edges
    ship_all(store, feature_sample([100.0 + n for n in range(200)], edges=edges))
    column = windows_reference(store).reference.columns[AMOUNT]
    numbers = column.feature.numbers
    assert min(column.edges) > 100
    assert (numbers.binned, numbers.below_reference, numbers.above_reference) == (None, 0, 0)


def test_labels_and_time_select_the_windows(store: Store) -> None:
    for number in range(4):
        version = str(number % 2)
        sample = feature_sample(
            [float(number)] * 10, window=minute(number), labels={"version": version}
        )
        ship_all(store, sample)
    of_version = windows_reference(store, version="1").reference
    assert of_version.source.endswith("22:18 UTC, version=1")
    assert of_version.columns[AMOUNT].feature.numbers.moments.mean == 2.0
    later = windows_reference(store, AMOUNT, start_ns=minute(2).start_ns).reference
    assert later.columns[AMOUNT].feature.numbers.moments.mean == 2.5


def test_categories_keep_the_dictionary_that_the_windows_were_counted_on(store: Store) -> None:
    reference = training()
    store.references.put(reference, 1)
    ship_all(store, *(kinds_sample(reference, readable=False, number=number) for number in (0, 1)))
    column = windows_reference(store).reference.columns["input.kind"]
    assert column.dictionary == reference.columns["input.kind"].dictionary
    counts = column.feature.categories.dictionary
    assert counts is not None
    assert (counts.counts, counts.unseen) == ((120, 60, 20), 2)
    again = compare(PSI, column, kinds_sample(reference, readable=False).content)
    assert isinstance(again, Comparison)
    assert again.value == pytest.approx(0.0, abs=0.01)
    assert not again.rebinned


def test_readable_names_become_a_dictionary(store: Store) -> None:
    ship_all(store, kinds_sample(None, readable=True))
    dictionary = windows_reference(store).reference.columns["input.kind"].dictionary
    assert dictionary is not None
    assert dictionary.names[:3] == ("card", "cash", "check")


def test_pseudonyms_never_become_a_dictionary(store: Store) -> None:
    ship_all(store, kinds_sample(None, readable=False), feature_sample(amounts(50)))
    made = windows_reference(store)
    assert list(made.reference.columns) == [AMOUNT]
    (warning,) = made.warnings
    assert warning.startswith("input.kind is left out: the windows have pseudonyms")


def test_days_are_read_from_roll_ups_and_counted_once(store: Store) -> None:
    hours = range(50)
    first_ns = START_NS - START_NS % Level.DAY.length_ns
    for hour in hours:
        start_ns = first_ns + hour * Level.HOUR.length_ns
        window = Window(start_ns, start_ns + 60 * NANOSECONDS)
        ship_all(store, feature_sample([float(hour)], window=window))
    assert Rolling(store).roll_up_all(START_NS + 10 * Level.DAY.length_ns)
    column = windows_reference(store, start_ns=first_ns).reference.columns[AMOUNT]
    assert column.feature.count == len(hours)


def test_the_limit_of_samples_is_that_of_one_summary(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"input.{name}" for name in "abc"]
    windows = range(5)
    ship_all(
        store,
        *(
            feature_sample([1.0], summary=name, window=minute(at))
            for name in names
            for at in windows
        ),
    )
    monkeypatch.setattr(cells, "MAX_SAMPLES", 5)
    assert list(windows_reference(store, "input.*").reference.columns) == names
    monkeypatch.setattr(cells, "MAX_SAMPLES", 4)
    with pytest.raises(TooMuch):
        windows_reference(store)


@pytest.mark.parametrize(
    ("summaries", "reason"),
    [
        (("service",), "a reference holds features only"),
        (("input.nothing",), "has no summary 'input.nothing'"),
    ],
)
def test_nothing_to_merge_is_refused(store: Store, summaries: tuple[str, ...], reason: str) -> None:
    ship_all(store, service_sample([0.1]), feature_sample([1.0]))
    with pytest.raises(Unknown, match=reason):
        windows_reference(store, *summaries)
    with pytest.raises(Unknown, match="use a longer time"):
        windows_reference(store, end_ns=1)


def test_an_entity_without_data_is_refused(store: Store) -> None:
    with pytest.raises(Unknown, match="has no data"):
        windows_reference(store)
