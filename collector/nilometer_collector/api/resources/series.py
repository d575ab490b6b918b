"""Many series of an entity: quantiles, histograms, moments, rates and comparisons."""

import re
from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import unquote

from nilometer.alert import STATISTICS
from nilometer.compare import COMPARATORS
from nilometer.values.labels import LabelFilter
from nilometer_collector.api.arrow import ARROW
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import (
    ENTITY,
    Count,
    LabelKeys,
    LabelPairs,
    Numbers,
    OneWord,
    Parameter,
    RequiredTexts,
    Schema,
    Step,
    Text,
    Words,
)
from nilometer_collector.api.points import SeriesPage, page_view
from nilometer_collector.api.resources.samples import END, LABEL, REFERENCE, START
from nilometer_collector.limits.bounds import LAST_NS
from nilometer_collector.query.series_records import (
    MAX_PAGE,
    Cursor,
    Measures,
    Other,
    Selection,
    SeriesQuestion,
)
from nilometer_collector.store import LEVELS

MAX_TOP = 1000
MOMENTS, RATES, COVERAGE, SAMPLE = "moments", "rates", "coverage", "sample"


class Place(Parameter[Cursor | None]):
    """The cursor of a page, from the page before; or None."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "pattern": "^[0-9]{1,19}:[A-Za-z0-9_.~%-]{0,4096}:[A-Za-z0-9_.~%-]{0,8192}$",
    }

    def read(self, texts: Sequence[str]) -> Cursor | None:
        """Return the cursor, or None."""
        if not texts:
            return None
        (text,) = texts
        if not re.fullmatch(str(self.schema["pattern"]), text):
            raise self.refused("must be the `next` of an answer")
        start, summary, labels = text.split(":")
        return Cursor(unquote(summary), unquote(labels), min(int(start), LAST_NS))


SUMMARIES = RequiredTexts(
    "summary", "Name of a summary, or a pattern such as input.*. May be repeated to add summaries."
)
NOT_LABEL = LabelPairs("not_label", "Label as key:value that a label set must not have.")
HAS_LABEL = LabelKeys("has_label", "Key of a label that a label set must have.")
LACKS_LABEL = LabelKeys("lacks_label", "Key of a label that a label set must not have.")
BY = LabelKeys("by", "Label key to group by. Each value is a series; other labels are merged.")
STEP = Step(
    "step",
    "Length in seconds of the windows to merge into; by default one window.",
)
QUANTILE = Numbers("quantile", "Quantile to return, 0 to 1.", 0.0, 1.0)
CDF = Numbers("cdf", "Number at which to return the share of values up to it.")
EDGE = Numbers("edge", "Edge of a histogram. A value equal to an edge is in the bin above it.")
TOP = Count("top", "Number of the most frequent categories to return.", 0, MAX_TOP)
STATISTIC = Words("statistic", "Statistic to return, as alerters name them.", lambda: STATISTICS)
SHOW = Words(
    "show",
    "moments: mean, deviation, skewness, kurtosis, extremes. rates: observations per second, and "
    "shares. coverage: what happened to the observations. sample: the merged sample with its "
    "sketches, as protobuf; a page then has at most 500 points.",
    lambda: (MOMENTS, RATES, COVERAGE, SAMPLE),
)
COMPARATOR = Words("comparator", "Distance to return; by default psi and ks.", lambda: COMPARATORS)
OTHER_ENTITY = Text("other_entity", "Entity to compare with.")
OTHER_LABEL = LabelPairs("other_label", "Label as key:value of the side to compare with.")
OTHER_NOT_LABEL = LabelPairs("other_not_label", "Label as key:value that the other side must lack.")
OTHER_EARLIER = Step("other_earlier", "Time shift of the other side into the past, in seconds.")
LEVEL = OneWord(
    "level",
    "Coarsest level to read; by default the coarsest that fits the step.",
    lambda: [level.value for level in LEVELS],
)
LIMIT = Count("limit", "Largest number of points in the answer.", 2000, MAX_PAGE)
AFTER = Place("after", "Value of `next` from the page before.")


def question_of(call: Call) -> SeriesQuestion:
    """Return the question in the parameters of *call*.

    Raises:
        Forbidden: If the caller may not read the entity to compare with.
    """
    value = call.parameters.value
    labels = LabelFilter.of(
        value(LABEL),
        denied=value(NOT_LABEL),
        present=value(HAS_LABEL),
        absent=value(LACKS_LABEL),
    )
    shown = value(SHOW)
    return SeriesQuestion(
        selection=Selection(
            entity=value(ENTITY),
            summaries=value(SUMMARIES),
            labels=labels,
            start_ns=value(START),
            end_ns=value(END),
        ),
        step_ns=value(STEP),
        by=value(BY),
        measures=Measures(
            quantiles=value(QUANTILE),
            cdf=value(CDF),
            edges=value(EDGE),
            top=value(TOP),
            statistics=value(STATISTIC),
            moments=MOMENTS in shown,
            rates=RATES in shown,
            coverage=COVERAGE in shown,
            sample=SAMPLE in shown,
        ),
        reference=value(REFERENCE),
        other=_other(call, labels),
        comparators=value(COMPARATOR),
        limit=value(LIMIT),
        after=value(AFTER),
        coarsest=next((level for level in LEVELS if level.value in value(LEVEL)), LEVELS[-1]),
    )


def _other(call: Call, labels: LabelFilter) -> Other | None:
    """Return the other side; what the request leaves out is the same as on this side."""
    value = call.parameters.value
    entity, earlier_ns = value(OTHER_ENTITY), value(OTHER_EARLIER)
    allowed, denied = value(OTHER_LABEL), value(OTHER_NOT_LABEL)
    if not (entity or earlier_ns or allowed or denied):
        return None
    if entity:
        call.access.require((entity,))
    if allowed or denied:
        labels = LabelFilter.of(allowed, denied=denied)
    return Other(entity=entity or value(ENTITY), labels=labels, earlier_ns=earlier_ns or 0)


async def read_series(call: Call) -> SeriesPage:
    """Read a page of many series."""
    query, question = call.context.query, question_of(call)
    return await call.context.ask(lambda: page_view(question, query.series(question)))


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/query",
        name="querySeries",
        about="Read many series of an entity: any quantile, histogram and rate of each window, and "
        "distances from a reference or another side.",
        handler=read_series,
        answer=SeriesPage,
        forms=(ARROW,),
        parameters=(
            ENTITY,
            SUMMARIES,
            START,
            END,
            LABEL,
            NOT_LABEL,
            HAS_LABEL,
            LACKS_LABEL,
            STEP,
            BY,
            QUANTILE,
            CDF,
            EDGE,
            TOP,
            STATISTIC,
            SHOW,
            REFERENCE,
            OTHER_ENTITY,
            OTHER_LABEL,
            OTHER_NOT_LABEL,
            OTHER_EARLIER,
            COMPARATOR,
            LEVEL,
            LIMIT,
            AFTER,
        ),
        errors=(404, 422),
    ),
)
