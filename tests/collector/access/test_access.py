"""Authentication over real TLS: tokens, certificates, their rotation, and duplicate agent names."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
import trustme

from nilometer.settings.credentials import Credentials
from nilometer.settings.settings import checked
from nilometer.testing import SteppedClock, eventually
from nilometer.values.errors import ConfigError
from nilometer.wire.services import GetPlanRequest, ShipRequest
from nilometer_agent.uplink.dial import Dial, Reach
from nilometer_collector.access.duplicate_agents import (
    DUPLICATE_SECONDS,
    MAX_AGENTS,
    DuplicateAgents,
)
from nilometer_collector.counters import Counter
from nilometer_collector.settings import CollectorSettings
from nilometer_collector.testing import Running, running

Code = grpc.StatusCode
TOKEN, NEXT_TOKEN = "correct-horse", "battery-staple"
DEADLINE_SECONDS = 5.0
PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


PRINCIPALS = (
    {
        "name": "scoring",
        "token_sha256": (digest(TOKEN), digest(NEXT_TOKEN)),
        "agents": ("scoring-*",),
    },
    {"name": "pricing", "certificates": ("pricing",), "agents": ("pricing-1",)},
)


@dataclass
class Keys:
    """A certificate authority and a directory for what it signs."""

    directory: Path
    ca: trustme.CA

    def issue(
        self,
        stem: str,
        name: str,
        ca: trustme.CA | None = None,
        *,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> str:
        """Write ``stem.crt`` and ``stem.key``, each by a rename, as a rotation does."""
        made = (ca or self.ca).issue_cert(
            name, common_name=name, not_before=not_before, not_after=not_after
        )
        self._put(f"{stem}.key", made.private_key_pem.bytes())
        self._put(f"{stem}.crt", b"".join(part.bytes() for part in made.cert_chain_pems))
        return str(self.directory / stem)

    def trust(self, stem: str, ca: trustme.CA) -> str:
        self._put(stem, ca.cert_pem.bytes())
        return str(self.directory / stem)

    def _put(self, name: str, content: bytes) -> None:
        fresh = self.directory / f".{name}"
        fresh.write_bytes(content)
        fresh.chmod(0o600)
        fresh.replace(self.directory / name)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    keys = Keys(tmp_path, trustme.CA())
    keys.trust("ca.crt", keys.ca)
    keys.issue("server", "localhost")
    return keys


@contextmanager
def guarded(keys: Keys, database: Path, *, mutual: bool = False) -> Iterator[Running]:
    settings = {
        "grpc_certificate": str(keys.directory / "server.crt"),
        "grpc_key": str(keys.directory / "server.key"),
        "principals": PRINCIPALS if mutual else PRINCIPALS[:1],
    }
    if mutual:
        settings["grpc_client_ca"] = str(keys.directory / "ca.crt")
    with running(database, SteppedClock(), **settings) as served:
        yield served


@contextmanager
def dialled(served: Running, **credentials: str) -> Iterator[Dial]:
    port = served.collector.grpc_target.rpartition(":")[2]
    dial = Dial(f"localhost:{port}", Credentials(**credentials))
    try:
        yield dial
    finally:
        dial.close()


def ship(dial: Dial, agent: str, instance: bytes = b"i" * 16) -> grpc.StatusCode:
    request = ShipRequest(agent=agent, instance=instance, epoch=b"e" * 16)
    try:
        dial.Ship(request, timeout=DEADLINE_SECONDS)
    except grpc.RpcError as error:
        code = error.code()
        assert isinstance(code, grpc.StatusCode)
        return code
    return Code.OK


@pytest.mark.parametrize(
    ("token", "agent", "code"),
    [
        (TOKEN, "scoring-1", Code.OK),
        (NEXT_TOKEN, "scoring-1", Code.OK),
        (TOKEN, "pricing-1", Code.PERMISSION_DENIED),
        (TOKEN.upper(), "scoring-1", Code.UNAUTHENTICATED),
        ("", "scoring-1", Code.UNAUTHENTICATED),
    ],
)
def test_a_token_authenticates_its_principal_for_its_agents(
    keys: Keys, database: Path, token: str, agent: str, code: grpc.StatusCode
) -> None:
    (keys.directory / "token").write_text(f"{token}\n")
    ca = str(keys.directory / "ca.crt")
    with (
        guarded(keys, database) as served,
        dialled(served, ca=ca, token=str(keys.directory / "token")) as dial,
    ):
        assert ship(dial, agent) is code


def test_a_plan_needs_the_same_rights_as_a_shipment(keys: Keys, database: Path) -> None:
    with (
        guarded(keys, database) as served,
        dialled(served, ca=str(keys.directory / "ca.crt")) as dial,
        pytest.raises(grpc.RpcError) as caught,
    ):
        dial.GetPlan(GetPlanRequest(agent="scoring-1"), timeout=DEADLINE_SECONDS)
    assert caught.value.code() is Code.UNAUTHENTICATED


def test_a_token_is_rotated_without_a_restart(keys: Keys, database: Path) -> None:
    path = keys.directory / "token"
    path.write_text("an old one")
    ca = str(keys.directory / "ca.crt")
    with guarded(keys, database) as served, dialled(served, ca=ca, token=str(path)) as dial:
        assert ship(dial, "scoring-1") is Code.UNAUTHENTICATED
        fresh = keys.directory / ".token"
        fresh.write_text(TOKEN)
        fresh.replace(path)
        assert ship(dial, "scoring-1") is Code.OK


def test_a_certificate_authenticates_its_principal(keys: Keys, database: Path) -> None:
    mine = keys.issue("client", "pricing")
    told = {
        "ca": str(keys.directory / "ca.crt"),
        "certificate": f"{mine}.crt",
        "key": f"{mine}.key",
    }
    with guarded(keys, database, mutual=True) as served, dialled(served, **told) as dial:
        assert ship(dial, "pricing-1") is Code.OK
        assert ship(dial, "pricing-2") is Code.PERMISSION_DENIED
        assert dial.probe() == (Reach.ANSWERS, "")
        keys.issue("client", "somebody")
        assert ship(dial, "pricing-1") is Code.UNAUTHENTICATED
        keys.issue("client", "pricing")
        assert ship(dial, "pricing-1") is Code.OK


@pytest.mark.parametrize("fault", ["none", "foreign", "expired", "not yet"])
def test_a_client_without_a_good_certificate_reports_a_tls_error(
    keys: Keys, database: Path, fault: str
) -> None:
    told = {"ca": str(keys.directory / "ca.crt")}
    if fault != "none":
        mine = keys.issue(
            "client",
            "pricing",
            trustme.CA() if fault == "foreign" else None,
            not_before=FUTURE if fault == "not yet" else None,
            not_after=PAST if fault == "expired" else None,
        )
        told |= {"certificate": f"{mine}.crt", "key": f"{mine}.key"}
    with guarded(keys, database, mutual=True) as served, dialled(served, **told) as dial:
        assert ship(dial, "pricing-1") is Code.UNAVAILABLE
        reach, why = dial.probe()
        assert reach is Reach.TLS
        assert why


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ("foreign", "unable to get local issuer"),
        ("expired", "expired"),
        ("not yet", "not yet valid"),
        ("name", "mismatch"),
        ("plain", "wants TLS"),
    ],
)
def test_a_collector_without_a_good_certificate_is_reported_with_the_reason(
    keys: Keys, database: Path, fault: str, word: str
) -> None:
    ca = str(keys.directory / "ca.crt")
    if fault == "foreign":
        ca = keys.trust("other.crt", trustme.CA())
    keys.issue(
        "server",
        "elsewhere.example" if fault == "name" else "localhost",
        not_before=FUTURE if fault == "not yet" else None,
        not_after=PAST if fault == "expired" else None,
    )
    with (
        guarded(keys, database) as served,
        dialled(served, ca="" if fault == "plain" else ca) as dial,
    ):
        assert ship(dial, "scoring-1") is Code.UNAVAILABLE
        reach, why = dial.probe()
        assert reach is Reach.TLS
        assert word in why


def test_the_server_serves_new_certificates_without_a_restart(keys: Keys, database: Path) -> None:
    (keys.directory / "token").write_text(TOKEN)
    told = {"ca": str(keys.directory / "ca.crt"), "token": str(keys.directory / "token")}
    keys.issue("server", "localhost", not_after=PAST)
    with guarded(keys, database) as served, dialled(served, **told) as dial:
        assert dial.probe()[0] is Reach.TLS
        keys.issue("server", "localhost")
        assert dial.probe() == (Reach.ANSWERS, "")
        eventually(lambda: ship(dial, "scoring-1") is Code.OK)
        (keys.directory / "server.crt").unlink()  # in the middle of the next rotation
        assert dial.probe() == (Reach.ANSWERS, "")


def test_a_closed_port_is_reported_as_down_and_not_as_a_tls_error(
    keys: Keys, database: Path
) -> None:
    with guarded(keys, database) as served:
        port = served.collector.grpc_target.rpartition(":")[2]
    dial = Dial(f"localhost:{port}", Credentials(ca=str(keys.directory / "ca.crt")))
    assert dial.probe()[0] is Reach.DOWN


def test_no_proxy_of_the_environment_is_asked(
    keys: Keys, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTPS_PROXY"):
        monkeypatch.setitem(os.environ, name, "http://127.0.0.1:9")
    (keys.directory / "token").write_text(TOKEN)
    told = {"ca": str(keys.directory / "ca.crt"), "token": str(keys.directory / "token")}
    with guarded(keys, database) as served, dialled(served, **told) as dial:
        assert ship(dial, "scoring-1") is Code.OK
        assert served.get("entities")["entities"] == []


@pytest.mark.parametrize(("mode", "lines"), [(0o644, 2), (0o620, 2), (0o440, 0), (0o600, 0)])
def test_a_secret_file_that_others_can_read_is_reported(
    keys: Keys, database: Path, caplog: pytest.LogCaptureFixture, mode: int, lines: int
) -> None:
    token, key = keys.directory / "token", keys.directory / "server.key"
    token.write_text(TOKEN)
    token.chmod(mode)
    key.chmod(mode)
    told = {"ca": str(keys.directory / "ca.crt"), "token": str(token)}
    with guarded(keys, database) as served, dialled(served, **told) as dial:
        assert ship(dial, "scoring-1") is Code.OK
    said = [
        record
        for record in caplog.records
        if record.message == "a secret can be read by others: restrict its mode"
    ]
    assert len(said) == lines
    assert {record.__dict__["path"] for record in said} == (
        {str(token), str(key)} if lines else set()
    )
    assert TOKEN not in caplog.text


def test_two_processes_under_one_name_are_counted_and_reported(
    database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running(database, SteppedClock()) as served:
        one, two = b"1" * 16, b"2" * 16
        said = [
            served.stub.Ship(
                ShipRequest(agent="pod-1", instance=instance, epoch=b"e" * 16),
                timeout=DEADLINE_SECONDS,
            ).duplicate
            for instance in (one, two, two, one, two)
        ]
        assert said == [False, False, False, True, True]
        assert "give each agent its own name" in caplog.text
        assert served.collector.counters.read()[Counter.AGENTS_DUPLICATED] == 1


def test_a_restart_is_no_duplicate_and_a_duplicate_that_ended_is_forgotten() -> None:
    clock = SteppedClock()
    agents = DuplicateAgents(clock)
    for number in range(20):
        assert agents.see("pod-1", bytes([number]) * 16) == (False, False)
    assert agents.see("pod-1", bytes([18]) * 16) == (True, True)
    assert agents.see("pod-1", bytes([19]) * 16) == (True, False)
    clock.step(DUPLICATE_SECONDS + 1)
    assert agents.see("pod-1", bytes([19]) * 16) == (False, False)


def test_names_that_nobody_uses_any_more_take_no_room() -> None:
    agents = DuplicateAgents(SteppedClock())
    for number in range(MAX_AGENTS + 100):
        agents.see(f"pod-{number}", b"i" * 16)
        agents.see(f"pod-{number}", b"j" * 16)
    assert len(agents._current) == MAX_AGENTS
    assert len(agents._replaced) == MAX_AGENTS


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"principals": [{"name": "a"}]}, "needs token_sha256 or certificates"),
        ({"principals": [{"name": "a", "token_sha256": [TOKEN]}]}, "64 lower-case hexadecimal"),
        ({"grpc_certificate": "c.pem"}, "set both or none"),
        ({"grpc_client_ca": "c.pem"}, "needs grpc_certificate"),
        ({"principals": [{"name": "a", "certificates": ["x"]}]}, "need grpc_client_ca"),
        (
            {
                "grpc_address": "0.0.0.0:7501",
                "principals": [{"name": "a", "token_sha256": [digest(TOKEN)]}],
            },
            "must be a loopback address",
        ),
    ],
)
def test_settings_that_would_let_the_wrong_ones_in_are_refused(
    settings: dict[str, object], word: str
) -> None:
    with pytest.raises(ConfigError, match=word) as caught:
        checked(CollectorSettings, settings)
    assert TOKEN not in str(caught.value)
