"""What there is to say, from each event: to whom it may be said, and the values that a message shows. Pure.

Of milestones: milestones.py. Who is told, and who has heard it already, is said by decisions.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from services.notifications import edits
from services.notifications.contacts import Contacts, Party
from services.notifications.models import Placement, placement_of
from services.notifications.wording import changes, core, long_day, organisation, terms, words
from shared.events import (
    DeadlineEvent,
    DeadlineMissed,
    PlacementUpdated,
    PlacementWithdrawn,
    PostMoveDecided,
    ProcurementRouted,
    ResponsibilityAssigned,
)

IN_PLACEMENT = {"trainee": "trainee_id", "host": "host", "lead-employer": "lead_employer"}
"""The parties of a placement, and the field that says who each is."""


@dataclass(frozen=True)
class News:
    """Something to say. ``parties`` are those it may be said to, by role; ``content`` is what makes it different from other news.

    :param facts: what the policy is told beside the event.
    :param topic: parts several strands of news about one subject, each with its own last word.
    :param placement: the placement as it now is, if the news is about one; ``before`` as it was last told.
    :param unsettled: what changes it may be on its way: another edit, or evidence in the same load.
    """

    kind: str
    regarding: str
    parties: Mapping[str, Party]
    values: Mapping[str, Any]
    content: object
    facts: Mapping[str, str] = field(default_factory=dict)
    topic: str = ""
    placement: Placement | None = None
    before: Placement | None = None
    unsettled: bool = False


def placement_updated(was: Placement | None, event: PlacementUpdated, contacts: Contacts) -> list[News]:
    """A notice to those who have not heard of the placement, a change to those who have, a cancellation to those who leave it."""
    now = placement_of(event)
    if was is None or was.withdrawn:
        return [_placement_news("placement-notice", now, IN_PLACEMENT, contacts)]
    different = changes(was, now, contacts.called)
    if not different:
        return []
    moved = [role for role, name in IN_PLACEMENT.items() if getattr(was, name) != getattr(now, name)]
    stayed = [role for role in IN_PLACEMENT if role not in moved]
    said = [
        _placement_news("placement-cancelled", was, moved, contacts, reason="The placement was changed and no longer concerns you."),
        _placement_news("placement-notice", now, moved, contacts),
        _placement_news("placement-change", now, stayed, contacts, changes=different),
    ]
    return [replace(news, before=was, unsettled=True) for news in said if news.parties]


def placement_withdrawn(was: Placement | None, event: PlacementWithdrawn, contacts: Contacts) -> list[News]:
    """A cancellation to everyone who was told of the placement; nobody was, nobody is."""
    if was is None or was.withdrawn:
        return []
    return [_placement_news("placement-cancelled", was, IN_PLACEMENT, contacts, reason=event.reason)]


def _placement_news(kind: str, placement: Placement, roles: Iterable[str], contacts: Contacts, **more: Any) -> News:
    who = {role: getattr(placement, IN_PLACEMENT[role]) for role in roles}
    return News(
        kind=kind,
        regarding=placement.placement_id,
        parties={role: Party(person=id_) if role == "trainee" else Party(id_) for role, id_ in who.items()},
        values={
            **terms(placement, contacts.called),
            "placement_id": placement.placement_id,
            "placement": edits.as_told(placement),
            "start_on": placement.start_date.isoformat(),
            **more,
        },
        content=core(placement),
        placement=placement,
    )


def deadline_news(kind: str, event: DeadlineEvent, contacts: Contacts) -> News:
    """The owner's reminder, or that the day has passed."""
    names = {
        "host": event.host_name,
        "lead-employer": organisation(event.lead_employer),
        "national-body": "NHS England",
        "trainee": "the doctor",
    }
    caused_by = event.caused_by if isinstance(event, DeadlineMissed) else event.owner
    return News(
        kind=kind,
        regarding=event.deadline_id,
        parties={"host": Party(event.host), "lead-employer": Party(event.lead_employer), "national-body": Party()},
        values={
            "doctor": contacts.called(event.trainee_id),
            "duty": words(event.duty),
            "owner": event.owner,
            "owner_name": names[event.owner],
            "receiver": names[event.recipient],
            "host_name": event.host_name,
            "lead_employer": names["lead-employer"],
            "due": long_day(event.due),
            "due_on": event.due.isoformat(),
            "start": long_day(event.start_date),
            "caused_by": caused_by,
            "caused_by_name": names[caused_by],
            "placement_id": event.placement_id,
            "deadline_decision": event.decision_id,
        },
        content=event.due,
        facts={"duty": event.duty, "owner": event.owner},
        unsettled=True,
    )


def responsibility_assigned(event: ResponsibilityAssigned) -> list[News]:
    """One piece of news for each record of who must be told. Of the doctor it says the reference and nothing else."""
    parties = {
        "postgraduate-dean": Party(),
        "revalidation-team": Party(),
        "lead-employer": Party(event.lead_employer),
        "host": Party(event.host),
    }
    return [
        News(
            kind="responsibility-assigned",
            regarding=event.concern_id,
            parties=parties,
            values={
                "doctor_reference": event.doctor_reference,
                "told": record["who"],
                "by": words(record["by"]),
                "of": record["of"],
                "when": words(record["when"]),
                "how": words(record["how"]),
                "concern_decision": event.decision_id,
            },
            content=[record["who"], record["by"], record["of"], record["when"], record["how"]],
            facts={"named_party": record["who"]},
            topic=f"{record['who']}: {record['of']}",
        )
        for record in event.told
    ]


def procurement_routed(event: ProcurementRouted) -> News:
    """The route of a procurement."""
    values = {"procurement_id": event.procurement_id, "route": words(event.route), "as_at": long_day(event.as_at)}
    return News(
        kind="procurement-routed",
        regarding=event.procurement_id,
        parties={"commercial-team": Party()},
        values={**values, "route_decision": event.decision_id},
        content=[event.route, event.as_at],
    )


def post_move_decided(event: PostMoveDecided) -> News:
    """The decision on the move of a post."""
    values = {"post_id": event.post_id, "verdict": words(event.verdict), "as_at": long_day(event.as_at)}
    return News(
        kind="post-move-decided",
        regarding=event.post_id,
        parties={"postgraduate-dean": Party()},
        values={**values, "move_decision": event.decision_id},
        content=[event.verdict, event.as_at],
    )
