"""Facts -> deadlines. Pure: what is known of a placement (its file), what was heard, the day -> rows and events.

:class:`PlacementFile` is everything known of one placement. The functions below it are sentences: a placement was updated, was
withdrawn; a document was issued, or taken back; a deadline was waived; the clock struck. Each changes the file in memory and returns what
is to be said. What they ask stands beside: duties.py (the policy), evidence.py (which document met a deadline, where it stands),
waivers.py, lateness.py (whose lateness it was), history.py (what was known on a past day).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from operator import itemgetter
from typing import Any

from services.deadlines import waivers
from services.deadlines.duties import Duty, can_be_asked, placement_duties
from services.deadlines.evidence import BY_SITE, Standing, evidence, fits, standing
from services.deadlines.lateness import lateness_chain
from services.deadlines.models import AsHeard, Deadline, Document, Placement, PlacementVersion, Waiver
from shared.errors import UnknownResource
from shared.event_data import filled, names_of
from shared.events import (
    DeadlineApproaching,
    DeadlineEvent,
    DeadlineMet,
    DeadlineMissed,
    DeadlineSet,
    DeadlineWaived,
    DeadlineWithdrawn,
    DocumentIssued,
    PlacementUpdated,
    PlacementWithdrawn,
)
from shared.rules import Decision
from shared.worker import Say, today
from shared.writing import new, row_of

COPIED = ("placement_id", "host", "host_name", "lead_employer", "trainee_id", "start_date")
"""What a deadline has from its placement, as it was when the deadline was set."""
TOLD = names_of(DeadlineEvent)
"""What every event tells of its deadline."""
_what_is_told = itemgetter(*TOLD)


@dataclass
class PlacementFile:
    """Everything known of one placement: itself, its deadlines in every revision, documents, waivers, and decisions taken for it.

    ``versions`` are those that it has left behind; they are read only to look back (history.py), or if it goes to another host. ``left``
    is how it was when it left a host in this batch, by the host: it need not be a version, and is not written.
    """

    placement: Placement | None = None
    deadlines: list[Deadline] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    waivers: list[Waiver] = field(default_factory=list)
    versions: list[PlacementVersion] = field(default_factory=list)
    left: dict[str, PlacementVersion] = field(default_factory=dict)

    def rows(self) -> list[Any]:
        """Every row of the file."""
        placement = [] if self.placement is None else [self.placement]
        return [*placement, *self.deadlines, *self.documents, *self.waivers, *self.versions]

    def in_force(self) -> list[Deadline]:
        """The deadlines of the revision in force."""
        return [deadline for deadline in self.deadlines if deadline.counts]


# ---- a placement was updated, or withdrawn -------------------------------------------------------------------------


def placement_updated(file: PlacementFile, event: PlacementUpdated, said_on: date, now: datetime, day: date) -> list[Say]:
    """Take in the placement as it now is; end the deadlines that no longer fit, set those that are new, keep the rest.

    A placement that is over when it is first heard of (a first load of years past) sets none, nor does one whose start the policy states
    nothing of: both are known, and without duties.

    :param said_on: the day on which upstream said so.
    """
    site_before = file.placement.site if file.placement is not None and _moved(file.placement, event) else ""
    placement = file.placement = _as_heard(file, event, said_on, now)
    duties, decision_id = _duties(file, event, day)
    said: list[Say] = []
    for deadline in file.in_force():
        duty = duties.get(deadline.rule)
        moved = bool(site_before) and deadline.duty in BY_SITE
        if duty is not None and _still_fits(deadline, duty, placement) and not moved:
            del duties[deadline.rule]
        else:
            said += _withdraw(deadline, _what_changed(deadline, placement, site_before if moved else ""), day)
    return said + _set(file, duties.values(), decision_id, day)


def _duties(file: PlacementFile, event: PlacementUpdated, day: date) -> tuple[dict[str, Duty], str]:
    """The duties of a placement by their rules, and the id of their decision; the policy is asked only where it has an answer."""
    over = event.end_date < day and not file.deadlines
    if over or not can_be_asked(event.start_date):
        return {}, ""
    decision, concluded = placement_duties(event, day)
    file.decisions.append(decision)
    return {duty.rule: duty for duty in concluded}, decision.id


def placement_withdrawn(file: PlacementFile, event: PlacementWithdrawn, now: datetime, day: date) -> list[Say]:
    """End every deadline; on which day those that were met were met stays on record."""
    if file.placement is None:
        return []
    _renew(file, file.placement, {"withdrawn": event.reason}, now)
    reason = f"the placement was withdrawn: {event.reason}"
    return [saying for deadline in file.in_force() for saying in _withdraw(deadline, reason, day)]


def _as_heard(file: PlacementFile, event: PlacementUpdated, said_on: date, now: datetime) -> Placement:
    heard, known = dict(vars(event)), file.placement
    if known is None:
        return new(Placement)(**heard, heard_at=now)
    if known.trainee_id != event.trainee_id:
        heard["doctor_since"] = said_on
    heard["site_since"] = _site_since(file, known, event, said_on)
    if known.host != event.host:
        file.left[known.host] = _version(known, now)
    _renew(file, known, {**heard, "withdrawn": None}, now)
    return known


def _site_since(file: PlacementFile, known: Placement, event: PlacementUpdated, said_on: date) -> date | None:
    """The day from which what was issued by its host is of its site. Back at a host, it is the site where it last was there that counts."""
    there = [version for version in file.versions if version.host == event.host]
    left = file.left.get(event.host) or max(there, key=lambda version: version.replaced_at, default=None)
    before = known if known.host == event.host else left
    if before is None:
        return None
    return said_on if _is_another_site(before, event) else before.site_since


def _moved(known: Placement, event: PlacementUpdated) -> bool:
    """Whether a placement goes to another site of the same host. Documents of another host never count."""
    return known.host == event.host and _is_another_site(known, event)


def _is_another_site(known: AsHeard, event: PlacementUpdated) -> bool:
    """Whether a site is another than the one that was known of the same host.

    Another spelling is no other site, nor is its code for one that was known by name, or its name for its code. A site that becomes
    known is where the placement was all along.
    """
    before, after = _spelt(known.site), _spelt(event.site)
    by_name = before == _spelt(event.site_name) or (after != "" and after == _spelt(known.site_name))
    return before not in ("", after) and not by_name


def _spelt(site: str) -> str:
    return " ".join(site.casefold().split())


def _renew(file: PlacementFile, placement: Placement, heard: dict[str, Any], now: datetime) -> None:
    """Take over what was heard; if it is new, what was known before is kept as a version, unless it was heard at this very moment."""
    if all(getattr(placement, name) == value for name, value in heard.items()):
        return
    if placement.heard_at < now:
        file.versions.append(_version(placement, now))
    for name, value in {**heard, "heard_at": now, "changes": placement.changes + 1}.items():
        setattr(placement, name, value)


def _version(placement: Placement, now: datetime) -> PlacementVersion:
    """The placement as it is until now."""
    known = {name: getattr(placement, name) for name in names_of(AsHeard)}
    return new(PlacementVersion)(**known, replaced_at=now)


def _still_fits(deadline: Deadline, duty: Duty, placement: Placement) -> bool:
    wanted = (duty.due, duty.owner, placement.host, placement.lead_employer, placement.start_date, placement.trainee_id)
    found = (deadline.due, deadline.owner, deadline.host, deadline.lead_employer, deadline.start_date, deadline.trainee_id)
    return found == wanted


def _what_changed(deadline: Deadline, placement: Placement, site_before: str) -> str:
    if deadline.start_date != placement.start_date:
        return f"the start moved from {deadline.start_date} to {placement.start_date}"
    if deadline.host != placement.host:
        return f"the host changed from {deadline.host} to {placement.host}"
    if site_before:
        return f"the site changed from {site_before} to {placement.site.strip() or 'one that is not known'}"
    if deadline.lead_employer != placement.lead_employer:
        return f"the lead employer changed from {deadline.lead_employer} to {placement.lead_employer}"
    if deadline.trainee_id != placement.trainee_id:
        return "another doctor takes the placement"
    return f"a placement of type {placement.placement_type} that ends on {placement.end_date} has no such duty, or another due day"


def _set(file: PlacementFile, duties: Iterable[Duty], decision_id: str, day: date) -> list[Say]:
    placement = vars(file.placement)
    copied = {name: placement[name] for name in COPIED}
    revisions = {deadline.rule: deadline.revision for deadline in file.deadlines}  # they lie in their order: the last one stands
    said: list[Say] = []
    for duty in duties:
        revision = revisions.get(duty.rule, 0) + 1
        its_own = {"deadline_id": f"{copied['placement_id']}/{duty.rule}/{revision}", "revision": revision}
        deadline = row_of(Deadline, {**copied, **vars(duty), **its_own, "decision_id": decision_id, "set_on": day})
        file.deadlines.append(deadline)
        said += (Say(_event(DeadlineSet, deadline), deadline.version), *_settle(file, deadline, day))
    return said


def _withdraw(deadline: Deadline, reason: str, day: date) -> list[Say]:
    _advance(deadline, Standing("withdrawn", deadline.issued_on))
    deadline.withdrawn_on, deadline.reason = day, reason
    return [Say(_event(DeadlineWithdrawn, deadline, reason=reason), deadline.version)]


# ---- a document was issued, or taken back --------------------------------------------------------------------------


def document_issued(file: PlacementFile, event: DocumentIssued, source: str, said_at: datetime, now: datetime) -> list[Say]:
    """Keep the document as evidence, and let it meet the deadline it belongs to. The same one again is no news, even once withdrawn.

    :param source: who sent the event, and so recorded the document, if it does not say who did.
    :param said_at: when the event says that this was recorded.
    """
    if any(document.document_id == event.document_id for document in file.documents):
        return []
    told = {**vars(event), "recorded_by": event.recorded_by or source}
    file.documents.append(new(Document)(**told, recorded_at=said_at, heard_at=now))
    return [saying for deadline in file.in_force() for saying in _settle(file, deadline, today(now))]


def document_withdrawn(file: PlacementFile, document_id: str, by: str, reason: str, now: datetime) -> list[Say]:
    """Take back a document that was recorded by mistake. Another may meet its deadline; else it is due, or missed, again.

    It stays in the history under its id: what really went out is recorded under an id of its own.

    :raises UnknownResource: there is none of that id that has not been taken back already.
    """
    known = [document for document in file.documents if document.document_id == document_id and document.withdrawn_at is None]
    if not known:
        raise UnknownResource(f"No document {document_id} of this placement is on record, or it was withdrawn before.")
    known[0].withdrawn_at, known[0].withdrawn_by, known[0].withdrawn_because = now, by, reason
    return [saying for deadline in file.in_force() for saying in _settle(file, deadline, today(now))]


def deadline_of(file: PlacementFile, document_id: str) -> Deadline | None:
    """The deadline that a document belongs to, in the last revision that it fits; None if it belongs to none, or is not on record."""
    known = [document for document in file.documents if document.document_id == document_id]
    fitting = [deadline for deadline in file.deadlines for document in known if fits(document, deadline)]
    return fitting[-1] if fitting else None


def _settle(file: PlacementFile, deadline: Deadline, day: date) -> list[Say]:
    """Say where a deadline stands, if the evidence for it has changed: met by the earliest document that fits it, or no longer."""
    document = evidence(file, deadline) if file.documents else None
    if deadline.issued_on == (document and document.issued_on):
        return []
    return _stand(file, deadline, standing(file, deadline, day), day)


# ---- a deadline was waived, the clock struck -----------------------------------------------------------------------


def deadline_waived(file: PlacementFile, deadline: Deadline, wish: waivers.Wish, until: date, now: datetime) -> list[Say]:
    """Let a deadline rest until a day, that day included.

    :raises NotAsThingsStand: it makes no sense (waivers.py).
    """
    waivers.give(file, deadline, wish, until, now)
    return _stand(file, deadline, standing(file, deadline, today(now)), today(now))


def waiver_ended(file: PlacementFile, deadline: Deadline, wish: waivers.Wish, now: datetime) -> list[Say]:
    """End the waiver of a deadline today; from now on the ordinary rules hold. Nothing is said if it was met meanwhile, and still is.

    :raises NotAsThingsStand: no waiver is in force.
    """
    waivers.end(file, deadline, wish, now)
    stands = standing(file, deadline, today(now))
    if (stands.state, stands.issued_on) == (deadline.state, deadline.issued_on):
        _advance(deadline, stands)  # who read it with its waiver has read another state
        return []
    return _stand(file, deadline, stands, today(now))


def clock_struck(file: PlacementFile, deadline: Deadline, day: date) -> list[Say]:
    """A deadline whose day has come: missed, if the due day is over; approaching, if nothing has been issued yet; waived no longer."""
    now = standing(file, deadline, day)
    if now.state == deadline.state:
        deadline.next_on = now.next_on
        return []
    return _stand(file, deadline, now, day)


def _stand(file: PlacementFile, deadline: Deadline, now: Standing, day: date) -> list[Say]:
    _advance(deadline, now)
    return [Say(_news(file, deadline, day), deadline.version)]


def _advance(deadline: Deadline, now: Standing) -> None:
    deadline.state, deadline.issued_on, deadline.next_on, deadline.version = now.state, now.issued_on, now.next_on, deadline.version + 1


def _news(file: PlacementFile, deadline: Deadline, day: date) -> DeadlineEvent:
    """What is said of a deadline that has just come to stand where it stands."""
    if deadline.state == "missed":
        return _event(DeadlineMissed, deadline, caused_by=lateness_chain(file, deadline)[0].owner)
    if deadline.state == "waived":
        waiver = waivers.in_force(file, deadline, day)
        assert waiver is not None
        return _event(DeadlineWaived, deadline, waived_by=waiver.waived_by, reason=waiver.reason, until=waiver.until)
    if deadline.issued_on is not None:
        return _event(DeadlineMet, deadline, issued_on=deadline.issued_on, days_late=deadline.days_late)
    if deadline.state == "approaching":
        return _event(DeadlineApproaching, deadline)
    return _event(DeadlineSet, deadline)


def _event(kind: type[DeadlineEvent], deadline: Deadline, **more: Any) -> DeadlineEvent:
    return filled(kind, dict(zip(TOLD, _what_is_told(vars(deadline)), strict=True), **more))
