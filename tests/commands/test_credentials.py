"""Commands authenticate to a collector over real TLS, and never reveal a token."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from nilometer.commands.cli import main
from nilometer_collector.testing import Running, running

TOKEN = "canary-token"
FLAGS = ("--token-file", "--tls-ca", "--tls-certificate", "--tls-key")
# Each with the collector's kind of address.
COMMANDS = {
    "profile": [
        "profile",
        "{table}",
        "--entity",
        "e",
        "--as-reference",
        "r",
        "--collector",
        "{grpc}",
    ],
    "alerters": ["alerters", "--collector", "{http}"],
    "top": ["top", "--once", "--agent", "/nowhere", "--collector", "{http}"],
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(directory / "ca")
    for name in ("localhost", "pipeline"):
        made = ca.issue_cert(name, common_name=name)
        made.private_key_pem.write_to_path(directory / f"{name}.key")
        made.cert_chain_pems[0].write_to_path(directory / f"{name}.crt")
    (directory / "token").write_text(f"{TOKEN}\n")
    (directory / "token").chmod(0o600)
    (directory / "table.csv").write_text("amount\n1\n2\n3\n")
    return directory


@pytest.fixture(scope="module")
def guarded(files: Path) -> Iterator[Running]:
    told: dict[str, Any] = {
        "principals": [
            {
                "name": "pipeline",
                "token_sha256": [hashlib.sha256(TOKEN.encode()).hexdigest()],
                "certificates": ["pipeline"],
                "write": ["e"],
                "read": ["e"],
            },
        ],
        "grpc_client_ca": str(files / "ca"),
    }
    for door in ("http", "grpc"):
        told[f"{door}_certificate"] = str(files / "localhost.crt")
        told[f"{door}_key"] = str(files / "localhost.key")
    with running(files / "collector.db", **told) as served:
        yield served


def words(command: str, served: Running, files: Path) -> list[str]:
    ports = [
        address.rpartition(":")[2]
        for address in (served.collector.grpc_target, served.collector.http_url)
    ]
    table = str(files / "table.csv")
    grpc, http = f"localhost:{ports[0]}", f"https://localhost:{ports[1]}"
    return [word.format(table=table, grpc=grpc, http=http) for word in COMMANDS[command]]


def shown(files: Path) -> list[str]:
    named = ("token", "ca", "pipeline.crt", "pipeline.key")
    return [
        word for flag, name in zip(FLAGS, named, strict=True) for word in (flag, str(files / name))
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_let_in_with_its_token_and_certificate(
    command: str, guarded: Running, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words(command, guarded, files), *shown(files)]) == 0
    output = capsys.readouterr()
    assert "canary" not in output.out + output.err


def test_a_certificate_alone_registers_a_reference_of_its_entities_only(
    guarded: Running, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = words("profile", guarded, files)
    assert main([*asked, *shown(files)[2:]]) == 0
    assert main(["profile", *asked[1:3], "other", *asked[4:], *shown(files)]) == 1
    assert "may not write entity 'other'" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("host", ["127.0.0.1.attacker.example", "localhost.attacker.example"])
def test_no_command_sends_a_token_in_the_clear(
    command: str, host: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        word.format(table=str(files / "table.csv"), grpc=f"{host}:1", http=f"http://{host}:1")
        for word in COMMANDS[command]
    ]
    assert main([*asked, "--token-file", str(files / "token")]) == 2
    error = capsys.readouterr().err
    assert "a token is not sent without TLS" in error
    assert "canary" not in error


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", FLAGS)
def test_a_file_that_is_missing_is_one_line_and_exit_code_2(
    command: str, flag: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        word.format(table=str(files / "table.csv"), grpc="h:1", http="http://h:1")
        for word in COMMANDS[command]
    ]
    assert main([*asked, flag, "/nowhere"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_every_command_of_a_collector_is_among_these(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("profile", "alerters", "top", "config", "decode", "run", "doctor", "demo"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        text = capsys.readouterr().out
        assert all(flag in text for flag in FLAGS) is (command in COMMANDS), command
