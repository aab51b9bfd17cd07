"""Decision -> what is to be said of it. Pure. The deciding itself is the policy's, the same for all services (shared/rules)."""

from collections.abc import Iterable
from datetime import date

from shared.events import PostMoveDecided, ProcurementRouted
from shared.rules import Decision
from shared.worker import Say


def tells(policy: str, decision: Decision, subject: str) -> Iterable[Say]:
    """What a recorded decision gives rise to: nothing while it is undetermined.

    :param subject: what the decision is about, as the caller named it; the decision's own id where nothing was named.
    """
    if decision.outcome is None:
        return ()
    about, as_at = subject or decision.id, date.fromisoformat(decision.body["as_at"])
    if policy == "procurement-route":
        route = decision.outcome["route"]
        return [Say(ProcurementRouted(procurement_id=about, decision_id=decision.id, route=route, as_at=as_at))]
    if policy == "post-move":
        verdict = decision.outcome["verdict"]
        return [Say(PostMoveDecided(post_id=about, decision_id=decision.id, verdict=verdict, as_at=as_at))]
    return ()
