"""The agent ships the sums of predictions by bin of each input of a window."""

import json
from pathlib import Path

import pytest
from support.engine_rig import Rig

from nilometer.compare.components import components
from nilometer.profile import FeatureProfile, Reference
from nilometer.profile.bin_sums import BinSums
from nilometer.profile.summed_outputs import SummedOutputs
from nilometer.profiling.observation import pack
from nilometer.values.privacy import BY_DEFAULT, Disclosure, Privacy
from nilometer.wire.frames import Batch
from nilometer.wire.references import with_digest
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.uplink.plan import ActivePlan, PlanKeeper
from nilometer_collector.testing import a_reference

ROWS = 120
COLUMNS = {
    "input.amount": [float(at) for at in range(ROWS)],
    "output.score": [at / ROWS for at in range(ROWS)],
}


def batch(sequence: int, amounts: list[float]) -> Batch:
    rows = []
    for amount in amounts:
        body, answer = (
            json.dumps(one).encode() for one in ({"amount": amount}, {"score": amount / ROWS})
        )
        head = (1_700_000_000_000_000_000, 0.01, 200, "ok", "POST", "/predict")
        kind = "application/json"
        rows.append((*head, len(body), len(answer), kind, "", kind, "", body, answer, ""))
    return Batch(
        worker=b"w", sequence=sequence, entity="tested", observations=pack(rows), count=len(rows)
    )


def shipped(directory: Path, disclosure: Disclosure, wish: str = "on") -> FeatureProfile:
    """The amounts of one window, which two commits stored."""
    reference: Reference = with_digest(a_reference(COLUMNS, entity="tested"))

    class Planned(PlanKeeper):
        def __init__(self, buffer: Buffer) -> None:
            super().__init__(buffer, None)
            summed = SummedOutputs(wish="on") if wish == "on" else None
            self.active = ActivePlan([reference], [], b"key", None, disclosure, summed=summed)

    rig = Rig(directory, plans=Planned)
    for sequence, some in ((1, COLUMNS["input.amount"][::2]), (2, COLUMNS["input.amount"][1::2])):
        rig.give(batch(sequence, some))
        rig.clock.step(5.0)
        rig.commit()
    rig.close()
    (amount,) = (one.content for one in rig.samples() if one.summary == "input.amount")
    rig.buffer.close()
    assert isinstance(amount, FeatureProfile)
    return amount


def only(feature: FeatureProfile) -> BinSums:
    ((key, sums),) = feature.sums.items()
    assert key.value == "output.score"
    return sums


def test_a_window_has_the_sums_of_all_its_commits(tmp_path: Path) -> None:
    sums = only(shipped(tmp_path, BY_DEFAULT))
    assert sums.rows == ROWS
    assert sum(sums.sums) * sums.unit == pytest.approx(sum(COLUMNS["output.score"]), abs=0.1)
    same = components(sums, sums)
    assert same is not None
    assert not same.mix.any()
    assert not same.within.any()


def test_a_strict_agent_stores_no_small_bin(tmp_path: Path) -> None:
    """Each commit has 60 rows in 8 bins: 7 or 8 in each."""
    sums = only(shipped(tmp_path, Disclosure(Privacy.STRICT)))
    assert sums.is_public
    assert (sums.counts[sums.bins.pooled], sums.rows) == (ROWS, ROWS)


def test_an_agent_that_is_not_asked_ships_no_sums(tmp_path: Path) -> None:
    assert not shipped(tmp_path, BY_DEFAULT, wish="off").sums
