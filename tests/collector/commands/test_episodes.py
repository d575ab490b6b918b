"""`nilometer episodes` against a collector: each decision with its author, its reason and its end."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from nilometer.commands.cli import main
from nilometer_collector.testing import ENTITY, Running, an_evaluation, running

Command: TypeAlias = Callable[..., tuple[int, str, str]]


@pytest.fixture
def served(database: Path) -> Iterator[Running]:
    """A collector with one open episode, by the system's clock."""
    with running(database) as it:
        it.sender().ship(an_evaluation(0.5, 1, labels={"region": "eu"}))
        yield it


@pytest.fixture
def command(served: Running, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*words: str) -> tuple[int, str, str]:
        code = main(["episodes", *words, "--collector", served.collector.http_url])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def decisions(served: Running) -> list[tuple[str, str, bool]]:
    """The kind, the reason and whether there is an end of each decision."""
    (episode,) = served.get("episodes")["episodes"]
    return [(one["kind"], one["reason"], one["until"] is not None) for one in episode["decisions"]]


def test_an_episode_is_acknowledged_silenced_and_made_normal(
    served: Running, command: Command
) -> None:
    code, out, _ = command("list")
    assert code == 0
    assert re.fullmatch(rf"1  open  warning  \S+Z  {ENTITY}  input\.amount \[region=eu\]\n", out), (
        out
    )
    code, out, _ = command("acknowledge", ENTITY, "1", "--reason", "I look", "--for", "8h")
    assert (code, out.startswith("episode 1: acknowledged by ")) == (0, True)
    assert out.endswith("Z: I look\n")
    assert command("silence", ENTITY, "1", "--reason", "deploy", "--for", "2h")[0] == 0
    assert re.search(r"  acknowledged by \S+  silenced until \S+Z\n$", command("list")[1])
    assert command("unsilence", ENTITY, "1", "--reason", "done")[0] == 0
    code, out, _ = command(
        "new-normal",
        ENTITY,
        "1",
        "--reason",
        "campaign",
        "--label",
        "region=eu",
        "--summary",
        "input.amount",
        "--for",
        "1d",
    )
    assert (code, "new normal by " in out) == (0, True)
    assert decisions(served) == [
        ("acknowledged", "I look", True),
        ("silenced", "deploy", True),
        ("unsilenced", "done", False),
        ("new_normal", "campaign", True),
    ]
    assert command("list") == (0, "", "")
    assert "  closed  " in command("list", "--all", "--entity", ENTITY)[1]


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("acknowledge", ENTITY, "7", "--reason", "x"), 1, "episode"),
        (("silence", ENTITY, "1", "--reason", "x", "--for", "soon"), 2, "--for = 'soon'"),
        (("silence", ENTITY, "1", "--reason", "x", "--for", "9999d"), 1, "at most 366 days"),
        (("acknowledge", ENTITY, "1", "--reason", " "), 1, "reason"),
        (("unsilence", ENTITY, "1", "--reason", "x"), 1, "is not silenced"),
        (("new-normal", ENTITY, "1", "--reason", "x", "--label", "eu"), 2, "must be KEY=VALUE"),
    ],
)
def test_a_wrong_decision_is_one_line_and_changes_nothing(
    served: Running, command: Command, words: tuple[str, ...], code: int, reason: str
) -> None:
    found, out, error = command(*words)
    assert (found, out) == (code, ""), error
    assert reason in error
    assert decisions(served) == []
