"""News in, alerts out. Pure: rows in memory, no session, no clock.

Read from the top:

1. :func:`who_is_told`, what the policy says of a piece of news (news.py);
2. :func:`alerts_of`, one alert for each party and channel, unless the last thing this party heard was just that.

Who a party is by what is known now is said by contacts.py, when an alert leaves by timing.py, how edits of a placement are joined by
edits.py, what need no longer be said by calling_back.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from services.notifications import edits
from services.notifications.calling_back import hold_back
from services.notifications.contacts import Contacts, Party, address
from services.notifications.letters import newest
from services.notifications.models import Alert
from services.notifications.news import News
from services.notifications.pace import joined_until
from services.notifications.timing import timed
from services.notifications.wording import reading_as
from shared.decisions import fingerprint, standing
from shared.errors import TripartiteError
from shared.policies import load_policies, load_sources
from shared.policies.facts import read_facts
from shared.policies.policy import Rule
from shared.rules import Decision

POLICY = "alert-contacts"


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
