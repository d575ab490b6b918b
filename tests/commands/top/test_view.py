import dataclasses
import json
import math
from typing import Any

import msgspec
import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.commands.top.agents import AgentRow
from nilometer.commands.top.collector_source import CollectorState, Episode
from nilometer.commands.top.detail import inside
from nilometer.commands.top.entities import EntityRow
from nilometer.commands.top.keys import Keys
from nilometer.commands.top.pieces import Style
from nilometer.commands.top.report import as_json
from nilometer.commands.top.screen import Screen
from nilometer.commands.top.sources import Picture
from nilometer.commands.top.state import Sort, State, ordered
from nilometer.commands.top.text import width
from nilometer.commands.top.view import frame, plain
from nilometer.wire.status import Judged

JUDGED = Judged(
    alerter="drift",
    summary="input.distance",
    measure="psi",
    value=1.2,
    threshold=0.25,
    breach=True,
    distance=True,
)


def entity(name: str, requests: float | None = 10.0, **more: Any) -> EntityRow:
    row = EntityRow(
        name=name,
        requests=requests,
        p50=0.002,
        p99=0.0154,
        error_ratio=0.0,
        coverage=1.0,
        dropped=0.0,
        trend=(1.0, 5.0, 3.0),
    )
    return dataclasses.replace(row, **more)


AGENT = AgentRow(
    address="unix:/a",
    name="pod",
    up=True,
    uptime=60.0,
    workers=2,
    queue_rows=4,
    lag_seconds=3,
    collector_state="ready",
)


def picture(*entities: EntityRow, agents: tuple[AgentRow, ...] = (AGENT,)) -> Picture:
    return Picture(agents=agents, entities=entities, collector=CollectorState())


def shown(of: Picture, state: State, columns: int = 80, lines: int = 24) -> list[str]:
    drawn = frame(of, state, columns, lines, "12:00:00")
    return ["".join(text for text, _ in line) for line in drawn]


@given(
    st.lists(st.text(max_size=30), max_size=6, unique=True),
    st.integers(0, 250),
    st.integers(0, 70),
    st.sampled_from(["", "help", "inside", "typing"]),
)
def test_a_frame_has_the_size_of_the_screen(
    names: list[str], columns: int, lines: int, what: str
) -> None:
    rows = [
        entity(name, agents=(name,), worst=(dataclasses.replace(JUDGED, summary=name),))
        for name in names
    ]
    agents = tuple(dataclasses.replace(AGENT, name=name, up=bool(name)) for name in names)
    state = State(helping=what == "help", inside=what == "inside", typing=what == "typing")
    drawn = shown(picture(*rows, agents=agents), state, columns, lines)
    assert len(drawn) == lines
    assert max((width(line) for line in drawn), default=0) <= columns
    assert all(line.isprintable() for line in drawn)


def test_eighty_columns_hold_what_the_on_call_needs() -> None:
    drawn = shown(
        picture(entity("fraud-scorer", drift=4.8, breaches=1, judged=1, worst=(JUDGED,))), State()
    )
    assert drawn[2].split() == [
        *("ENTITY", "REQ/S▼", "ERR%", "P50", "P99", "COVER", "DROP/S", "ALERT", "DRIFT")
    ]
    assert drawn[3].split() == [
        *("fraud-scorer", "10.0", "0%", "2.0ms", "15ms", "100%", "0", "BREACH", "4.80")
    ]


def test_two_hundred_columns_show_the_worst_and_a_trend() -> None:
    drawn = shown(picture(entity("fraud-scorer", worst=(JUDGED,))), State(), 200, 60)
    assert "WORST" in drawn[2]
    assert drawn[2].rstrip().endswith("TREND")
    assert "psi 1.20 input.distance" in drawn[3]
    assert drawn[3].endswith("▂█▅")


def test_the_selected_one_is_always_to_be_seen() -> None:
    rows = [entity(f"e{at:03}") for at in range(100)]
    state = State(sort=Sort.NAME)
    of = picture(*rows)
    for key, expected in (("end", "e099"), ("up", "e098"), ("page_up", "e078"), ("home", "e000")):
        state.press(key, state.rows(of.entities), 20)
        assert state.selected == expected
        assert any(line.startswith(expected) for line in shown(of, state))
    for _ in range(200):
        state.press("down", state.rows(of.entities), 20)
        assert any(line.startswith(state.selected) for line in shown(of, state))
    assert state.selected == "e099"


@pytest.mark.parametrize("reverse", [False, True])
def test_the_unknown_is_last_in_either_order(*, reverse: bool) -> None:
    rows = [entity("a", None), entity("b", 1.0), entity("c", 2.0)]
    names = [row.name for row in ordered(rows, Sort.REQUESTS, reverse=reverse)]
    assert names == (["b", "c", "a"] if reverse else ["c", "b", "a"])


@pytest.mark.parametrize("sort", list(Sort))
def test_every_order_puts_the_worst_first(sort: Sort) -> None:
    bad = entity(
        "aa",
        99.0,
        error_ratio=0.5,
        p50=1.0,
        p99=2.0,
        coverage=0.1,
        dropped=3.0,
        health="ALERTING",
        drift=9.0,
    )
    good = entity("zz", 1.0, health="OK", drift=0.1)
    assert ordered([good, bad], sort, reverse=False)[0] is bad
    assert ordered([good, bad], sort, reverse=True)[0] is good


