import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct, field

from nilometer.settings.settings import Settings, checked, load
from nilometer.values.errors import ConfigError
from nilometer_agent.settings import AgentSettings
from nilometer_collector.settings import CollectorSettings

LATENCY = {
    "entity": "e",
    "name": "latency",
    "summary": "service",
    "kind": "FIXED",
    "statistic": "latency_p99_seconds",
    "comparison": ">",
    "threshold": 0.5,
}


class Bridge(Struct):
    name: str
    lanes: int = 2


class River(Settings, frozen=True, kw_only=True):
    name: str
    width: Annotated[float, Meta(ge=1.0, le=100.0)] = 10.0
    gauges: int = 3
    tidal: bool = False
    flow: Literal["north", "south"] = "north"
    banks: tuple[str, ...] = ("east", "west")
    labels: dict[str, str] = field(default_factory=dict)
    bridges: tuple[Bridge, ...] = ()
    depths: dict[str, tuple[float, ...]] = field(default_factory=dict)
    towns: dict[str, dict[str, str]] = field(default_factory=dict)


def river(**sources: Any) -> River:
    return load(River, prefix="RIVER_", **{"environment": {"PATH": "/bin"}, **sources})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "river.toml"
    path.write_text('name = "Nile"\nwidth = 20\ngauges = 4\n', "utf-8")
    return path


def test_later_sources_win(file: Path) -> None:
    environment = {"RIVER_WIDTH": "30", "RIVER_GAUGES": "5"}
    found = river(file=file, environment=environment, arguments={"gauges": 6})
    assert (found.name, found.width, found.gauges, found.flow) == ("Nile", 30.0, 6, "north")


def test_an_argument_that_was_not_given_hides_nothing(file: Path) -> None:
    assert river(file=file, arguments={"gauges": None}).gauges == 4


def test_texts_of_variables_become_what_the_setting_is() -> None:
    found = river(
        environment={
            "RIVER_NAME": "Nile",
            "RIVER_TIDAL": "true",
            "RIVER_BANKS": "left,right",
            "RIVER_LABELS": "region=eu,note=a=b",
            "RIVER_GAUGES": "7",
        }
    )
    assert (found.tidal, found.gauges) == (True, 7)
    assert found.banks == ("left", "right")
    assert found.labels == {"region": "eu", "note": "a=b"}


def test_variables_of_tables_in_tables_are_json() -> None:
    found = river(
        environment={
            "RIVER_BRIDGES": '[{"name": "a,b", "lanes": 4}, {"name": "c"}]',
            "RIVER_DEPTHS": '{"delta": [1.5, 2]}',
            "RIVER_TOWNS": '{"east": {"Cairo": "old"}}',
        },
        arguments={"name": "Nile"},
    )
    assert found.bridges == (Bridge("a,b", 4), Bridge("c"))
    assert found.depths == {"delta": (1.5, 2.0)}
    assert found.towns == {"east": {"Cairo": "old"}}


@pytest.mark.parametrize(
    ("variable", "text", "allowed"),
    [
        ("BRIDGES", "a,b", "must be a list of tables in JSON"),
        ("BRIDGES", "[" * 100_000, "must be a list of tables in JSON"),
        ("BRIDGES", '{"name": "a"}', "must be a list"),
        ("BRIDGES", '[{"name": "a", "lanes": "x"}]', "bridges[0].lanes = 'x'"),
        ("DEPTHS", "delta=1", "must be a table in JSON"),
    ],
)
def test_a_variable_that_is_no_json_is_named(variable: str, text: str, allowed: str) -> None:
    with pytest.raises(ConfigError) as error:
        river(environment={f"RIVER_{variable}": text}, arguments={"name": "Nile"})
    assert allowed in str(error.value)
    assert "\n" not in str(error.value)


def test_the_tables_of_a_collector_and_an_agent_can_be_variables() -> None:
    collector = load(
        CollectorSettings,
        prefix="NILOMETER_COLLECTOR_",
        environment={
            "NILOMETER_COLLECTOR_PRINCIPALS": json.dumps(
                [{"name": "pod", "token_sha256": ["0" * 64, "1" * 64], "ship": ["*"]}]
            ),
            "NILOMETER_COLLECTOR_ALERTERS": json.dumps([LATENCY]),
        },
    )
    assert len(collector.principals[0].token_sha256) == 2
    assert [one.name for one in collector.alerters] == ["latency"]
    agent = load(
        AgentSettings,
        prefix="NILOMETER_AGENT_",
        environment={"NILOMETER_AGENT_SCHEMAS": '{"e": {"input.a": "number"}}'},
    )
    assert agent.schemas == {"e": {"input.a": "number"}}


