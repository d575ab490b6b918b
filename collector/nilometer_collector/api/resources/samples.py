"""Samples of one summary over time, compared with a reference."""

import msgspec

from nilometer.compare import KS, PSI, Comparison, NotCompared
from nilometer.values.labels import LabelFilter
from nilometer_collector.api.coverage import CoverageView, coverage_view
from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import (
    ENTITY,
    Comparators,
    LabelPairs,
    RequiredText,
    Step,
    Text,
    Time,
)
from nilometer_collector.api.resources.references import ReferenceView, reference_view
from nilometer_collector.contents.bins import Bins, common_bins_of
from nilometer_collector.contents.extension import ExtensionView
from nilometer_collector.contents.feature import FeatureView, feature_view
from nilometer_collector.contents.logged import LoggedView
from nilometer_collector.contents.performance import PerformanceView
from nilometer_collector.contents.registered import shown_of
from nilometer_collector.contents.scores import ScoresView
from nilometer_collector.contents.service import ServiceView
from nilometer_collector.limits.bounds import LAST_NS
from nilometer_collector.query.records import ComparedSample, SamplesAnswer, SamplesQuestion

SUMMARY = RequiredText("summary", "Name of the summary, such as input.amount.")
START = Time("start", "Unix seconds. Windows must end after this time.", default_ns=0)
END = Time("end", "Unix seconds. Windows must start before this time.", default_ns=LAST_NS)
LABEL = LabelPairs(
    "label", "Label as key:value. Values of the same key are alternatives; all keys must match."
)
STEP = Step("step", "Merge shorter windows into aligned windows of this many seconds.")
REFERENCE = Text("reference", "Name of the reference to compare with.")
COMPARATOR = Comparators(
    "comparator", "Name of a comparator; by default psi and ks. Needs a reference."
)


class DistanceView(msgspec.Struct, frozen=True, kw_only=True):
    """A distance from the reference, in its comparator's unit, or the reason why it is undefined."""

    value: float | None
    noise: float | None  # expected distance without drift
    low: float | None  # low end of the 95 % confidence interval, if the comparator has one
    high: float | None
    reason: str  # undefined, or too_few values on one side; empty with a value
    why: str  # reason in words
    rebinned: bool  # whether the window was counted on other edges, and re-binned from its t-digest


class SampleView(msgspec.Struct, frozen=True, kw_only=True):
    """The merged samples of one summary and window that match the filter."""

    window_start: float
    window_end: float
    coverage: CoverageView
    feature: FeatureView | None
    service: ServiceView | None
    scores: ScoresView | None
    psi: float | None  # value of distances.psi
    ks: float | None  # value of distances.ks
    extension: ExtensionView | msgspec.UnsetType = (
        msgspec.UNSET
    )  # content of a type from another package
    logged: LoggedView | msgspec.UnsetType = msgspec.UNSET  # content that users log
    performance: PerformanceView | msgspec.UnsetType = (
        msgspec.UNSET
    )  # predictions judged by their ground truth
    distances: dict[str, DistanceView] | msgspec.UnsetType = msgspec.UNSET  # distance by comparator


class SamplesView(msgspec.Struct, frozen=True, kw_only=True):
    """A series, oldest window first, with its reference."""

    entity: str
    summary: str
    samples: list[SampleView]
    reference: ReferenceView | None


def samples_view(question: SamplesQuestion, answer: SamplesAnswer) -> SamplesView:
    """Return the *answer* to *question* as the API shows it, with all histograms on common bins."""
    bins = _bins(answer)
    reference = answer.reference
    feature = None if answer.column is None else feature_view(answer.column.feature, bins)
    return SamplesView(
        entity=question.entity,
        summary=question.summary,
        samples=[_sample_view(compared, bins) for compared in answer.samples],
        reference=None if reference is None else reference_view(reference, feature),
    )


async def read_samples(call: Call) -> SamplesView:
    """Read the samples of one summary."""
    parameters, query = call.parameters, call.context.query
    question = SamplesQuestion(
        entity=parameters.value(ENTITY),
        summary=parameters.value(SUMMARY),
        labels=LabelFilter.of(parameters.value(LABEL)),
        start_ns=parameters.value(START),
        end_ns=parameters.value(END),
        step_ns=parameters.value(STEP),
        reference=parameters.value(REFERENCE),
        comparators=parameters.value(COMPARATOR),
    )
    return await call.context.ask(lambda: samples_view(question, query.samples(question)))


def _bins(answer: SamplesAnswer) -> Bins | None:
    contents = [compared.sample.content for compared in answer.samples]
    shown = [(content, shown_of(content).binned) for content in contents]
    features = [binned(content) for content, binned in shown if binned is not None]
    if answer.column is None:
        return common_bins_of(features, ())
    return common_bins_of([*features, answer.column.feature], answer.column.edges)


def _sample_view(compared: ComparedSample, bins: Bins | None) -> SampleView:
    sample = compared.sample
    distances = {name: distance_view(one) for name, one in compared.distances.items()}
    view = SampleView(
        window_start=seconds(sample.window.start_ns),
        window_end=seconds(sample.window.end_ns),
        coverage=coverage_view(sample.coverage),
        feature=None,
        service=None,
        scores=None,
        psi=distances[PSI.name].value if PSI.name in distances else None,
        ks=distances[KS.name].value if KS.name in distances else None,
        distances=distances or msgspec.UNSET,
    )
    shown = shown_of(sample.content)
    content = shown.view(sample.content, sample.window, bins)
    return msgspec.structs.replace(view, **{shown.field: content})


def distance_view(found: Comparison | NotCompared) -> DistanceView:
    """Return a distance as the API shows it."""
    if isinstance(found, NotCompared):
        return DistanceView(
            value=None,
            noise=None,
            low=None,
            high=None,
            reason=found.reason.value,
            why=found.why,
            rebinned=False,
        )
    low, high = found.interval or (None, None)
    return DistanceView(
        value=found.value,
        noise=found.noise,
        low=low,
        high=high,
        reason="",
        why="",
        rebinned=found.rebinned,
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/samples",
        name="readSamples",
        about="Read one summary over time, merged over all matching samples, with its reference.",
        handler=read_samples,
        answer=SamplesView,
        parameters=(ENTITY, SUMMARY, START, END, LABEL, STEP, REFERENCE, COMPARATOR),
        errors=(404, 422),
    ),
)
