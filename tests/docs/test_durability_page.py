"""The tests, settings and log lines that docs/durability.md names exist."""

import re
from pathlib import Path

from faults.__main__ import FORMS

from nilometer_agent.measure.counters import Counter
from nilometer_agent.uplink.ship import CollectorState

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "durability.md").read_text("utf-8")


def table(heading: str) -> list[list[str]]:
    """Cells of the rows of the first table below *heading*."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("| ") for line in section.split("\n") if line.startswith("|")]
    return [re.split(r" \| ", row) for row in rows[2:]]


def names_of_tests() -> set[str]:
    """Names of all tests."""
    return {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)
    }


def test_every_promise_is_held_by_tests_that_exist() -> None:
    there = names_of_tests()
    promises = table("What is promised")
    assert len(promises) > 20
    for promise, _, held_by in promises:
        tests = re.findall(r"`(test_\w+)`", held_by)
        assert tests, promise
        assert set(tests) <= there, promise


def test_every_bound_of_memory_is_held_by_tests_that_exist() -> None:
    there = names_of_tests()
    bounds = table("What bounds memory")
    assert len(bounds) > 24
    for product, bound, _, held_by in bounds:
        tests = re.findall(r"`(test_\w+)`", held_by)
        assert bound, product
        assert tests, product
        assert set(tests) <= there, product


def test_every_message_and_counter_of_a_broken_state_is_the_agents() -> None:
    files = [*(ROOT / "agent").rglob("*.py"), *(ROOT / "middleware").rglob("*.py")]
    sources = "".join(file.read_text("utf-8") for file in files)
    known = {counter.value for counter in Counter} | {state.value for state in CollectorState}
    states = table("What to do")
    assert len(states) > 12
    for seen, *_ in states:
        words = [word for word in re.findall(r"`([^`]+)`", seen) if "{" not in word]
        assert words, seen
        for word in words:
            assert word in known or word in sources, word


def test_every_form_of_faults_is_told() -> None:
    assert [form.strip("`") for form, *_ in table("How it is tested")] == list(FORMS)
