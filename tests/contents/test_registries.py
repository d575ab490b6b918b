"""Every registry knows the content types of this project, each under its kind."""

import re

import pytest

from nilometer.alert import STATISTICS
from nilometer.kinds import may_hold
from nilometer.profile import CONTENTS, Content
from nilometer.v1 import summary_pb2 as pb
from nilometer.wire.contents.extension import KIND
from nilometer.wire.contents.registered import CODECS
from nilometer_agent.measure.contents import CONTENT_SERIES
from nilometer_collector.contents.registered import SHOWN
from nilometer_collector.limits.contents import CHECKS

KINDS = [
    *("feature", "service", "scores"),
    *("number", "string", "table", "matrix", "line", "confusion_matrix"),
    *("classification", "regression", "ranking", "row_metrics"),
]


def test_every_registry_has_every_type() -> None:
    for registry in (CONTENTS, CODECS, SHOWN, CHECKS, CONTENT_SERIES):
        assert sorted(registry) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_type_has_one_kind_everywhere(kind: str) -> None:
    assert re.fullmatch(KIND, kind)
    assert CONTENTS[kind].kind == CODECS[kind].kind == SHOWN[kind].kind == kind


def test_each_field_of_the_message_has_one_codec_but_that_of_types_from_outside() -> None:
    fields = {field.name for field in pb.SummarySample.DESCRIPTOR.oneofs_by_name["content"].fields}
    assert {codec.field for codec in CODECS.values()} == fields - {"extension"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_content_of_nothing_is_a_content(kind: str) -> None:
    empty: Content = CONTENTS[kind].merge_all([])
    assert type(empty).merge_all([empty, empty]).count == empty.count == empty.cells == 0
    assert empty.type_counts == (0, 0)
    assert empty.data_type == ("service" if kind == "service" else "empty")
    assert empty.scaled(3.0).count == 0
    assert empty.suppressed(10) is empty
    for name, statistic in empty.statistics().items():
        assert statistic(empty) == STATISTICS[name](empty)
        assert statistic(empty) in {None, 0.0}


def test_requests_are_counted_whole_however_few_are_profiled() -> None:
    service = CONTENTS["service"].merge_all([])
    assert service.scaled(10.0) is service


@pytest.mark.parametrize(
    ("summary", "kinds"),
    [
        ("service", {"service"}),
        ("input.amount", {"feature"}),
        ("output.p.scores", {"feature", "scores"}),
        ("output.scores", {"feature", "scores"}),  # a field may have this name
        ("schema", {"feature"}),
        ("logged.x", {*KINDS} - {"service"}),
        ("logged.", {"feature"}),
    ],
)
def test_a_name_decides_what_it_may_hold(summary: str, kinds: set[str]) -> None:
    assert {kind for kind in KINDS if may_hold(summary, kind)} == kinds
