"""Profiles: what the sketches of an entity, its labels and its windows add up to."""

from nilometer.profile.category import CategoryProfile, Dictionary, DictionaryCounts, pseudonym
from nilometer.profile.coverage import Coverage
from nilometer.profile.feature import FeatureProfile, FeatureRecorder, FeatureSpec
from nilometer.profile.numeric import Bounds, NumericProfile
from nilometer.profile.profile import Profile, SpecOf
from nilometer.profile.reference import Reference, ReferenceColumn
from nilometer.profile.score import ScoreProfile
from nilometer.profile.service import ServiceProfile, Streams
from nilometer.profile.summary import Content, SummarySample
from nilometer.values.reasons import DropReason, Outcome, UndecodableReason

__all__ = [
    "Bounds",
    "CategoryProfile",
    "Content",
    "Coverage",
    "Dictionary",
    "DictionaryCounts",
    "DropReason",
    "FeatureProfile",
    "FeatureRecorder",
    "FeatureSpec",
    "NumericProfile",
    "Outcome",
    "Profile",
    "Reference",
    "ReferenceColumn",
    "ScoreProfile",
    "ServiceProfile",
    "SpecOf",
    "Streams",
    "SummarySample",
    "UndecodableReason",
    "pseudonym",
]
