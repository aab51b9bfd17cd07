"""What a milestone that comes near or was missed means for whom. Pure, as news.py is; the policy says who is told."""

from services.notifications.contacts import Party
from services.notifications.news import News
from services.notifications.wording import long_day, organisation, words
from shared.events import MilestoneEvent

COUNTED = ("meetings", "reports")
"""What a body owes by number; the ids of such milestones say it before their revision."""
OWNERS = {
    "management-board": "the Management Board",
    "whoever-decides-on-the-extension": "whoever decides on the extension",
    "project-lead": "the project lead",
    "provider-hee-and-hosts": "the provider, NHS England and the hosts",
    "hee-and-lead-employer": "NHS England and the lead employer",
    "performance-and-contract-management-committee": "the Performance & Contract Management Committee",
    "operational-management-committee": "the Operational Management Committee",
    "host-meeting": "the lead employer and the host",
    "contract-manager": "the Contract Manager",
}
"""How a message calls those who owe a milestone."""


def milestone_news(kind: str, event: MilestoneEvent) -> News:
    """That a milestone comes near, or that its day has passed."""
    parties = {
        "lead-employer": Party(event.lead_employer),
        **dict.fromkeys(("national-body", "commercial-team", "postgraduate-dean"), Party()),
    }
    if event.host:
        parties["host"] = Party(event.host)
    return News(
        kind=kind,
        regarding=event.milestone_id,
        parties=parties,
        values={
            "milestone_id": event.milestone_id,
            "title": event.title,
            "lead_employer": organisation(event.lead_employer),
            "host_name": organisation(event.host),
            "owner_name": OWNERS.get(event.owner, words(event.owner)),
            "counted": next((counted for counted in COUNTED if event.milestone_id.rpartition("/")[0].endswith(f"/{counted}")), ""),
            "what": event.what,
            "detail": event.detail,
            "due": long_day(event.due),
            "due_on": event.due.isoformat(),
            "milestone_decision": event.decision_id,
        },
        content=event.due,
        facts={"milestone_owner": event.owner},
    )
