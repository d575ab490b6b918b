"""The registered content types by kind; `nilometer.kinds` adds the types of extensions."""

from nilometer.profile.content import Content
from nilometer.profile.feature import FeatureProfile
from nilometer.profile.logged.confusion_matrix import ConfusionMatrix
from nilometer.profile.logged.line import Line
from nilometer.profile.logged.matrix import Matrix
from nilometer.profile.logged.number import Number
from nilometer.profile.logged.table import Table
from nilometer.profile.logged.text import Text
from nilometer.profile.performance import Classification, Ranking, Regression, RowMetrics
from nilometer.profile.score import ScoreProfile
from nilometer.profile.service import ServiceProfile

CONTENTS: dict[str, type[Content]] = {
    FeatureProfile.kind: FeatureProfile,
    ServiceProfile.kind: ServiceProfile,
    ScoreProfile.kind: ScoreProfile,
    Number.kind: Number,
    Text.kind: Text,
    Table.kind: Table,
    Matrix.kind: Matrix,
    Line.kind: Line,
    ConfusionMatrix.kind: ConfusionMatrix,
    Classification.kind: Classification,
    Regression.kind: Regression,
    Ranking.kind: Ranking,
    RowMetrics.kind: RowMetrics,
}
