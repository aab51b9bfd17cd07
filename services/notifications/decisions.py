"""What an event means for whom: events in, alerts out. Pure: rows in memory, no session, no clock.

Read from the top:

1. :class:`News`, what there is to say, from each event (:func:`placement_updated` … :func:`post_move_decided`);
2. :func:`who_is_told`, what the policy says of it;
3. :func:`alerts_of`, one alert for each party and channel, unless the last thing this party heard was just that;
4. :class:`Contacts` and :func:`address`, who that party is by what is known now.

When an alert leaves is said by timing.py, how edits of a placement are joined by edits.py, what need no longer be said by calling_back.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from services.notifications import edits
from services.notifications.calling_back import hold_back
from services.notifications.letters import newest
from services.notifications.mending import address_of, was_refused_elsewhere
from services.notifications.models import Alert, Placement, Preference, Recipient, placement_of
from services.notifications.pace import joined_until
from services.notifications.timing import timed
from services.notifications.wording import changes, core, long_day, organisation, reading_as, terms, words
from shared.decisions import fingerprint, standing
from shared.errors import TripartiteError
from shared.events import (
    DeadlineEvent,
    DeadlineMissed,
    PlacementUpdated,
    PlacementWithdrawn,
    PostMoveDecided,
    ProcurementRouted,
    ResponsibilityAssigned,
)
from shared.policies import load_policies, load_sources
from shared.policies.facts import read_facts
from shared.policies.policy import Rule
from shared.rules import Decision

POLICY = "alert-contacts"
ANY = ("", "any")
"""How events and the policy say that a contact serves any purpose."""
IN_PLACEMENT = {"trainee": "trainee_id", "host": "host", "lead-employer": "lead_employer"}
"""The parties of a placement, and the field that says who each is."""


@dataclass(frozen=True)
class Party:
    """Who stands in a role here: an organisation (none: the only one there is) or a person."""

    organisation: str = ""
    person: str = ""


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


class Contacts:
    """Whom one can reach, and how they want to be told.

    :param paced: False in a rehearsal, in which every alert is due at once and no edit waits for another.
    """

    def __init__(self, recipients: Iterable[Recipient], preferences: Iterable[Preference] = (), *, paced: bool = True) -> None:
        self.by_id = {recipient.recipient_id: recipient for recipient in recipients}
        self.preferences = {preference.recipient_id: preference for preference in preferences}
        self.paced = paced

    def find(self, role: str, party: Party, purpose: str) -> Recipient | None:
        """The contact of that party for that purpose, else its contact for any."""
        if role == "trainee" or party.person:
            person = self.by_id.get(party.person)
            return person if person and person.role == role else None
        fitting = [found for found in self.by_id.values() if found.role == role and party.organisation in ("", found.organisation)]
        suited = [found for found in fitting if found.purpose in (purpose, *ANY)]
        return min(suited, key=lambda found: (found.purpose in ANY, found.recipient_id), default=None)

    def called(self, trainee_id: str) -> str:
        """How a doctor is called in a message."""
        person = self.by_id.get(trainee_id)
        return f"{person.name}, person {trainee_id}" if person and person.role == "trainee" else f"person {trainee_id}"


# ---- what there is to say ----------------------------------------------------------------------------------------


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


# ---- who is told -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Telling:
    """One item of the policy's outcome, with the decision and the rule that it comes from, as a message quotes them."""

    role: str
    purpose: str
    channel: str
    why: Mapping[str, Any]


def who_is_told(news: News, day: date) -> tuple[Decision, Sequence[Telling]]:
    """The policy's decision, and what it lists."""
    return _who_is_told((("event", news.kind), *news.facts.items()), day)


@lru_cache(maxsize=4096)
def _who_is_told(facts: tuple[tuple[str, str], ...], day: date) -> tuple[Decision, Sequence[Telling]]:
    policy = load_policies("notifications")[POLICY]
    decision = standing(policy, read_facts(policy.facts, dict(facts), policy.name), day)
    if not (decision.outcome and decision.outcome["told"]):
        raise TripartiteError(f"{POLICY} names nobody for {dict(facts)} on {day}; an event must reach someone.")
    rules = {rule.id: rule for rule in policy.on(day).rules}
    listed: dict[Any, Telling] = {}
    for fired in decision.body["because"]:
        rule = rules[fired["rule"]]
        for item in rule.then["told"]:
            listed.setdefault(item, Telling(**dict(item), why=why(decision, rule)))
    return decision, tuple(listed.values())


def why(decision: Decision, rule: Rule) -> dict[str, Any]:
    """The decision and the rule behind a message, as it quotes them."""
    cite = rule.cite
    title = load_sources()[cite.source]["title"]
    quoted = {"source": cite.source, "document": title, "section": cite.section, "entry": cite.entry}
    return {"decision": decision.id, "rule": rule.id, "because": rule.because, **quoted}


# ---- alerts ------------------------------------------------------------------------------------------------------


def alerts_of(
    news: News, tellings: Iterable[Telling], contacts: Contacts, about: Sequence[Alert], now: datetime, day: date
) -> list[tuple[Alert, News]]:
    """The alerts to add, each with the news that it says: for a party that has heard less than others that may be another kind.

    :param about: the alerts there are about the same subject.
    :param day: the day in England, as at which the policy is asked.
    """
    added = []
    for telling in channelled(tellings, news, contacts):
        party = news.parties[telling.role]
        thread = [alert for alert in about if _in_thread(alert, news, telling, party)]
        instead_of: list[Alert] = []
        said: News | None = news
        if contacts.paced and news.placement is not None:
            instead_of = edits.replaced(thread)
            said = _still_to_say(news, thread or _on_other_channels(news, telling, party, about), contacts)
            if said is not None and said.kind == "placement-cancelled":
                for alert in thread:
                    hold_back(alert, "The placement was cancelled before this could be sent.")
        elif _was_last_told(news, thread):
            said = None
        if said is not None:
            number = 1 + max((alert.telling for alert in thread), default=0)
            alert = address(_alert(said, _same_telling(said, news, telling, day), party, number, now), contacts)
            wait = joined_until(now) if said.unsettled else now
            timed(alert, contacts.preferences.get(alert.recipient_id), now, paced=contacts.paced, not_before=wait)
            edits.keep_time(alert, instead_of, now)
            added.append((alert, said))
    return added


