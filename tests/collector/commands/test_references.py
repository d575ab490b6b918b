"""`nilometer reference` against a collector."""

from collections.abc import Callable
from typing import TypeAlias

import pytest

from nilometer.commands.cli import main
from nilometer.testing import amounts
from nilometer_collector.testing import ENTITY, START_NS, Running, feature_sample, minute

Command: TypeAlias = Callable[..., tuple[int, str, str]]

START = str(START_NS / 1e9)


@pytest.fixture
def command(served: Running, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*words: str) -> tuple[int, str, str]:
        code = main(["reference", *words, "--collector", served.collector.http_url])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def filled(served: Running) -> Running:
    served.sender().ship(
        feature_sample(amounts(30), labels={"version": "1"}),
        feature_sample(amounts(600), window=minute(1), labels={"version": "2"}),
    )
    return served


def test_make_prints_the_columns_and_warns_of_small_ones(command: Command, filled: Running) -> None:
    code, out, err = command(
        *("make", "week", "--entity", ENTITY, "--start", START, "--label", "version:1")
    )
    first, column, warning = out.splitlines()
    digest = filled.get("references")["references"][0]["digest"]
    assert (code, err) == (0, "")
    assert first == (
        f"reference week of {ENTITY}, version {digest}: 30 rows, windows 2023-11-14 22:14 to "
        "2023-11-14 22:15, version=1"
    )
    assert column == "  input.amount: 30 values"
    assert warning.startswith("warning: input.amount has 30 values, too few for psi (50), ")


def test_a_dry_run_stores_nothing(command: Command, filled: Running) -> None:
    words = ("make", "week", "--entity", ENTITY, "--start", START, "--summary", "input.*")
    _, out, _ = command(*words, "--dry-run")
    assert out.splitlines()[-1] == "dry run, nothing is stored"
    assert filled.get("references")["references"] == []


def test_a_proposal_becomes_current_when_it_is_approved(command: Command, filled: Running) -> None:
    words = ("make", "week", "--entity", ENTITY, "--start", START)
    command(*words, "--label", "version:1")
    (first,) = filled.get("references")["references"]
    _, out, _ = command(*words, "--propose")
    assert out.splitlines()[-1] == "not current: approve it with `nilometer reference approve`"
    assert filled.get("references")["references"] == [first]
    _, out, _ = command("list", "--entity", ENTITY)
    one, other = out.splitlines()
    assert one.endswith(
        ": 30 rows, windows 2023-11-14 22:14 to 2023-11-14 22:15, version=1, current"
    )
    assert other.endswith(": 630 rows, windows 2023-11-14 22:14 to 2023-11-14 22:16")
    digest = other.partition(" version ")[2].partition(",")[0]
    code, out, _ = command("approve", "week", digest, "--entity", ENTITY)
    assert (code, out.splitlines()[-1]) == (0, "revision 2: 1 changed")
    assert filled.get("references")["references"][0]["digest"] == digest
    command("approve", "week", first["digest"], "--entity", ENTITY)
    assert filled.get("references")["references"] == [first]
    code, _, err = command("approve", "week", "abc", "--entity", ENTITY)
    assert (code, "has no version 'abc'" in err) == (1, True)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--end", "2024-01-01"], 2, "--end needs --start"),
        (["--last", "1h", "--start", START], 2, "must not be combined"),
        (["--last", "soon"], 2, "last = 'soon': must be"),
        (["--label", "version"], 2, "--label = 'version': must be KEY:VALUE"),
        (["--last", "1h"], 1, "answers 404: fraud-scorer: no window of a feature matches"),
    ],
)
def test_a_mistake_is_one_line(
    command: Command, filled: Running, words: list[str], code: int, message: str
) -> None:
    found, out, err = command("make", "week", "--entity", ENTITY, *words)
    assert (found, out) == (code, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert filled.get("references")["references"] == []
