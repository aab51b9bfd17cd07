"""``python -m tests.chaos.worker work notifications``: the services' own command, with what a test must see or shorten put in its place.

=================================  ==================================================================================================
TRIPARTITE_TEST_PROVIDER           where e-mail goes instead of into files: the address of a tests.chaos.provider.Provider
TRIPARTITE_TEST_POISON             the consumer of deadlines fails on placements whose id begins so
TRIPARTITE_TEST_HASTE              the patience with the broker (time-outs, heartbeats, pauses) is divided by this whole number
=================================  ==================================================================================================

Everything else is the code that runs in production.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from services.__main__ import main
from shared.events import PlacementUpdated
from shared.worker import Say, Worker


def send_through(address: str) -> None:
    """E-mail leaves through a provider that keeps a log."""
    from services.notifications import senders
    from services.notifications.senders.inbox import InboxSender
    from tests.chaos.provider import ProviderSender

    def senders_of(worker: Worker) -> Mapping[str, Any]:
        return {"inbox": InboxSender(worker.engine), "email": ProviderSender(address)}

    vars(senders)["senders_of"] = senders_of


def poison(beginning: str) -> None:
    """The consumer of deadlines fails on some placements."""
    from services.deadlines import consumers

    handle = consumers.CONSUMERS[PlacementUpdated]

    def handle_or_fail(known: Any, message: Any, now: datetime) -> Iterable[Say]:
        if message.data.placement_id.startswith(beginning):
            raise ZeroDivisionError(f"{message.data.placement_id} is poison")
        return handle(known, message, now)

    consumers.CONSUMERS[PlacementUpdated] = handle_or_fail  # type: ignore[index]  # a dict, read only for everybody else


def hasten(by: int) -> None:
    """Wait less for the broker, so that a test of what happens then takes seconds."""
    from shared import worker
    from shared.bus import consuming, publishing, rabbitmq

    for module, name, least in (
        (rabbitmq, "HEARTBEAT_SECONDS", 4),
        (rabbitmq, "CONNECT_SECONDS", 1),
        (rabbitmq, "ANSWER_SECONDS", 2),
        (publishing, "CONFIRM_SECONDS", 1),
        (consuming, "LONGEST_WAIT", 1),
        (worker, "LONGEST_WAIT", 1),
    ):
        vars(module)[name] = max(least, round(vars(module)[name] / by))


if __name__ == "__main__":
    everything = sys.argv[1] == "serve"
    if os.environ.get("TRIPARTITE_TEST_PROVIDER") and (everything or sys.argv[2] == "notifications"):
        send_through(os.environ["TRIPARTITE_TEST_PROVIDER"])
    if os.environ.get("TRIPARTITE_TEST_POISON") and (everything or sys.argv[2] == "deadlines"):
        poison(os.environ["TRIPARTITE_TEST_POISON"])
    if os.environ.get("TRIPARTITE_TEST_HASTE"):
        hasten(int(os.environ["TRIPARTITE_TEST_HASTE"]))
    main()
