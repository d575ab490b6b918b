"""The registered content types by kind; `nilometer.kinds` adds the types of extensions."""

from nilometer.profile.content import Content
from nilometer.profile.feature import FeatureProfile
from nilometer.profile.score import ScoreProfile
from nilometer.profile.service import ServiceProfile

CONTENTS: dict[str, type[Content]] = {
    FeatureProfile.kind: FeatureProfile,
    ServiceProfile.kind: ServiceProfile,
    ScoreProfile.kind: ScoreProfile,
}
