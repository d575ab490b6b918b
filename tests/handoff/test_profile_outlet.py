"""What the agent gets of profiles that were made in the server's process."""

from pathlib import Path

import msgspec
import pytest
from support.engine_rig import Rig

from nilometer.handoff import profile_outlet
from nilometer.handoff.link import AgentLink
from nilometer.handoff.profile_outlet import ProfileOutlet
from nilometer.handoff.settings import CaptureSettings
from nilometer.profile import Coverage, FeatureProfile
from nilometer.profiling.observation import pack
from nilometer.wire.frames import Batch
from nilometer_agent.measure.counters import Counter

ROWS = 100


class Link(AgentLink):
    """A link that keeps what is sent."""

    def __init__(self, settings: CaptureSettings) -> None:
        super().__init__(settings, b"w" * 16)
        self.sent: list[Batch] = []

    def send(self, batch: Batch, observations: int) -> None:
        batch.worker, batch.sequence = self.worker, len(self.sent) + 1
        self.sent.append(batch)
        assert observations == batch.count


@pytest.fixture
def link(tmp_path: Path) -> Link:
    return Link(CaptureSettings(entity="tested", agent=f"unix:{tmp_path / 'agent.sock'}"))


def test_a_profile_over_the_size_of_a_message_is_counted(
    link: Link, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_outlet, "MAX_PARTIAL_BYTES", 250)
    outlet = ProfileOutlet(link.settings, link)
    for at in range(ROWS):
        body = msgspec.json.encode({"few": 1.5, "many": float(at)})
        one = (
            *(1_700_000_000_000_000_000, 0.01, 200, "ok", "POST", "/", len(body), 2),
            *("application/json", "", "application/json", "", body, b"{}", ""),
        )
        outlet.send_batch([pack(one)], {})
    outlet.finish(0.0)
    rig = Rig(tmp_path)
    for batch in link.sent:
        rig.give(batch)
    rig.commit()
    rig.engine._close_all()
    found = {one.summary: one for one in rig.samples()}
    assert found.keys() == {"service", "input.few"}
    assert isinstance(found["input.few"].content, FeatureProfile)
    assert found["input.few"].content.cells == ROWS
    assert found["service"].coverage == Coverage(profiled=ROWS, lost_cells={"too_large": ROWS})
    assert rig.counters.reasons(Counter.CELLS_LOST) == {"too_large": ROWS}
    rig.buffer.close()


def test_a_template_becomes_an_entity_for_each_model(tmp_path: Path) -> None:
    settings = CaptureSettings(
        entity="{model}",
        labels={"v": "{version}"},
        include=("GET /score",),
        agent=f"unix:{tmp_path / 'agent.sock'}",
    )
    link = Link(settings)
    outlet = ProfileOutlet(settings, link)
    body = b'{"instances": [[1.5]]}'
    for method, path in (
        ("POST", "/v1/models/credit:predict"),
        ("POST", "/v1/models/credit/versions/2:predict"),
        ("POST", "/v1/models/churn:predict"),
        ("GET", "/score"),
        ("GET", "/status"),
    ):
        held = body if method == "POST" else b""
        one = (
            *(1_700_000_000_000_000_000, 0.01, 200, "ok", method, path, len(held), 13),
            *("application/json", "", "application/json", "", held, b'{"risk": 0.5}', ""),
        )
        outlet.send_batch([pack(one)], {})
    outlet.finish(0.0)
    rig = Rig(tmp_path)
    for batch in link.sent:
        rig.give(batch)
    rig.commit()
    rig.engine._close_all()
    seen = {
        (one.entity, str(one.labels)): one.coverage
        for one in rig.samples()
        if one.summary == "service"
    }
    assert seen.keys() == {
        ("credit", "v=absent"),
        ("credit", "v=2"),
        ("churn", "v=absent"),
        ("absent", "v=absent"),
        ("absent", ""),
    }
    assert seen["absent", "v=absent"].profiled == 1
    assert seen["absent", ""].undecodable == {"not_inference": 1}
