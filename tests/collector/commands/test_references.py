"""`nilometer reference` against a collector."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from nilometer.batch.reference_upload import put_reference
from nilometer.commands.cli import main
from nilometer.testing import amounts
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    Running,
    a_reference,
    feature_sample,
    minute,
)

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
        f"reference week of {ENTITY}, version {digest}: 30 rows, windows 2023-11-14 22:14 UTC to "
        "2023-11-14 22:15 UTC, version=1"
    )
    assert column == "  input.amount: 30 values"
    assert warning.startswith("warning: input.amount has 30 values, too few for psi, ")


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
        ": 30 rows, windows 2023-11-14 22:14 UTC to 2023-11-14 22:15 UTC, version=1, current"
    )
    assert other.endswith(": 630 rows, windows 2023-11-14 22:14 UTC to 2023-11-14 22:16 UTC")
    digest = other.partition(" version ")[2].partition(",")[0]
    code, out, _ = command("approve", "week", digest, "--entity", ENTITY)
    assert (code, out.splitlines()[-1]) == (0, "revision 2: 1 changed")
    assert filled.get("references")["references"][0]["digest"] == digest
    command("approve", "week", first["digest"], "--entity", ENTITY)
    assert filled.get("references")["references"] == [first]
    code, _, err = command("approve", "week", "abc", "--entity", ENTITY)
    assert (code, "has no version 'abc'" in err) == (1, True)


def test_an_upload_warns_of_small_columns(
    served: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "train.csv"
    table.write_text("amount\n" + "\n".join(map(str, amounts(40))))
    words = ["profile", str(table), "--entity", ENTITY, "--as-reference", "training"]
    assert main([*words, "--collector", served.collector.grpc_target]) == 0
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("nilometer: warning: input.amount has 40 values, too few for psi, ")


def profiled(served: Running, tmp_path: Path, *words: str) -> int:
    table = tmp_path / "train.csv"
    table.write_text("amount\n" + "\n".join(map(str, amounts(500))))
    named = ["profile", str(table), "--entity", ENTITY, "--as-reference", "training"]
    return main([*named, "--collector", served.collector.grpc_target, *words])


def test_an_uploaded_reference_expires_and_keeps_its_expiry(
    served: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert profiled(served, tmp_path, "--expires", "2099-01-01") == 0
    assert capsys.readouterr().out.endswith(", expires 2099-01-01 00:00 UTC\n")
    for words in ((), ("--expires", "2099-01-01T00:00:00Z")):  # the same version again
        assert profiled(served, tmp_path, *words) == 0
        (current,) = served.get("references")["references"]
        assert current["expires"] == 4070908800.0
    assert profiled(served, tmp_path, "--expires", "90d") == 0
    (current,) = served.get("references")["references"]
    assert current["expires"] < 4070908800.0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--expires", "soon"], "--expires = 'soon': must be a number with s, m, h, d or w"),
        (["--expires", "9" * 30], "must be between 1970 and 2116"),
        (["--expires", "0.5"], "must be between 1970 and 2116"),
    ],
)
def test_a_wrong_expiry_is_refused_before_the_upload(
    served: Running,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    assert profiled(served, tmp_path, *words) == 2
    assert message in capsys.readouterr().err
    assert served.get("references")["references"] == []


def test_two_versions_are_compared_column_by_column(command: Command, served: Running) -> None:
    far = [one + 100.0 for one in amounts(600)]
    old = a_reference({"input.amount": amounts(600), "input.old": [1.0]})
    new = a_reference({"input.amount": far, "input.few": [1.0], "input.old": [1.0]})
    for reference in (old, new, a_reference({"input.amount": amounts(600)}, name="golden")):
        put_reference(reference, served.collector.grpc_target)
    compared = command("compare", old.digest, "training", "--entity", ENTITY)
    assert compared[1].splitlines() == [
        "input.amount: psi 6.14, ks 0.875",
        f"input.few: only in training {new.digest}",
        "input.old: psi needs 100 values: the reference has 1, ks needs 30 values: the reference has 1",
    ]
    words = ("compare", old.digest, "golden", "--entity", ENTITY, "--comparator", "wasserstein")
    assert command(*words)[1].startswith("input.amount: wasserstein 0")
    code, _, err = command("compare", "training", "nothing", "--entity", ENTITY)
    assert (code, "no version 'nothing' (newest versions: training" in err) == (1, True)


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
