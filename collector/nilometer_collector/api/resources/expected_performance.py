"""Performance that stored scores let expect, where there is no ground truth yet."""

import msgspec

from nilometer.profile import ScoreProfile
from nilometer.profile.performance import CAVEAT, Classification, ExpectedPerformance
from nilometer.values.labels import LabelFilter
from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ENTITY, RequiredText, Time
from nilometer_collector.api.problems import ApiError
from nilometer_collector.api.resources.samples import END, LABEL, START, STEP
from nilometer_collector.contents.performance import MetricView, metric_view
from nilometer_collector.limits.bounds import LAST_NS
from nilometer_collector.query.query import Query
from nilometer_collector.query.records import SamplesQuestion

SCORES = RequiredText(
    "summary", "Name of the summary with the scores of the positive class, such as output.p.scores."
)
GROUND_TRUTH = RequiredText(
    "ground_truth", "Name of a summary of type classification, such as logged.quality."
)
REFERENCE_START = Time(
    "reference_start", "Unix seconds. The reference begins after this time.", default_ns=0
)
REFERENCE_END = Time(
    "reference_end", "Unix seconds. The reference ends before this time.", default_ns=LAST_NS
)


class ExpectedWindowView(msgspec.Struct, frozen=True, kw_only=True):
    """The expected performance of one window."""

    window_start: float
    window_end: float
    count: int  # scores in the window
    metrics: dict[str, MetricView]  # by name, the same names as in PerformanceView
    why: str  # reason why there is no estimate; else empty


class ExpectedPerformanceView(msgspec.Struct, frozen=True, kw_only=True):
    """A series of estimates, oldest window first."""

    entity: str
    summary: str
    ground_truth: str
    positive: str  # name of the positive class
    reference_rows: int  # rows with ground truth in the reference
    caveat: str  # what an estimate cannot show; show it beside every estimate
    windows: list[ExpectedWindowView]


async def read_expected_performance(call: Call) -> ExpectedPerformanceView:
    """Estimate the performance of a binary classifier from its stored scores.

    Raises:
        ApiError: If a summary has another type, or the reference no ground truth.
    """
    value, query = call.parameters.value, call.context.query
    labels = LabelFilter.of(value(LABEL))
    scores = SamplesQuestion(
        entity=value(ENTITY),
        summary=value(SCORES),
        labels=labels,
        start_ns=value(START),
        end_ns=value(END),
        step_ns=value(STEP),
    )
    reference = SamplesQuestion(
        entity=value(ENTITY),
        summary=value(GROUND_TRUTH),
        labels=labels,
        start_ns=value(REFERENCE_START),
        end_ns=value(REFERENCE_END),
    )
    return await call.context.ask(lambda: _view(query, scores, reference))


def _view(
    query: Query, scores: SamplesQuestion, reference: SamplesQuestion
) -> ExpectedPerformanceView:
    rows = query.content(reference)
    if not isinstance(rows, Classification) or rows.positive is None:
        raise ApiError(
            422,
            "ground_truth: has no scores of one positive class with their true classes",
            GROUND_TRUTH.name,
        )
    windows = []
    for one in query.samples(scores).samples:
        profile, window = one.sample.content, one.sample.window
        if not isinstance(profile, ScoreProfile):
            raise ApiError(422, "summary: has no scores", SCORES.name)
        metrics, why = _estimated(rows, profile)
        windows.append(
            ExpectedWindowView(
                window_start=seconds(window.start_ns),
                window_end=seconds(window.end_ns),
                count=profile.count,
                metrics=metrics,
                why=why,
            )
        )
    return ExpectedPerformanceView(
        entity=scores.entity,
        summary=scores.summary,
        ground_truth=reference.summary,
        positive=rows.positive,
        reference_rows=rows.count,
        caveat=CAVEAT,
        windows=windows,
    )


def _estimated(rows: Classification, profile: ScoreProfile) -> tuple[dict[str, MetricView], str]:
    try:
        expected = ExpectedPerformance.of(rows, profile)
    except ValueError as error:
        return {}, str(error)
    return {name: metric_view(one) for name, one in expected.estimates().items()}, ""


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/expected-performance",
        name="readExpectedPerformance",
        about="Estimate the performance of a binary classifier without ground truth.",
        handler=read_expected_performance,
        answer=ExpectedPerformanceView,
        parameters=(
            ENTITY,
            SCORES,
            GROUND_TRUTH,
            START,
            END,
            LABEL,
            STEP,
            REFERENCE_START,
            REFERENCE_END,
        ),
        errors=(403, 404, 422),
    ),
)
