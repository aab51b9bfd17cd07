"""Who sends what: one sender for each channel. ``delivery.py`` lets each alert leave once, ``leaving.py`` says which may leave at all.

A sender is two functions: ``send(alerts)`` pulls alerts one after the other, and says of each what became of it before it pulls the
next (``outcomes.py``); ``find(references)`` gives those that have left. What it pulls is on record as begun; what it did not pull has
not left. So a sender knows no clock and no lease: the alerts simply end when there is no time for more.

Where a channel stands, when its sender dies in the midst of one alert:

* ``files``, ``inbox``: they write under the alert's key. Even a sender that was thought dead and wakes up late makes no second message.
* ``notify``: the alert is looked up by its reference.
* ``webhook``: it is posted again under the same id, which the receiver must not count twice; that is its contract.
* ``smtp``: nobody can be asked. One alert, the one in hand, waits for a person.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from services.notifications.models import Alert
from services.notifications.senders.files import FileSender
from services.notifications.senders.govuk_notify import NotifySender
from services.notifications.senders.inbox import InboxSender
from services.notifications.senders.outcomes import Outcomes
from services.notifications.senders.smtp import SmtpSender
from services.notifications.senders.webhooks import WebhookSender
from shared.config import Config
from shared.worker import Worker


class Sender(Protocol):
    """What sends on one channel.

    ``provider`` is who carries its alerts; ``at_once`` says that it takes a batch whole, and that this is safe; ``per_minute`` is how many
    it may take (none: any number); ``remembers`` for how long ``find`` knows what has left (nothing: it cannot be asked); ``patience``
    for how long an alert is tried that is refused for now.
    """

    @property
    def provider(self) -> str: ...  # noqa: D102
    @property
    def at_once(self) -> bool: ...  # noqa: D102
    @property
    def per_minute(self) -> int | None: ...  # noqa: D102
    @property
    def remembers(self) -> timedelta: ...  # noqa: D102
    @property
    def patience(self) -> timedelta: ...  # noqa: D102

    def send(self, alerts: Iterable[Alert], now: datetime) -> Outcomes:
        """Send these, and say of each what became of it.

        :raises ChannelAway: the channel takes nothing for now; an alert that was pulled and not spoken of has not left.
        :raises Exception: anything else: the alert that was pulled and not spoken of may or may not have left.
        """

    def find(self, references: Collection[str]) -> set[str]:
        """Those that have left."""


def senders_of(worker: Worker) -> Mapping[str, Sender]:
    """The senders, by channel."""
    return {
        "inbox": InboxSender(worker.engine),
        "email": email_sender(worker.config),
        "webhook": WebhookSender(worker.config.webhook_secret, worker.config.webhook_per_minute, worker.config.webhook_private),
    }


def email_sender(config: Config) -> Sender:
    """How e-mail leaves (TRIPARTITE_EMAIL)."""
    if config.email == "smtp":
        return SmtpSender(config.smtp_url, config.email_from, config.email_per_minute or 600, config.lease_seconds)
    if config.email == "notify":
        templates = dict(config.notify_templates)
        rate = config.email_per_minute or 2000  # Notify takes 3000 requests a minute, and a look-up is one
        return NotifySender(config.notify_api_key, config.notify_url, templates, rate, config.lease_seconds)
    return FileSender(config.data / "alerts")