def test_a_filter_is_typed_and_taken_back() -> None:
    of = picture(entity("fraud"), entity("churn"))
    state = State()

    def press(*keys: str) -> list[str]:
        for key in keys:
            state.press(key, state.rows(of.entities), 20)
        return [row.name for row in state.rows(of.entities)]

    assert press("/", "F", "q", "backspace", "enter") == ["fraud"]
    assert not state.over
    assert press("/", "q") == []
    assert any("no entity's name contains 'Fq'" in line for line in shown(of, state))
    assert sorted(press("esc")) == ["churn", "fraud"]
    press("q")
    assert state.over


def test_keys_of_the_help_do_not_leave() -> None:
    state = State()
    state.press("?", [], 20)
    assert any("Ctrl-C" in line for line in shown(picture(), state))
    state.press("q", [], 20)
    assert (state.helping, state.over) == (False, False)


def test_what_is_inside_an_entity() -> None:
    row = entity(
        "fraud",
        dropped_total={"queue_full": 7},
        undecodable_total={"malformed": 2},
        lost_inputs={"empty": 4},
        lost_outputs={"too_large": 5},
        worst=(JUDGED,),
        judged=1,
        breaches=1,
    )
    episode = Episode(
        entity="fraud",
        summary="input.distance",
        alerter="drift",
        severity="warning",
        value=1.0,
        threshold=0.25,
        opened=0.0,
        evidence="longer by\x1b[2J 60 %",
    )
    of = dataclasses.replace(
        picture(row), collector=CollectorState(url="http://c", open_episodes=[episode])
    )
    text = "\n".join("".join(text for text, _ in line) for line in inside(row, of))
    for expected in (
        "queue_full 7",
        "malformed 2",
        "inputs lost  empty 4",
        "too_large 5",
        "psi 1.2 of 0.25",
        "longer by·[2J 60 %",
    ):
        assert expected in text


def test_more_agents_than_there_is_room_for() -> None:
    agents = tuple(
        dataclasses.replace(AGENT, name=f"pod-{at}", up=at != 17, reason="nobody listens")
        for at in range(20)
    )
    drawn = shown(picture(entity("fraud"), agents=agents), State())
    assert "pod-17  away: nobody listens" in drawn[1]
    assert "and 14 more agents, 0 of them away" in drawn[7]
    assert any(line.startswith("fraud") for line in drawn)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"durable": False}, "IN MEMORY"),
        ({"collector_state": "auth_error", "collector_reason": "no token"}, "auth_error: no token"),
        ({"duplicate": True}, "two agents have this name"),
        ({"quarantined": 3}, "3 rows in quarantine"),
        ({"buffer_bytes": 95, "buffer_cap": 100}, "buffer full"),
        ({"dropped": 2.0}, "drops 2.00/s"),
        ({"restarts": 2}, "restarted 2x"),
        ({"collector_state": "unset"}, "no collector"),
    ],
)
def test_an_agent_says_what_is_wrong(change: dict[str, object], expected: str) -> None:
    troubled = dataclasses.replace(AGENT, **change)  # type: ignore[arg-type]
    assert expected in shown(picture(agents=(troubled,)), State(), 160)[1]
    assert expected not in shown(picture(), State(), 160)[1]


def test_a_table_without_a_terminal_cuts_no_name() -> None:
    name = "a" * 128
    lines = plain(picture(entity(name), entity("b")), State(), 80)
    assert any(line.startswith(name + " ") for line in lines)
    assert len({line.index("100%") for line in lines if "100%" in line}) == 1


@given(st.text(st.characters(), max_size=24))
def test_a_line_stays_in_its_columns_on_a_terminal(name: str) -> None:
    stays_in_its_columns(name)


@pytest.mark.parametrize("every", [1, 2])
def test_a_terminal_may_differ_on_what_is_wide(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyte.screens, "wcwidth", lambda one: 1 if one.isascii() else every)
    stays_in_its_columns("世界 äöü")


def stays_in_its_columns(name: str) -> None:
    screen = Screen.__new__(Screen)  # only its way of writing, without a terminal
    screen._styles, screen._ascii = dict.fromkeys(Style, ""), False
    line = frame(picture(entity(name)), State(sort=Sort.NAME), 80, 24, "")[3]
    terminal = pyte.Screen(80, 2)
    pyte.Stream(terminal).feed(screen._encoded(line))
    assert "".join(terminal.buffer[0][column].data for column in range(27, 31)) == "10.0"
    assert terminal.display[1].strip() == ""


def test_what_is_no_number_is_null_in_json() -> None:
    row = entity("fraud", worst=(dataclasses.replace(JUDGED, value=math.nan),))
    told = json.loads(msgspec.json.encode(as_json(picture(row), 10.0, 7.0)))
    assert told["entities"][0]["worst"][0]["value"] is None
    assert (told["time"], told["span_seconds"], told["collector"]) == (7.0, 10.0, None)


def test_keys_come_in_pieces() -> None:
    keys = Keys()
    assert keys.feed(b"\x1b") == []
    assert keys.feed(b"[") == []
    assert keys.feed(b"Aq\x1bOB\x1b[5~") == ["up", "q", "down", "page_up"]
    assert keys.feed("ä".encode()[:1]) == []
    assert keys.feed("ä".encode()[1:] + b"\r\x7f") == ["ä", "enter", "backspace"]
    assert keys.feed(b"\x1b") == []
    assert keys.flush() == ["esc"]
    assert keys.feed(b"\x1b[200;5~x\xffy") == ["x", "y"]


@given(st.binary(max_size=60))
def test_no_bytes_jam_the_keyboard(data: bytes) -> None:
    keys = Keys()
    keys.feed(data)
    keys.flush()
    assert keys.feed(b"q") == ["q"]
