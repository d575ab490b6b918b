"""The client reads only fields that the collector sends, with the collector's types."""

from typing import get_type_hints

import msgspec
import pytest

from nilometer.client import answers
from nilometer_collector.api.points import MomentsView, PointView, SeriesPage, SeriesView
from nilometer_collector.api.resources.alerter_reports import ReportsView
from nilometer_collector.api.resources.declared_views import (
    AppliedView,
    Changes,
    ChangeView,
    DeclaredObjectView,
    FieldView,
    Objects,
    RevisionView,
    WarningView,
)
from nilometer_collector.api.resources.entities import Entities, EntityView
from nilometer_collector.api.resources.entity import DeclaredEntityView
from nilometer_collector.api.resources.episodes import Episodes, EpisodeView
from nilometer_collector.api.resources.ground_truth import (
    TruthAnswer,
    TruthSourceView,
    TruthStatus,
)
from nilometer_collector.api.resources.log import LogView
from nilometer_collector.api.resources.maturity import MaturityView, MaturityWindow
from nilometer_collector.api.resources.predictions import PredictionsView, PredictionView
from nilometer_collector.api.resources.summaries import Summaries, SummaryView

PAIRS: list[tuple[type[msgspec.Struct], type[msgspec.Struct]]] = [
    (answers.EntityStatus, EntityView),
    (answers.EntityStore, DeclaredEntityView),
    (answers.EntityPage, Entities),
    (answers.SummaryStatus, SummaryView),
    (answers.SummaryList, Summaries),
    (answers.Episode, EpisodeView),
    (answers.EpisodeList, Episodes),
    (answers.Moments, MomentsView),
    (answers.Point, PointView),
    (answers.Series, SeriesView),
    (answers.SeriesPage, SeriesPage),
    (answers.Logged, LogView),
    (answers.Reported, ReportsView),
    (answers.LoggedPrediction, PredictionView),
    (answers.PredictionPage, PredictionsView),
    (answers.TruthAnswer, TruthAnswer),
    (answers.TruthProgress, TruthSourceView),
    (answers.TruthStatus, TruthStatus),
    (answers.MaturityWindow, MaturityWindow),
    (answers.Maturity, MaturityView),
    (answers.ChangedField, FieldView),
    (answers.ObjectChange, ChangeView),
    (answers.ObjectWarning, WarningView),
    (answers.Applied, AppliedView),
    (answers.DeclaredObject, DeclaredObjectView),
    (answers.ObjectList, Objects),
    (answers.Revision, RevisionView),
    (answers.RevisionList, Changes),
]


def test_every_answer_is_compared() -> None:
    made = {one for one in vars(answers).values() if isinstance(one, type)}
    assert {one for one in made if one.__module__ == answers.__name__} == {a for a, _ in PAIRS}


OLDER_APPLIED = b'{"revision":3,"dry_run":false,"changes":[],"unchanged":0,"warnings":[]}'
OLDER_CHANGES = b"""{"revisions":[{"revision":3,"author":"ann","origin":"apply","made":1.0,"changes":[]}],
"next":null}"""


def test_what_an_older_collector_changed_is_read() -> None:
    """Its answer has no field of this version; an error would say that the change was not made."""
    assert msgspec.json.decode(OLDER_APPLIED, type=answers.Applied).based_on == 0
    assert msgspec.json.decode(OLDER_APPLIED, type=AppliedView).based_on == 0
    (revision,) = msgspec.json.decode(OLDER_CHANGES, type=answers.RevisionList).revisions
    assert revision.reason == ""
    (shown,) = msgspec.json.decode(OLDER_CHANGES, type=Changes).revisions
    assert shown.reason == ""


@pytest.mark.parametrize(("answer", "view"), PAIRS)
def test_every_field_is_sent(answer: type[msgspec.Struct], view: type[msgspec.Struct]) -> None:
    sent = {field.name: field for field in msgspec.structs.fields(view)}
    for field in msgspec.structs.fields(answer):
        assert field.name in sent
        if field.required:
            assert sent[field.name].required, f"{field.name} may be absent"
        else:
            assert not sent[field.name].required


@pytest.mark.parametrize(("answer", "view"), PAIRS)
def test_numbers_and_texts_have_the_same_types(
    answer: type[msgspec.Struct], view: type[msgspec.Struct]
) -> None:
    simple = {str, int, float, bytes, float | None, str | None, dict[str, str], list[str]}
    sent = get_type_hints(view)
    for name, kind in get_type_hints(answer).items():
        if kind in simple and sent[name] in simple:
            assert sent[name] == kind, name
