"""`nilometer apply`, `get`, `describe`, `delete`, `changes` and `rollback` against a collector."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
import yaml
from support.stores import copy_sqlite

from nilometer.commands.cli import main
from nilometer_collector.store import (
    Change,
    DeclareEntity,
    EntityDeclaration,
    Key,
    Origin,
    Revision,
    open_store,
)
from nilometer_collector.testing import ENTITY, Running, feature_sample, running

Command: TypeAlias = Callable[..., tuple[int, str, str]]

CYCLE = """version: 1
entities:
  - name: a
    reads_from: [b]
  - name: b
    reads_from:
      - c
      - a
"""

ENTITIES = f"""version: 1
entities:
  - name: {ENTITY}
    owner: risk
"""
ALERTERS = f"""version: 1
alerters:
  - entity: {ENTITY}
    name: late
    summary: service
    kind: FIXED
    statistic: p99
    comparison: ">"
    threshold: 2
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    directory = tmp_path / "declared"
    directory.mkdir()
    (directory / "entities.yaml").write_text(ENTITIES)
    (directory / "alerters.yml").write_text(ALERTERS)
    (directory / "README.md").write_text("not a document")
    return directory


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A collector whose objects no test changes."""
    with running(tmp_path_factory.mktemp("untouched") / "collector.db") as served:
        yield served


@pytest.fixture
def command(served: Running, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*words: str | Path) -> tuple[int, str, str]:
        code = main([*map(str, words), "--collector", served.collector.http_url])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_a_directory_is_applied_and_a_second_time_changes_nothing(
    command: Command, files: Path
) -> None:
    code, out, _ = command("apply", "-f", files, "--dry-run")
    assert (code, out.splitlines()[-1]) == (
        0,
        "dry run on revision 0, nothing is changed: 2 created",
    )
    code, out, _ = command("apply", "-f", files)
    assert f'entity {ENTITY}: created\n  owner: "risk"\n' in out
    assert out.splitlines()[-1] == "revision 1: 2 created"
    assert command("apply", "-f", files) == (0, "nothing to change: 2 unchanged\n", "")


def test_a_change_shows_the_old_and_the_new_value(command: Command, files: Path) -> None:
    command("apply", "-f", files)
    (files / "alerters.yml").write_text(ALERTERS.replace("threshold: 2", "threshold: 3"))
    _, out, _ = command("apply", "-f", files)
    lines = [f"alerter late of {ENTITY}: changed", "  threshold: 2.0 -> 3.0"]
    assert out.splitlines() == [*lines, "revision 2: 1 changed, 1 unchanged"]


def test_a_warning_is_printed_every_time(command: Command, files: Path, served: Running) -> None:
    served.sender().ship(feature_sample([1.0]))
    (files / "alerters.yml").write_text(ALERTERS.replace("service", "input.amounts"))
    for _ in range(2):
        _, out, _ = command("apply", "-f", files)
        assert f"warning: alerter late of {ENTITY}: summary = 'input.amounts': matches" in out
        assert "did you mean 'input.amount'?" in out


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        (ALERTERS.replace("threshold", "thresholds"), 9, "alerters[0].thresholds: there is no"),
        (ALERTERS.replace("2", "much"), 9, "alerters[0].threshold = 'much': must be a number"),
        (ALERTERS.replace("p99", "median"), 7, "statistic = 'median'"),
        (ALERTERS.replace("name: late", 'name: "<b>late</b>"'), 4, "must not contain markup"),
        (ALERTERS.replace("name: late", 'name: "la\\0te"'), 4, "must not contain control"),
        (ALERTERS.replace("name: late", 'name: "\\uD800"'), 4, ""),
        (ALERTERS.replace("version: 1", "version: 2"), 1, "version = 2: this nilometer reads"),
        (ALERTERS.replace("version: 1\n", ""), 1, "version: is missing"),
        (ALERTERS.replace("alerters:", "alerter:"), 3, "did you mean 'alerters'?"),
        (ALERTERS.replace("threshold: 2", "name: x"), 9, "name: appears twice"),
        (ALERTERS.replace("threshold: 2", "threshold: .nan"), 9, "neither a number"),
        (ALERTERS.replace("threshold: 2", "threshold: 2025-07-04"), 9, "put it in quotes"),
        (ALERTERS.replace("service", "&a service").replace("p99", "*a"), 5, "aliases"),
        (
            ALERTERS.replace("service", "!!python/name:os.system ''"),
            5,
            "tags (tag:yaml.org,2002:python/name:os.system) are",
        ),
        (ALERTERS.replace("threshold: 2", "threshold: [2"), 10, "is not YAML"),
        (ALERTERS.replace("  - ", "\t- "), 3, "is not YAML: a tab: indent with spaces"),
        (ALERTERS.replace("threshold: 2", "? {a: 1}\n    : 2"), 9, "a key must be a text"),
        ("- a\n", 1, "the top level must be keys"),
        (
            CYCLE,
            4,
            "entities[0].reads_from[0]: the edge to 'b' would make a cycle",
        ),
    ],
)
def test_a_mistake_is_one_line_with_its_place_and_nothing_changes(
    untouched: Running,
    files: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    line: int,
    why: str,
) -> None:
    wrong = files / "wrong.yaml"
    wrong.write_text(text)
    words = ["apply", "-f", str(files / "entities.yaml"), "-f", str(wrong)]
    assert main([*words, "--collector", untouched.collector.http_url]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith(f"nilometer: {wrong}:{line}: ")
    assert why in error
    assert error.count("\n") == 1
    assert untouched.get("objects") == {"objects": []}


def test_two_files_that_define_one_name_are_both_named(command: Command, files: Path) -> None:
    (files / "more.yaml").write_text("version: 1\nentities:\n  - name: x\n" + ENTITIES[21:])
    code, _, error = command("apply", "-f", files)
    assert code == 2
    assert error == (
        f"nilometer: {files / 'more.yaml'}:4: entities[1].name: entity {ENTITY!r} is defined twice, "
        f"also by {files / 'entities.yaml'}:3: entities[0]\n"
    )


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("gone.yaml", None, "No such file or directory"),
        ("latin.yaml", "version: 1 # ä".encode("latin-1"), "is not UTF-8: byte 0xe4"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    why: str,
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main(["apply", "-f", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert re.match(rf"nilometer: {re.escape(str(tmp_path / name))}(:1)?: {why}", error)
    assert error.count("\n") == 1


def test_the_list_as_yaml_is_a_document_that_changes_nothing(
    command: Command, files: Path, tmp_path: Path
) -> None:
    command("apply", "-f", files)
    _, out, _ = command("get", "-o", "yaml")
    assert list(yaml.safe_load(out)) == ["version", "entities", "alerters"]
    (tmp_path / "all.yaml").write_text(out)
    assert command("apply", "-f", tmp_path / "all.yaml")[1] == "nothing to change: 2 unchanged\n"
    _, out, _ = command("get", "alerters", "--entity", ENTITY)
    assert out.splitlines()[1].split() == ["alerter", ENTITY, "late", "-"]
    none = command("get", "alerters", "--entity", "nobody")
    assert none == (0, "", "no such objects\n")  # so that `wc -l` counts 0
    code, _, error = command("get", "alarm")
    assert (code, "alerter" in error.partition("must be one of")[2]) == (2, True)


def test_characters_that_change_a_terminal_are_not_printed_raw(
    command: Command, files: Path, tmp_path: Path
) -> None:
    hidden = "ris\u200fk"
    (files / "entities.yaml").write_text(ENTITIES.replace("risk", hidden))
    printed = [
        command("apply", "-f", files, "--dry-run")[1],
        command("apply", "-f", files)[1],
        command("get", "-o", "yaml")[1],
        command("describe", "entity", ENTITY)[1],
        command("changes")[1],
    ]
    assert all("owner" in text and "\u200f" not in text for text in printed)
    (tmp_path / "all.yaml").write_text(printed[2])
    assert command("apply", "-f", tmp_path / "all.yaml")[1] == "nothing to change: 2 unchanged\n"


def test_a_reordering_text_of_an_older_version_is_not_printed_raw(
    database: Path, prepared_sqlite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused now; older versions stored it."""
    owner = "ris\u202ek"
    copy_sqlite(prepared_sqlite, database)
    store = open_store(database, "")
    definition = f'{{"name":"{ENTITY}","owner":"{owner}"}}'
    store.history.commit(
        Revision(
            author=owner,
            origin=Origin.APPLY,
            commands=[DeclareEntity(ENTITY, EntityDeclaration(owner=owner))],
            changes=[Change(key=Key("entity", ENTITY, ENTITY), before=None, after=definition)],
            reason=owner,
        ),
        1,
    )
    store.close()
    with running(database) as served:
        for words in ("get", "get -o yaml", f"describe entity {ENTITY}", "changes"):
            assert main([*words.split(), "--collector", served.collector.http_url]) == 0
            out = capsys.readouterr().out
            assert ENTITY in out
            assert "\u202e" not in out


