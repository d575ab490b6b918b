"""docs/extending.md and the code say the same: its example is installed, loaded and used."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nilometer import ConfigError, kinds
from nilometer.alert.conditions import CONDITIONS
from nilometer.batch.reference_upload import put_reference
from nilometer.compare import COMPARATORS
from nilometer.export.metric import Metric
from nilometer.profile import CONTENTS, Coverage, SummarySample
from nilometer.testing import SteppedClock, eventually, registered
from nilometer.values.labels import Labels
from nilometer_agent.measure.measured import Measured
from nilometer_collector.alerting.definitions import AlerterDefinition
from nilometer_collector.testing import (
    ENTITY,
    a_reference,
    feature_sample,
    minute,
    running,
)

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "extending.md").read_text()
MODULE = "acme_kinds"
SUMMARY = "output.label.hits"


def block_of(language: str) -> str:
    (block,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(block)


def install(where: Path, module: str) -> None:
    """The package, as pip would leave it."""
    (where / f"{MODULE}.py").write_text(module)
    told = where / "acme-1.0.dist-info"
    told.mkdir(exist_ok=True)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (name, value) = re.findall(r'^(\w+) = "(.*)"$', block_of("toml"), re.MULTILINE)[0]
    (told / "entry_points.txt").write_text(f"[{kinds.GROUP}]\n{name} = {value}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where packages are installed for one test."""
    where = tmp_path / "site-packages"
    where.mkdir()
    monkeypatch.syspath_prepend(str(where))
    monkeypatch.setattr(kinds, "_loaded", set())
    with registered(kinds.Kinds()):
        yield where
    sys.modules.pop(MODULE, None)


def hits_sample(right: int, count: int) -> SummarySample:
    return SummarySample(
        entity=ENTITY,
        summary=SUMMARY,
        labels=Labels(),
        window=minute(0),
        coverage=Coverage(profiled=count),
        content=sys.modules[MODULE].Hits(right, count),
    )


def test_the_example_is_loaded_once_and_works_everywhere(site: Path, tmp_path: Path) -> None:
    install(site, block_of("python"))
    with running(tmp_path / "collector.db") as served:
        kinds.load()
        assert not served.sender().ship(hits_sample(3, 4), feature_sample([1.0, 9.0] * 25)).rejected
        (sample,) = served.get("samples", entity=ENTITY, summary=SUMMARY)["samples"]
        assert sample["extension"] == {"kind": "hits", "content": {"hit_ratio": 0.75}}

        reference = a_reference({"input.amount": [1.0] * 90})
        put_reference(reference, served.collector.grpc_target)
        at_most = AlerterDefinition(
            entity=ENTITY, name="few", summary="*", kind="AT_MOST", threshold=1.0
        )
        far = AlerterDefinition(
            entity=ENTITY,
            name="far",
            summary="input.*",
            kind="REFERENCE",
            threshold=0.4,
            reference="training",
            comparator="lost_overlap",
        )
        for alerter in (at_most, far):
            served.put_alerter(alerter).raise_for_status()
        (told,) = served.get(
            "samples",
            entity=ENTITY,
            summary="input.amount",
            reference="training",
            comparator="lost_overlap",
        )["samples"]
        assert told["distances"]["lost_overlap"]["value"] == 0.5

        def opened() -> set[str]:
            return {episode["alerter"] for episode in served.get("episodes")["episodes"]}

        eventually(lambda: opened() >= {"few", "far"}, 60)


def test_the_agent_exports_the_gauge_of_the_example(site: Path) -> None:
    install(site, block_of("python"))
    kinds.load()
    measured = Measured(dict, lambda: 0, 60.0, SteppedClock())
    measured.closed([hits_sample(3, 4)], [])
    metric = sys.modules[MODULE].HIT_RATIO
    assert isinstance(metric, Metric)
    (family,) = (one for one in measured.series.families() if one.metric is metric)
    assert [point.value for point in family.points] == [0.75]


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("raise OSError('no disk')", "extension 'acme': cannot be loaded: no disk"),
        ("KINDS = []", "extension 'acme': acme_kinds:KINDS is not a nilometer.kinds.Kinds"),
        (
            block_of("python").replace('"hits"', '"feature"'),
            "content type 'feature': is registered already",
        ),
        (
            block_of("python").replace('"AT_MOST"', '"FIXED"'),
            "condition 'FIXED': is registered already",
        ),
        (
            block_of("python").replace('"lost_overlap"', '""'),
            "comparator Comparator(name=''): has no name",
        ),
    ],
)
def test_an_extension_that_cannot_be_loaded_is_one_line(site: Path, module: str, line: str) -> None:
    install(site, module)
    with pytest.raises(ConfigError, match=f"^{re.escape(line)}$"):
        kinds.load()


def test_nothing_of_the_example_stays() -> None:
    assert "hits" not in CONTENTS
    assert "AT_MOST" not in CONDITIONS
    assert "lost_overlap" not in COMPARATORS
