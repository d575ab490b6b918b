"""The profile of one monitored entity, label set and window: features, service, coverage."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from nilometer.profile.content import Content
from nilometer.profile.coverage import Coverage
from nilometer.profile.derived.text import is_prompt
from nilometer.profile.feature import FeatureSpec
from nilometer.profile.recorder import FeatureRecorder
from nilometer.profile.score import ScoreProfile
from nilometer.profile.service import ServiceProfile
from nilometer.profile.summary import SummarySample
from nilometer.values.entity import SERVICE
from nilometer.values.labels import Labels
from nilometer.values.window import Window

SpecOf = Callable[[str], FeatureSpec]  # function from a summary's name, such as input.amount


def default_spec(summary: str) -> FeatureSpec:
    """Return a spec for a feature of which nothing is known."""
    del summary
    return FeatureSpec()


def spec_for(spec_of: SpecOf, summary: str) -> FeatureSpec:
    """Return the spec of a feature; without a reference, a prompt's strings are not categories."""
    spec = spec_of(summary)
    if is_prompt(summary) and not (spec.expected or spec.dictionary):
        return replace(spec, categories=False)
    return spec


@dataclass(slots=True)
class Profile:
    """Everything that was measured in one window. Has one owner.

    Attributes:
        entity: Name of the monitored entity.
        labels: Labels of the measurements.
        window: Window of event time.
        features: Recorders of features by summary name.
        scores: Profiles of scores by summary name.
        service: Profile of the requests; None without requests (a table).
        coverage: Coverage of the observations.
        sample: Share of the observations that were profiled, if sampling left out the others.
    """

    entity: str
    labels: Labels
    window: Window
    features: dict[str, FeatureRecorder] = field(default_factory=dict)
    scores: dict[str, ScoreProfile] = field(default_factory=dict)
    service: ServiceProfile | None = None
    coverage: Coverage = field(default_factory=Coverage)
    sample: float = 1.0

    def feature(self, name: str, spec_of: SpecOf) -> FeatureRecorder:
        """Return the recorder of a column; creates it on first use."""
        profile = self.features.get(name)
        if profile is None:
            profile = self.features[name] = FeatureRecorder(spec_of(name))
        return profile

    def score(self, name: str, thresholds: tuple[float, ...]) -> ScoreProfile:
        """Return the scores of an output; creates them on first use."""
        return self.scores.setdefault(name, ScoreProfile(thresholds))

    def observe_service(self, service: ServiceProfile) -> None:
        """Add the requests of *service*."""
        self.service = service if self.service is None else self.service.merge(service)

    def cover(self, coverage: Coverage) -> None:
        """Add counts of observations."""
        self.coverage = self.coverage.merge(coverage)

    def samples(self) -> list[SummarySample]:
        """Return one sample per summary, ordered by name, with the service first."""
        return [sample for sample in self.samples_in_steps() if sample is not None]

    def samples_in_steps(self) -> Iterator[SummarySample | None]:
        """Yield the samples one by one, and None after each step of work."""
        if self.service is not None or self.coverage.seen:
            yield self._sample(SERVICE, self.service or ServiceProfile(), self.coverage)
        columns = self.coverage.of_predictions()
        for name, recorder in sorted(self.features.items()):
            yield self._sample(name, (yield from recorder.profile_in_steps()), columns)
        for name, scores in sorted(self.scores.items()):
            yield self._sample(name, scores, columns)

    def _sample(self, name: str, content: Content, coverage: Coverage) -> SummarySample:
        return SummarySample(
            entity=self.entity,
            summary=name,
            labels=self.labels,
            window=self.window,
            coverage=coverage,
            content=content,
            sample=self.sample,
        )
