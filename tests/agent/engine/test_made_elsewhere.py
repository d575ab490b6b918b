"""What the agent takes of profiles that another program made."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.engine_rig import Rig
from support.strategies import feature_of

from nilometer.profile import Coverage, ScoreProfile, ServiceProfile, SummarySample
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.frames import Batch
from nilometer.wire.samples import sample_to_bytes
from nilometer_agent.engine.made_elsewhere import samples_made_elsewhere

WINDOW = Window.containing(1_700_000_000 * 10**9, 60 * 10**9)


def sample(summary: str, content: Any, **changes: Any) -> SummarySample:
    given: dict[str, Any] = {
        "entity": "tested",
        "labels": Labels(),
        "window": WINDOW,
        "coverage": Coverage(profiled=3),
    }
    return SummarySample(summary=summary, content=content, **{**given, **changes})


def scores(*values: float) -> ScoreProfile:
    profile = ScoreProfile((0.5,))
    profile.observe(np.array(values))
    return profile


SERVICE = sample("service", ServiceProfile())
AMOUNT = sample("input.amount", feature_of([1.0, 2.0, 3.0]))
SCORES = sample("output.p.scores", scores(0.1, 0.9, 0.5))


def test_what_fits_is_taken_as_it_is() -> None:
    named_scores = sample("output.scores", feature_of(["a"]))
    given = [SERVICE, AMOUNT, SCORES, named_scores]
    packed = [sample_to_bytes(one) for one in given]
    assert [sample_to_bytes(one) for one in samples_made_elsewhere("tested", packed)] == packed


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (dataclasses.replace(AMOUNT, entity="other"), "entity 'other' in a batch of 'tested'"),
        (dataclasses.replace(SERVICE, entity="other"), "entity 'other' in a batch of 'tested'"),
        (dataclasses.replace(AMOUNT, summary="schema"), "'schema', which only the agent makes"),
        (dataclasses.replace(AMOUNT, summary="service"), "'service' with content 'feature'"),
        (dataclasses.replace(SCORES, summary="service"), "'service' with content 'scores'"),
        (dataclasses.replace(AMOUNT, window=Window(1 << 63, (1 << 63) + 1)), "a window at"),
        (dataclasses.replace(SERVICE, coverage=Coverage(profiled=1 << 60)), "observations"),
    ],
)
def test_what_would_break_the_accounts_is_refused_with_a_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, odd: SummarySample, reason: str
) -> None:
    rig = Rig(tmp_path)
    partials = [sample_to_bytes(one) for one in (SERVICE, odd)]
    rig.give(Batch(worker=b"w", sequence=1, entity="tested", partials=partials, count=3))
    rig.commit()
    rig.engine._close_all()
    (booked,) = rig.samples()
    assert (booked.entity, booked.coverage) == ("tested", Coverage(dropped={"malformed_batch": 3}))
    assert any(reason in str(vars(record).get("reason")) for record in caplog.records)
    rig.buffer.close()


@pytest.mark.parametrize(
    "odd",
    [
        sample("input.x", ServiceProfile(outcomes={"ok": 3})),
        dataclasses.replace(SCORES, summary="input.x"),
    ],
)
def test_content_that_the_name_does_not_allow_is_left_out_and_counted(
    tmp_path: Path, odd: SummarySample
) -> None:
    rig = Rig(tmp_path)
    partials = [sample_to_bytes(one) for one in (SERVICE, odd, AMOUNT)]
    rig.give(Batch(worker=b"w", sequence=1, entity="tested", partials=partials, count=3))
    rig.commit()
    rig.engine._close_all()
    found = {one.summary: one for one in rig.samples()}
    assert found.keys() == {"service", "input.amount"}
    assert found["service"].coverage == Coverage(profiled=3, lost_cells={"other_kind": 3})
    rig.buffer.close()
