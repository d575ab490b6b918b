"""A difference between both ends of an edge is named by its kind, in one sentence."""

from collections.abc import Sequence

import numpy as np
import pytest

from nilometer.profile import FeatureProfile, FeatureRecorder, FeatureSpec
from nilometer_collector.pipeline.handover import Ends, Fault, Finding, handover

ENDS = Ends(
    source="sensor", reader="comfort", sent="output.temperature", received="input.temperature"
)
CELSIUS = np.random.default_rng(5).normal(21.0, 3.0, 2000)


def column(cells: Sequence[object]) -> FeatureProfile:
    recorder = FeatureRecorder(FeatureSpec(readable=True))
    recorder.observe(cells)
    return recorder.profile()


def between(sent: Sequence[object], received: Sequence[object]) -> Finding | None:
    return handover(ENDS, column(sent), column(received))


def found(sent: Sequence[object], received: Sequence[object]) -> tuple[Fault, str]:
    finding = between(sent, received)
    assert finding is not None
    assert finding.sentence.endswith(".")
    return finding.fault, finding.sentence


def test_equal_sides_and_parts_of_the_traffic_differ_in_nothing() -> None:
    assert between(CELSIUS.tolist(), CELSIUS.tolist()) is None
    assert between(CELSIUS.tolist(), CELSIUS[:400].tolist()) is None
    assert between(["de", "fr"] * 300, ["fr", "de"] * 50) is None
    assert between([1.0] * 10, [2.0] * 10) is None  # too few to say


@pytest.mark.parametrize(
    ("received", "words"),
    [
        (CELSIUS * 1.8 + 32, ("1.8 times as large, plus 32", "as if Celsius became Fahrenheit")),
        ((CELSIUS - 32) / 1.8, ("0.556 times", "as if Fahrenheit became Celsius")),
        (CELSIUS + 273.15, ("273 more", "as if Celsius became kelvin")),
        (CELSIUS * 100, ("100 times as large where", "became hundredths such as cents")),
        (CELSIUS / 1000, ("0.001 times as large where", "thousandths became units")),
        (CELSIUS * 7.3, ("7.3 times as large where", "output.temperature of sensor.")),
    ],
)
def test_a_conversion_of_units_is_named_with_its_formula(
    received: np.ndarray[tuple[int], np.dtype[np.float64]], words: tuple[str, ...]
) -> None:
    fault, sentence = found(CELSIUS.tolist(), received.tolist())
    assert all(word in sentence for word in words), sentence
    assert fault is Fault.UNIT


def test_a_conversion_is_named_where_only_a_part_of_the_traffic_arrives() -> None:
    draw = np.random.default_rng(8)
    sent = draw.gamma(2.0, 30.0, 5000)
    for _ in range(20):
        part = draw.choice(sent, 200)
        assert between(sent.tolist(), part.tolist()) is None
        fault, sentence = found(sent.tolist(), (part * 100).tolist())
        assert fault is Fault.UNIT
        assert "hundredths" in sentence or "times as large" in sentence


def test_another_shape_is_no_conversion() -> None:
    sent = np.random.default_rng(8).gamma(2.0, 30.0, 5000)
    assert found(sent.tolist(), np.log1p(sent).tolist())[0] is Fault.DISTRIBUTION
    assert found(sent.tolist(), (sent**1.2).tolist())[0] is Fault.DISTRIBUTION


def test_a_default_that_fills_gaps_is_one_frequent_value() -> None:
    filled = CELSIUS.copy()
    filled[::10] = -1.0
    fault, sentence = found(CELSIUS.tolist(), filled.tolist())
    assert fault is Fault.DEFAULT
    assert "10 % of input.temperature is -1 where comfort receives it" in sentence
    # A value that the source sends as often is no default, in whatever unit it arrives.
    assert between(filled.tolist(), filled.tolist()) is None
    assert found(filled.tolist(), (filled * 1.8 + 32).tolist())[0] is Fault.UNIT


def test_lost_and_added_values_are_told_apart_from_drift() -> None:
    lost = [None if at % 8 == 0 else one for at, one in enumerate(CELSIUS.tolist())]
    fault, sentence = found(CELSIUS.tolist(), lost)
    assert fault is Fault.MISSING
    assert "12.5 % of input.temperature is missing where comfort receives it" in sentence
    assert "0 % of output.temperature where sensor sends it" in sentence
    assert found(lost, CELSIUS.tolist())[0] is Fault.MISSING


def test_serialisation_shows_as_another_type_or_as_rounding() -> None:
    fault, sentence = found(CELSIUS.tolist(), [f"{one:.1f}" for one in CELSIUS])
    assert fault is Fault.TYPE
    assert "sends output.temperature as number, but 100 % of what comfort receives" in sentence
    fault, sentence = found(CELSIUS.tolist(), np.round(CELSIUS).tolist())
    assert fault is Fault.ROUNDED
    assert "rounded" in sentence
    fault, sentence = found(["DE", "FR"] * 300, ["de", "fr"] * 300)
    assert fault is Fault.DISTRIBUTION


def test_any_other_difference_names_where_it_is() -> None:
    clipped = np.clip(CELSIUS, 21.0, None) + np.random.default_rng(1).normal(0, 0.1, 2000)
    fault, sentence = found(CELSIUS.tolist(), clipped.tolist())
    assert fault is Fault.DISTRIBUTION
    assert "where comfort receives it, and" in sentence


def test_a_name_that_is_replaced_is_found_among_many_rare_names() -> None:
    rng = np.random.default_rng(6)
    sent = [f"n{k}" for k in np.where(rng.random(1000) < 0.5, 0, rng.integers(1, 101, 1000))]
    assert between(sent, sent) is None
    first = sent.count("n0")
    received = [f"n{1 if name == 'n0' and at < 460 else name[1:]}" for at, name in enumerate(sent)]
    assert first - received.count("n0") < 0.25 * len(sent)
    assert found(sent, received)[0] is Fault.DISTRIBUTION
