"""docs/backup.md and the code say the same: its commands run while a collector serves."""

import re
import shlex
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from support.shipping import numbered, ship

from nilometer.commands.cli import main
from nilometer_collector.access.secret import Secret
from nilometer_collector.demo.postgresql import Server, programs
from nilometer_collector.store import open_store
from nilometer_collector.testing import ENTITY, feature_sample, running

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "backup.md").read_text()
COMMANDS = re.findall(r"```sh\n(nilometer .*?)\n```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
URL = "postgresql://nilometer@db/nilometer"
SIZE = re.compile(r"\d+\.\d MB")


def test_the_commands_print_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    database = Path("state/collector.db")
    with running(database) as served:
        served.sender().ship(feature_sample([1.0, 2.0, 3.0]))
        for command, printed in COMMANDS:
            assert main(shlex.split(command)[1:]) == 0
            assert SIZE.sub("", capsys.readouterr().out) == SIZE.sub("", printed)
        in_use = ["restore", "backups/monday.db", "--database", str(database), "--replace"]
        assert main(in_use) == 2
        refusal = capsys.readouterr().err
        assert "is in use by another collector" in refusal
        assert refusal.count("\n") == 1
    with running(Path("state/restored.db")) as restored:
        (sample,) = restored.get("samples", entity=ENTITY, summary="input.amount")["samples"]
        assert sample["feature"]["count"] == 3


def test_a_dump_of_postgresql_is_restored(
    postgresql: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = programs()
    assert folder is not None
    dump, restore = re.findall(r"```sh\n(pg_.*?)\n```", PAGE, re.DOTALL)
    first, second = postgresql.create_database(), postgresql.create_database()
    rows = [numbered(number) for number in range(1, 4)]
    with closing(open_store(Secret(first), "")) as store:
        ship(store, rows)
        for command, url in ((dump, first), (restore, second)):
            words = shlex.split(command.replace(URL, url))
            subprocess.run([folder / words[0], *words[1:]], check=True, timeout=60)
        with closing(open_store(Secret(second), "")) as restored:
            assert restored.names_key == store.names_key
            assert ship(restored, [*rows, numbered(4)]).repeated == len(rows)
    for url in (first, second):
        postgresql.drop_database(url)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["backup", "new", "--database", "nothing.db"], "nothing.db: there is no such file"),
        (["backup", "new", "--database", "a\0b"], "must be a path"),
        (["backup", "new", "--config", "nothing.toml"], "nothing.toml"),
        (["restore", "nothing.db", "--database", "state/x.db"], "there is no such file"),
        (["restore", "folder", "--database", "state/x.db"], "there is no such file"),
    ],
)
def test_wrong_input_is_refused_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    assert main(words) == 2
    refusal = capsys.readouterr().err
    assert message in refusal
    assert refusal.count("\n") == 1
    assert not Path("new").exists()


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: nilometer {command}" in capsys.readouterr().out
