"""Loopback hosts are recognised, and a token is sent only over TLS or loopback."""

import socket
from pathlib import Path

import pytest

from nilometer.settings.credentials import Credentials
from nilometer.settings.loopback import host_of, is_loopback_address, is_this_machine
from nilometer.settings.settings import checked
from nilometer.values.errors import ConfigError
from nilometer_agent.settings import AgentSettings

LOOK_ALIKE = (
    "127.0.0.1.attacker.example:7501",
    "127.evil:7501",
    "127.1:7501",
    "collector.example",
    "collector.example:7501",
    "dns:collector.example:7501",
    "dns://127.0.0.1/collector.example:7501",
    "ipv4:10.0.0.1",
    "ipv4:127.0.0.1:7501",
    "127.0.0.1:1,10.0.0.1:7501",
    ":7501",
    "[::1].x:1",
    "::1:7501",
    "[::2]:7501",
    "10.0.0.1",
    "10.0.0.1:7501",
    "unix:/x",
    "localhost.:7501",
    "localhost.example:7501",
    "127.0.0.1",
    "127.0.0.1:port",
)


@pytest.fixture
def token(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text("canary")
    return str(path)


@pytest.mark.parametrize("address", LOOK_ALIKE)
def test_a_token_goes_to_no_address_that_only_looks_like_loopback(address: str, token: str) -> None:
    with pytest.raises(ConfigError, match="not sent without TLS") as caught:
        checked(AgentSettings, {"collector": address, "token_file": token})
    assert "canary" not in str(caught.value)
    checked(AgentSettings, {"collector": address, "token_file": token, "tls_ca": "system"})
    checked(AgentSettings, {"collector": address})


@pytest.mark.parametrize("address", ["127.0.0.1:7501", "127.9.8.7:1", "[::1]:7501", ""])
def test_a_token_goes_to_a_loopback_address(address: str, token: str) -> None:
    checked(AgentSettings, {"collector": address, "token_file": token})


@pytest.mark.parametrize(
    ("found", "is_here"),
    [
        (["127.0.0.1", "::1"], True),
        (["127.0.0.1", "10.0.0.1"], False),
        (["10.0.0.1"], False),
        ([], False),
    ],
)
def test_localhost_is_this_machine_where_it_resolves_to_loopback_only(
    monkeypatch: pytest.MonkeyPatch, found: list[str], *, is_here: bool
) -> None:
    def resolved(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        assert host.lower() == "localhost"
        if not found:
            raise socket.gaierror
        return [(0, 0, 0, "", (one, 0)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    assert is_this_machine("localhost") is is_here
    assert is_this_machine("LOCALHOST") is is_here
    assert not is_this_machine("localhost.")


def test_no_name_is_a_loopback_address() -> None:
    here = ("127.0.0.1", "127.255.255.254", "::1")
    assert [is_loopback_address(one) for one in here] == [True] * 3
    for name in ("localhost", "127.0.0.1.example", "128.0.0.1", "::2", "::ffff:10.0.0.1", ""):
        assert not is_loopback_address(name)


def test_the_host_of_an_address_is_empty_for_a_uri() -> None:
    assert [host_of(one) for one in ("h:1", "[::1]:2")] == ["h", "::1"]
    assert not any(map(host_of, ("h", "h:", ":1", "dns:h:1", "unix:/h", "http://h:1", "h:1:2")))


@pytest.mark.parametrize(
    ("name", "setting"),
    [("ca", "tls_ca"), ("certificate", "tls_certificate"), ("token", "token_file")],
)
def test_a_file_that_is_missing_is_named(name: str, setting: str) -> None:
    with pytest.raises(ConfigError, match=f"{setting} = '/nowhere': there is no such file"):
        Credentials(**{name: "/nowhere"}).require_files()


def test_a_key_needs_its_certificate(token: str) -> None:
    with pytest.raises(ConfigError, match="needs tls_certificate"):
        Credentials(key=token).require_files()