def test_an_object_is_described_deleted_and_brought_back(command: Command, files: Path) -> None:
    command("apply", "-f", files)
    _, out, _ = command("describe", "alerter", "late")
    assert out.startswith(f"alerter late of {ENTITY}\n  entity: {ENTITY}\n  name: late\n")
    assert ", by local, apply\n" in out
    assert command("delete", "alerter", "late", "--entity", ENTITY)[0] == 0
    code, _, error = command("describe", "alerter", "late")
    assert (code, error) == (1, "nilometer: alerter 'late': there is none\n")
    code, _, error = command("delete", "alerter", "late", "--entity", ENTITY)
    assert (code, "there is no alerter 'late'" in error) == (1, True)
    _, out, _ = command("rollback", "1")
    assert out.splitlines()[-1] == "revision 3: 1 created"
    _, out, _ = command("changes", "--name", "late")
    ways = [line.rpartition(" ")[2] for line in out.splitlines() if line.startswith("revision")]
    assert ways == ["rollback", "api", "apply"]
    _, out, _ = command("changes", "--limit", "1")
    assert out.splitlines()[-1] == "older changes exist: raise --limit"


def test_changes_lists_the_audit_log(command: Command, files: Path) -> None:
    command("apply", "-f", str(files))
    status, out, _ = command("changes", "--audit")
    assert status == 0
    assert out.endswith(" UTC, local, from 127.0.0.1: POST /api/v1/apply: done (200)\n")
    assert command("changes", "--refused")[1] == "no entries\n"
    status, _, err = command("changes", "--audit", "--kind", "alerter")
    assert (status, "by --entity only" in err) == (2, True)
