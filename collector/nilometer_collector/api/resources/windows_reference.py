"""References of stored windows."""

from typing import Annotated

import msgspec
from msgspec import Meta

from nilometer.compare import shortfalls
from nilometer.profile.reference import LEARNED
from nilometer.values.clock import NANOSECONDS
from nilometer.values.entity import NAME
from nilometer.values.labels import KEY, LabelFilter
from nilometer_collector.access.needs import Need
from nilometer_collector.api.authors import author_of
from nilometer_collector.api.body import read_json
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import LAST_SECONDS, Flag
from nilometer_collector.api.problems import ApiError
from nilometer_collector.api.resources.reference_version import ReferenceColumnView, columns_of
from nilometer_collector.api.resources.references import ReferenceView, StoredVersions
from nilometer_collector.declared.applying import By
from nilometer_collector.declared.arriving import add_reference, propose_reference
from nilometer_collector.limits.bounds import MAX_NAME_CHARACTERS, NO_CONTROL, PRINTABLE
from nilometer_collector.limits.moments import nanoseconds_of
from nilometer_collector.limits.references import (
    MAX_COLUMNS,
    MAX_REFERENCE_NAME_BYTES,
    check_reference,
)
from nilometer_collector.query.series_records import Selection
from nilometer_collector.store import Origin

MOST_CHARACTERS = MAX_REFERENCE_NAME_BYTES // 4  # longest name of a reference of windows
WEEK_SECONDS = 7 * 86_400
MOST_KEYS = 16  # most label keys of one request
MOST_VALUES = 64  # most values of one label key

_Moment = Annotated[float, Meta(ge=0, le=LAST_SECONDS)]
_NAME = f"^(?!{LEARNED}$){PRINTABLE}*$"  # the collector itself makes the learned reference
_Text = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARACTERS, pattern=NO_CONTROL)]
_Key = Annotated[str, Meta(pattern=f"^{KEY.pattern}$")]
_Value = Annotated[str, Meta(max_length=MAX_NAME_CHARACTERS, pattern=NO_CONTROL)]
_Values = Annotated[list[_Value], Meta(min_length=1, max_length=MOST_VALUES)]


class WindowsReferenceDefinition(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """The stored windows that become a reference."""

    entity: Annotated[str, Meta(pattern=f"^{NAME.pattern}$")]
    name: Annotated[str, Meta(min_length=1, max_length=MOST_CHARACTERS, pattern=_NAME)]
    end: _Moment | None = None  # end of the time, Unix seconds; default now
    seconds: Annotated[float, Meta(ge=1, le=LAST_SECONDS)] = WEEK_SECONDS  # length of the time
    summaries: Annotated[list[_Text], Meta(max_length=MAX_COLUMNS)] = []  # by default all features
    labels: Annotated[dict[_Key, _Values], Meta(max_length=MOST_KEYS)] = {}  # values by key
    current: bool = True  # whether agents get it; if not, it is a proposal until it is approved
    expires: _Moment | None = (
        None  # time from which nothing is compared with it; not for a proposal
    )


class WindowsReferenceView(msgspec.Struct, frozen=True, kw_only=True):
    """The reference of stored windows."""

    dry_run: bool
    reference: ReferenceView
    columns: list[ReferenceColumnView]
    warnings: list[str]  # columns that are too small to judge with, and summaries left out


DRY_RUN = Flag("dry_run", "Whether to compute the reference only, and to store nothing.")


async def make_reference(call: Call) -> WindowsReferenceView:
    """Compute a reference from stored windows, and store it as a version of its name.

    Raises:
        Forbidden: If the caller may not change or may not read the entity.
        Unknown: If the entity, a summary or a matching window does not exist.
        TooMuch: If too many samples match.
        Busy: If other long questions wait already.
    """
    asked = await read_json(call.request, WindowsReferenceDefinition)
    if asked.expires is not None and not asked.current:
        raise ApiError(422, "expires: a proposal gets its expiry when it is approved", "expires")
    call.access.require([asked.entity])
    call.access.for_need(Need.READ).require([asked.entity])
    context, by = call.context, By(author_of(call), Origin.API)
    dry_run = call.parameters.value(DRY_RUN) or False
    now_ns = context.clock.now_ns()
    end_ns = now_ns if asked.end is None else round(asked.end * NANOSECONDS)
    expires_ns = None if asked.expires is None else nanoseconds_of("expires", asked.expires)
    selection = Selection(
        entity=asked.entity,
        summaries=asked.summaries,
        labels=LabelFilter.of(
            (key, value) for key, values in asked.labels.items() for value in values
        ),
        start_ns=max(end_ns - round(asked.seconds * NANOSECONDS), 0),
        end_ns=end_ns,
    )

    def make() -> WindowsReferenceView:
        made = context.query.reference_of(selection, asked.name)
        reference = made.reference
        check_reference(reference)
        if not dry_run and asked.current:
            add_reference(context.store, reference, by, now_ns, expires_ns)
        elif not dry_run:
            propose_reference(context.store, reference, by, now_ns)
        return WindowsReferenceView(
            dry_run=dry_run,
            reference=StoredVersions(context.store.references, asked.entity).view(reference),
            columns=columns_of(reference),
            warnings=[*made.warnings, *shortfalls(reference)],
        )

    return await context.ask_slowly(make)


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/v1/references",
        name="makeReference",
        about="Compute a reference from stored windows, and store it as a version of its name.",
        handler=make_reference,
        answer=WindowsReferenceView,
        parameters=(DRY_RUN,),
        body=WindowsReferenceDefinition,
        errors=(400, 404, 413, 415, 422, 503),
    ),
)