@pytest.mark.parametrize(
    ("environment", "parts"),
    [
        ({"RIVER_WIDTH": "0.5"}, ("width", "'0.5'", ">= 1.0")),
        ({"RIVER_WIDTH": "wide"}, ("width", "'wide'", "a number >= 1.0, <= 100.0")),
        ({"RIVER_GAUGES": "1.5"}, ("gauges", "'1.5'", "a whole number")),
        ({"RIVER_TIDAL": "maybe"}, ("tidal", "'maybe'", "true or false")),
        ({"RIVER_FLOW": "up"}, ("flow", "'up'", "north", "south")),
        ({"RIVER_LABELS": "eu"}, ("RIVER_LABELS", "'eu'", "key=value,key=value")),
    ],
)
def test_a_wrong_variable_is_named_with_its_value_and_what_is_allowed(
    environment: dict[str, str], parts: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        river(environment=environment, arguments={"name": "Nile"})
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_kubernetes_tells_of_a_service_is_no_setting() -> None:
    links = {
        "RIVER_SERVICE_HOST": "10.0.0.1",
        "RIVER_SERVICE_PORT": "7501",
        "RIVER_SERVICE_PORT_GRPC": "7501",
        "RIVER_PORT": "tcp://10.0.0.1:7501",
        "RIVER_PORT_7501_TCP": "tcp://10.0.0.1:7501",
        "RIVER_PORT_7501_TCP_PROTO": "tcp",
        "RIVER_PORT_7501_TCP_ADDR": "10.0.0.1",
        "RIVER_DELTA_SERVICE_HOST": "10.0.0.2",  # of another Service, "river-delta"
    }
    assert river(environment=links, arguments={"name": "Nile"}).name == "Nile"
    for wrong in ("RIVER_PORTS", "RIVER_PORT_X_TCP", "RIVER_HOST"):
        with pytest.raises(ConfigError, match=wrong):
            river(environment={wrong: "1"}, arguments={"name": "Nile"})


def test_a_variable_that_is_no_setting_is_named_without_its_value() -> None:
    """A misspelt secret is one, and this line goes into a log."""
    with pytest.raises(ConfigError) as caught:
        river(environment={"RIVER_DEPTH": "hunter2"}, arguments={"name": "Nile"})
    message = str(caught.value)
    assert message.startswith("RIVER_DEPTH: there is no such setting")
    assert "width" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ({}, ("name: is missing", "must be a text")),
        ({"name": 1}, ("name", "1", "must be a text")),
        ({"name": "Nile", "width": 101}, ("width", "101", "<= 100.0")),
        ({"name": "Nile", "flow": "East"}, ("flow", "'East'", "north", "south")),
        ({"name": "Nile", "depth": 9}, ("depth", "no such setting", "width")),
        ({"name": "Nile", "banks": ["a", 2]}, ("banks[1]", "2", "must be a text")),
        ({"name": "Nile", "labels": {"a": 1}}, ("labels.a = 1", "must be a text")),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_what_is_allowed(
    raw: dict[str, Any], parts: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        checked(River, raw)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"name = ", "Invalid value"), (b"\xff\xfe", "decode"), (b"depth = 1", "no such setting")],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "river.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=why):
        river(file=path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: No such file"):
        river(file=tmp_path / "absent.toml")


def test_a_file_is_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    path = tmp_path / "river.toml"
    path.write_bytes('name = "Nīl"'.encode())
    assert river(file=path).name == "Nīl"


def test_an_empty_environment_is_not_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIVER_GAUGES", "99")
    assert river(environment={}, arguments={"name": "Nile"}).gauges == 3
    assert river(environment=None, arguments={"name": "Nile"}).gauges == 99


def test_variables_of_another_component_are_left_alone() -> None:
    found = load(
        River,
        prefix="NILOMETER_",
        environment={
            "NILOMETER_NAME": "Nile",
            "NILOMETER_AGENT_WINDOW_SECONDS": "60",
            "NILOMETER_COLLECTOR_PORT": "1",
        },
    )
    assert found.name == "Nile"


def test_a_component_reads_its_own_longer_prefix() -> None:
    environment = {"NILOMETER_AGENT_NAME": "Nile", "NILOMETER_NAME": "Congo"}
    assert load(River, prefix="NILOMETER_AGENT_", environment=environment).name == "Nile"


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        river(arguments={"name": "Nile"}).width = 3.0  # type: ignore[misc]  # that is the point


def test_a_misspelt_variable_does_not_show_what_may_be_a_secret() -> None:
    with pytest.raises(ConfigError) as caught:
        load(River, prefix="RIVER_", environment={"RIVER_TOKN": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".yaml", ".yml"])
def test_yaml_says_the_same(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"river{suffix}"
    path.write_text("name: Nile\nwidth: 20\nbanks: [left]\nlabels: {region: eu}\n", "utf-8")
    found = river(file=path)
    assert (found.name, found.width, found.banks) == ("Nile", 20.0, ("left",))
    assert found.labels == {"region": "eu"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name: Nile\nname: Rhine\n", "line 2: 'name' appears twice"),
        ("a: &x [1]\nname: *x\n", "aliases are not allowed"),
        ("- name\n", "the top level must be settings"),
        ("1: Nile\n", "the top level must be settings"),
        ("name: [", "expected"),
        ("name: !!python/object/apply:os.system [ls]\n", "could not determine a constructor"),
        ("nam: Nile\n", "there is no such setting"),
        ("name: Nile\nwidth: wide\n", "width = 'wide'"),
    ],
)
def test_yaml_that_is_wrong_stops_the_start(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "river.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        river(file=path)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "river.ini"
    path.write_text("name = Nile")
    with pytest.raises(ConfigError, match=r"must end in one of \.toml"):
        river(file=path)


def test_one_file_may_hold_every_component(tmp_path: Path) -> None:
    path = tmp_path / "nilometer.toml"
    path.write_text('[agent]\nname = "Nile"\n[collector]\nname = "Rhine"\n')

    def name(prefix: str, **environment: str) -> str:
        return load(River, prefix=prefix, file=path, environment=environment).name

    assert name("NILOMETER_AGENT_") == "Nile"
    assert name("NILOMETER_COLLECTOR_") == "Rhine"
    named = {"NILOMETER_CONFIG": str(path), "NILOMETER_AGENT_WIDTH": "7"}
    found = load(River, prefix="NILOMETER_AGENT_", environment=named)
    assert (found.name, found.width) == ("Nile", 7.0)
    with pytest.raises(ConfigError, match="name"):
        name("NILOMETER_")  # no section: nothing was said to it
