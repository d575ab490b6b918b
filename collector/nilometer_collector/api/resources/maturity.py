"""How much ground truth has arrived, by window."""

from itertools import compress

import msgspec

from nilometer.profile.performance import Classification
from nilometer.values.labels import LabelFilter
from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ENTITY
from nilometer_collector.api.resources.samples import END, LABEL, START
from nilometer_collector.contents.performance import MetricView, metric_view
from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.ground_truth.lags import Lags, quantile, summed
from nilometer_collector.ground_truth.maturity import MOST_EARLIER, Maturity, maturity_of
from nilometer_collector.query.arrived_truth import ArrivedWindow, arrived_windows
from nilometer_collector.query.definitions import performance_of

LAG_QUANTILES = (0.5, 0.9, 0.99)


class MaturityWindow(msgspec.Struct, frozen=True, kw_only=True):
    """The ground truth of one window."""

    start: float
    end: float
    predictions: float | None  # all predictions; null if no profile of the output is stored
    labelled: int  # predictions with ground truth
    share: float | None  # share of the predictions with ground truth
    age: float  # seconds since the end of the window
    usual: float | None  # share that earlier windows had at this age; null with too few of them
    mature: bool  # whether enough ground truth has arrived to judge the window
    why: str  # reason why the window is not mature; empty if it is
    lags: dict[
        str, float
    ]  # quantiles of seconds from a prediction to its ground truth, such as p50
    score_distance: float | None  # of labelled from all scores, 0 to 1; null if not known
    value_per_row: MetricView | None  # by the declared values; null without them


class MaturityView(msgspec.Struct, frozen=True, kw_only=True):
    """How much ground truth has arrived, oldest window first."""

    entity: str
    step: int  # length of the windows in seconds
    lags: dict[str, float]  # quantiles over all windows
    value_unit: str
    windows: list[MaturityWindow]


async def read_maturity(call: Call) -> MaturityView:
    """Return how much ground truth has arrived.

    Raises:
        Conflict: If nobody has declared how the predictions are judged.
    """
    value, context = call.parameters.value, call.context
    entity, start_ns, end_ns = value(ENTITY), value(START), value(END)
    labels, now_ns = LabelFilter.of(value(LABEL)), context.clock.now_ns()

    def answer() -> MaturityView:
        definition = performance_of(context.store, entity)
        # Earlier windows tell what is usual, so that an answer does not depend on its start.
        first_ns = max(start_ns - MOST_EARLIER * definition.step_ns, 0)
        read = arrived_windows(context.store, context.query, definition, first_ns, end_ns, labels)
        judged = maturity_of([one.arrived for one in read], definition, now_ns)
        inside = [one.arrived.end_ns > start_ns for one in read]
        windows, found = [*compress(read, inside)], [*compress(judged, inside)]
        return MaturityView(
            entity=entity,
            step=definition.step_seconds,
            lags=_quantiles(summed(one.arrived.lags for one in windows)),
            value_unit=definition.value_unit,
            windows=[
                _view(one, maturity, definition)
                for one, maturity in zip(windows, found, strict=True)
            ],
        )

    return await context.ask(answer)


def _view(
    window: ArrivedWindow, maturity: Maturity, definition: PerformanceDefinition
) -> MaturityWindow:
    arrived, content = window.arrived, window.content
    worth = None
    if definition.values and isinstance(content, Classification):
        worth = definition.value_matrix.per_row(content)
    return MaturityWindow(
        start=seconds(arrived.start_ns),
        end=seconds(arrived.end_ns),
        predictions=arrived.predictions,
        labelled=arrived.labelled,
        share=arrived.share,
        age=maturity.age_seconds,
        usual=maturity.usual,
        mature=maturity.is_mature,
        why=maturity.why,
        lags=_quantiles(arrived.lags),
        score_distance=window.score_distance,
        value_per_row=None if worth is None else metric_view(worth),
    )


def _quantiles(lags: Lags) -> dict[str, float]:
    found = {f"p{100 * share:g}": quantile(lags, share) for share in LAG_QUANTILES}
    return {name: lag for name, lag in found.items() if lag is not None}


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/maturity",
        name="readMaturity",
        about="Read how much ground truth has arrived, by window of performance.",
        handler=read_maturity,
        answer=MaturityView,
        parameters=(ENTITY, START, END, LABEL),
        errors=(403, 404, 409, 422),
    ),
)