def channelled(tellings: Iterable[Telling], news: News, contacts: Contacts) -> Iterable[Telling]:
    """What is told to the parties there are; a contact with a webhook gets it there as well, or instead if it has no e-mail address."""
    for telling in tellings:
        party = news.parties.get(telling.role)
        if party is None:
            continue
        contact = contacts.find(telling.role, party, telling.purpose) if telling.channel == "email" else None
        if contact is None or contact.email or not contact.webhook:
            yield telling
        if contact is not None and contact.webhook:
            yield replace(telling, channel="webhook")


def _was_last_told(news: News, thread: Sequence[Alert]) -> bool:
    last = max((alert for alert in thread if alert.status != "withdrawn"), key=lambda alert: alert.telling, default=None)
    return last is not None and last.content == fingerprint(news.kind, news.content)


def _still_to_say(news: News, thread: Sequence[Alert], contacts: Contacts) -> News | None:
    assert news.placement is not None
    still = edits.still_to_say(news.kind, thread, news.before or news.placement, news.placement, contacts.called)
    return replace(news, kind=still.kind, values={**news.values, **still.values}) if still else None


def _same_telling(said: News, news: News, telling: Telling, day: date) -> Telling:
    """What the policy says of the same party and channel for what is said to it, where that is another kind of news."""
    if said.kind == news.kind:
        return telling
    _, others = who_is_told(said, day)
    whom = (telling.role, telling.purpose, telling.channel)
    return next((other for other in others if (other.role, other.purpose, other.channel) == whom), telling)


def _in_thread(alert: Alert, news: News, telling: Telling, party: Party) -> bool:
    return (alert.role, alert.organisation, alert.person, alert.purpose, alert.channel, alert.topic, alert.regarding) == (
        (telling.role, party.organisation, party.person, telling.purpose, telling.channel, news.topic, news.regarding)
    )


def _on_other_channels(news: News, telling: Telling, party: Party, about: Sequence[Alert]) -> list[Alert]:
    """What a party that hears of the end on a new channel was told on others; all other news is told there from the beginning."""
    if news.kind != "placement-cancelled":
        return []
    return [alert for alert in about if _in_thread(alert, news, replace(telling, channel=alert.channel), party)]


def _alert(news: News, telling: Telling, party: Party, number: int, now: datetime) -> Alert:
    content = fingerprint(news.kind, news.content)
    whom = (telling.role, party.organisation, party.person, telling.purpose, telling.channel)
    return Alert(
        alert_key=fingerprint(news.kind, news.regarding, *whom, news.topic, content, number),
        kind=news.kind,
        regarding=news.regarding,
        role=telling.role,
        organisation=party.organisation,
        purpose=telling.purpose,
        person=party.person,
        channel=telling.channel,
        template=newest(news.kind, telling.channel),
        values={**news.values, **telling.why, **reading_as(telling.role, telling.purpose, party.organisation)},
        topic=news.topic,
        content=content,
        telling=number,
        created_at=now,
        due_at=now,
    )


def address(alert: Alert, contacts: Contacts) -> Alert:
    """Say who the party is by what is known now: pending, or failed with what is to be mended."""
    contact = contacts.find(alert.role, Party(alert.organisation, alert.person), alert.purpose)
    alert.recipient_id = contact.recipient_id if contact else ""
    if contact and alert.channel == "email" and contact.webhook and not contact.email:
        alert.channel = "webhook"  # this contact came later, and is reached no other way
    alert.address = address_of(contact, alert.channel) if contact else ""
    alert.values = {**alert.values, "to": contact.name if contact else ""}
    alert.reason = "" if alert.address else _to_mend(alert)
    alert.status = "failed" if alert.reason else "pending"
    return alert


def _to_mend(alert: Alert) -> str:
    if alert.recipient_id and alert.channel == "webhook":
        return f"The contact {alert.recipient_id} has no webhook any more; send recipient.updated with one."
    if alert.recipient_id:
        return f"The contact {alert.recipient_id} has no e-mail address; send recipient.updated with one."
    if alert.person and alert.role != "trainee":
        return f"The contact {alert.person} is not known; send recipient.updated for it."
    if alert.role == "trainee":
        return f"The trainee {alert.person} is not known; send recipient.updated for this person."
    purpose = "" if alert.purpose == "any" else f" for {words(alert.purpose)}"
    where = f" of {alert.organisation}" if alert.organisation else ""
    return f"No {words(alert.role)} contact{where}{purpose} is known; send recipient.updated for it."


def waits_for(alert: Alert, recipient: Recipient) -> bool:
    """Whether an alert that has not left may be for this contact, or was for it and may be another's now."""
    if not (alert.status == "pending" or (alert.status == "failed" and not alert.address) or was_refused_elsewhere(alert, recipient)):
        return False
    if alert.recipient_id == recipient.recipient_id:
        return True
    if alert.role != recipient.role:
        return False
    return alert.person == recipient.recipient_id if alert.person else alert.organisation in ("", recipient.organisation)
