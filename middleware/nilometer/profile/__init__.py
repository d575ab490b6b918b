"""Profiles: what the sketches of an entity, its labels and its windows add up to."""

from nilometer.profile.coverage import Coverage
from nilometer.profile.feature import FeatureProfile, FeatureSpec, masked
from nilometer.profile.profile import Profile, SpecOf
from nilometer.profile.reference import Reference, ReferenceColumn
from nilometer.profile.service import ServiceProfile
from nilometer.profile.summary import Content, SummarySample
from nilometer.reasons import DropReason, Outcome, UndecodableReason

__all__ = [
    "Content",
    "Coverage",
    "DropReason",
    "FeatureProfile",
    "FeatureSpec",
    "Outcome",
    "Profile",
    "Reference",
    "ReferenceColumn",
    "ServiceProfile",
    "SpecOf",
    "SummarySample",
    "UndecodableReason",
    "masked",
]
