"""The examples in the docstrings of the public names."""

import doctest

import pytest

import nilometer

FOUND = [
    one
    for name in nilometer.__all__
    for one in doctest.DocTestFinder().find(getattr(nilometer, name), f"nilometer.{name}")
    if one.examples
]


@pytest.mark.parametrize("example", FOUND, ids=lambda example: str(example.name))
def test_an_example_gives_what_it_shows(example: doctest.DocTest) -> None:
    said: list[str] = []
    assert doctest.DocTestRunner().run(example, out=said.append).failed == 0, "".join(said)


def test_the_public_values_have_examples() -> None:
    assert {one.name for one in FOUND} >= {
        "nilometer.Labels",
        "nilometer.TDigest",
        "nilometer.Window",
    }
