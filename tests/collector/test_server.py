"""Start and stop of the collector, and settings that prevent its start."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import pytest
from support.stores import PostgresqlPlace

from nilometer.settings.settings import checked, load
from nilometer.testing import eventually
from nilometer.values.errors import ConfigError
from nilometer.wire.services import CHANNEL_OPTIONS, collector_stub
from nilometer_collector.access.addresses import parse_address
from nilometer_collector.commands.collector import main
from nilometer_collector.demo.postgresql import Server
from nilometer_collector.rollups import worker
from nilometer_collector.server import Collector
from nilometer_collector.settings import PREFIX, CollectorSettings
from nilometer_collector.store import open_store
from nilometer_collector.testing import (
    ENTITY,
    Sender,
    an_evaluation,
    feature_sample,
    listening_webhook,
    running,
)

PASSWORD = "s3cret"
FREE = ("--http-address", "127.0.0.1:0", "--grpc-address", "127.0.0.1:0")


@contextmanager
def process(
    database: Path, *more: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """`nilometer collector` as a process of its own, and the addresses it told."""
    command = [sys.executable, "-m", "nilometer_collector", "--database", str(database)]
    started = subprocess.Popen(
        [*command, *FREE, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        assert started.stdout is not None
        words = started.stdout.readline().split()
        assert words[:3] == ["nilometer", "collector", "ready:"], started.communicate()
        yield started, dict(word.split("=", 1) for word in words[3:])
    finally:
        started.kill()
        started.communicate()


def sender_to(target: str) -> tuple[Sender, grpc.Channel]:
    channel = grpc.insecure_channel(target, options=CHANNEL_OPTIONS)
    return Sender(collector_stub(channel)), channel


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_with_0(database: Path, number: signal.Signals) -> None:
    with process(database) as (started, told):
        assert httpx.get(f"{told['http']}/readyz", trust_env=False).status_code == 200
        started.send_signal(number)
        assert started.wait(60) == 0
    assert not database.with_name(database.name + "-wal").exists()


def test_what_was_acknowledged_survives_kill_9(database: Path) -> None:
    with process(database) as (started, told):
        sender, channel = sender_to(told["grpc"])
        assert not sender.ship(feature_sample([1.0, 2.0]), an_evaluation(0.5, 1)).rejected
        started.kill()
        started.wait(60)
        channel.close()
    store = open_store(database, "")
    assert [series.samples for series in store.samples.series()] == [1]
    assert len(store.alerts.open_episodes()) == 1
    store.close()


def test_a_notification_survives_kill_9(database: Path) -> None:
    with listening_webhook() as away:
        url = away.url
    port = int(url.rpartition(":")[2].partition("/")[0])
    variables = {f"{PREFIX}SLACK_WEBHOOK_URL": url, f"{PREFIX}WEBHOOK_ALLOW": "127.0.0.1"}
    with process(database, **variables) as (started, told):
        sender, channel = sender_to(told["grpc"])
        sender.ship(an_evaluation(0.5, 1))
        started.kill()
        started.wait(60)
        channel.close()
    with listening_webhook(port) as webhook, process(database, **variables):
        eventually(lambda: len(webhook.accepted) == 1)


def test_a_second_collector_on_a_database_refuses_to_start(database: Path) -> None:
    with running(database) as first:
        settings = {**_free(), "database": str(database)}
        with pytest.raises(ConfigError, match="in use by another collector"):
            Collector(checked(CollectorSettings, settings)).start()
        assert first.get("entities") == {"entities": [], "next": None}
    with running(database):
        pass


def _free() -> dict[str, object]:
    return {"http_address": "127.0.0.1:0", "grpc_address": "127.0.0.1:0"}


@pytest.mark.parametrize("key", ["http_address", "grpc_address"])
def test_an_address_that_is_taken_stops_the_start_and_leaves_nothing_behind(
    database: Path, tmp_path: Path, key: str
) -> None:
    with running(database) as first:
        taken = {
            "http_address": first.collector.http_url.removeprefix("http://"),
            "grpc_address": first.collector.grpc_target,
        }
        other = tmp_path / "other.db"
        settings = {**_free(), key: taken[key], "database": str(other)}
        with pytest.raises(ConfigError, match=f"{key} = .*: cannot be bound"):
            Collector(checked(CollectorSettings, settings)).start()
    with running(other):
        pass


def test_stop_is_safe_before_start_and_twice(database: Path) -> None:
    collector = Collector(checked(CollectorSettings, {**_free(), "database": str(database)}))
    collector.stop()
    collector.start()
    collector.stop()
    collector.stop()


@pytest.mark.parametrize("key", ["http_address", "grpc_address"])
@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("0.0.0.0:7500", "must be a loopback address"),
        ("[::]:7500", "must be a loopback address"),
        ("10.0.0.1:7500", "must be a loopback address"),
        ("collector.example:7500", "must be a loopback address"),
        ("127.0.0.1", "must be host:port"),
        ("127.0.0.1:99999", "must be host:port"),
        ("127.0.0.1:-1", "must be host:port"),
        (":7500", "must be host:port"),
        ("", "must be host:port"),
    ],
)
def test_an_address_off_this_machine_or_malformed_is_refused(
    key: str, value: str, word: str
) -> None:
    with pytest.raises(ConfigError, match=rf"{key} = .*{word}"):
        checked(CollectorSettings, {key: value})


def test_addresses_round_trip() -> None:
    for text in ("127.0.0.1:0", "localhost:7500", "[::1]:65535"):
        assert str(parse_address("x", text)) == text


def test_settings_come_from_a_file_with_its_alerters(tmp_path: Path, database: Path) -> None:
    file = tmp_path / "collector.toml"
    file.write_text(
        'public_url = "https://nilometer.example"\n'
        "[[alerters]]\n"
        f'entity = "{ENTITY}"\nname = "latency"\nsummary = "service"\nkind = "FIXED"\n'
        'statistic = "latency_p99_seconds"\ncomparison = ">"\nthreshold = 0.5\n'
    )
    settings = load(CollectorSettings, prefix=PREFIX, file=file, environment={"X": ""})
    assert settings.public_url == "https://nilometer.example"
    given = {field: getattr(settings, field) for field in ("public_url", "alerters")}
    with running(database, **given) as served:
        (alerter,) = served.get("alerters")["alerters"]
    assert (alerter["name"], alerter["threshold"]) == ("latency", 0.5)


@pytest.mark.parametrize(
    ("toml", "word"),
    [
        ("colour = 'blue'", "colour: there is no such setting"),
        ("shutdown_seconds = 900", "shutdown_seconds = 900"),
        ("public_url = 'javascript:alert(1)'", "public_url = "),
        ("public_url = 7", "public_url = 7"),
        (
            "retention_1h_days = 30",
            "retention_5m_days = 35: must be at most retention_1h_days = 30",
        ),
        ("retention_shipped_days = 0", "retention_shipped_days = 0"),
        ("[[alerters]]\nentity = 'e'", "alerters"),
        (
            "[[alerters]]\nentity='e'\nname='n'\nsummary='*'\nkind='FIXED'\nthreshold=1\nstatistic='magic'",
            "statistic = 'magic': must be one of",
        ),
        ("not toml", "settings file"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it_and_exit_code_2(
    tmp_path: Path, toml: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from nilometer_collector.commands.collector import main

    file = tmp_path / "collector.toml"
    file.write_text(toml)
    assert main(["--config", str(file), "--database", str(tmp_path / "x.db"), *FREE]) == 2
    output = capsys.readouterr()
    assert word in output.err
    assert output.err.count("\n") == 1
    assert output.out == ""


def test_the_command_is_registered_and_its_help_says_what_it_touches(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from nilometer.commands.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["collector", "--help"])
    assert ended.value.code == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "Writes to its database" in words
    assert "loopback" in words


def test_collectors_on_postgresql_serve_what_either_of_them_stored(
    postgresql: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "IDLE_SECONDS", 3600.0)  # roll-ups do not collect in time
    url = postgresql.create_database()
    with running(None, store=url) as one, running(None, store=url) as other:
        assert not one.sender().ship(feature_sample([1.0, 2.0]), an_evaluation(0.5, 1)).rejected
        for served in (one, other):
            assert [entity["name"] for entity in served.get("entities")["entities"]] == [ENTITY]
            (sample,) = served.get("samples", entity=ENTITY, summary="input.amount")["samples"]
            assert sample["coverage"]["profiled"] == 2
            assert len(served.get("episodes", open="true")["episodes"]) == 1
            assert served.http.get("/readyz").status_code == 200
        waiting = "SELECT count(*) FROM waiting_additions"
        place = PostgresqlPlace(postgresql, url)
        eventually(lambda: place.change(postgresql=waiting) == [(0,)])
    assert list(tmp_path.iterdir()) == []
    place.close()


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"store": f"postgresql://n:{PASSWORD}@127.0.0.1:1/n"}, "Connection refused"),
        ({"store": f"postgresql://n:{PASSWORD}@127.0.0.1:1x/n"}, "must be a PostgreSQL URL"),
        ({"store": f"mysql://n:{PASSWORD}@h/n"}, "must be a URL postgresql://"),
        ({"store": f"postgresql://n:{PASSWORD}@h/n\n"}, "must be a URL postgresql://"),
        (
            {"store": f"postgresql://n:{PASSWORD}@h/n", "database": "some.db"},
            "cannot be set together with `store`",
        ),
    ],
)
def test_a_store_that_cannot_be_used_ends_with_2_and_shows_no_password(
    told: dict[str, str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed: nilometer[postgresql]")
    options = [f"--{name}={value}" for name, value in told.items()]
    assert main([*options, *FREE]) == 2
    written = capfd.readouterr()
    assert said in written.err
    assert PASSWORD not in written.err + written.out


def test_the_settings_show_no_password() -> None:
    settings = CollectorSettings(store=f"postgresql://n:{PASSWORD}@h/n")
    assert PASSWORD not in repr(settings) + str(settings.stored_in)
