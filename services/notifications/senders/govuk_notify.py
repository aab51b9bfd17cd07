"""E-mail through GOV.UK Notify, with its own Python client. https://docs.notifications.service.gov.uk (read in November 2026)

* The template holds two placeholders, ``((subject))`` and ``((body))``: our templates are the wording, Notify's are the envelope. Both
  values are sanitised by Notify: what came from upstream makes no link and no heading.
* ``reference`` is the alert's. Notify does not make it unique: the same reference twice is two messages. So whoever is in doubt asks
  for it first (``GET /v2/notifications?reference=``). Notify knows a message for 7 days, unless the service chose otherwise.
* Answers: 201 sent; 400 refused for good (the address, the trial mode, a team-only key); 403 the key or the clock: the channel is away
  until somebody sees to it; 429 too fast (``RateLimitError``) or the day's number is used up (``TooManyRequestsError``): left alone for a
  while; 5xx or none: in doubt. By their status and error type, as Notify asks, but for 403, which has both kinds under one type.
* ``one_click_unsubscribe_url`` is for subscriptions. An alert is none: who is told is the policy's to say.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from services.notifications.models import Alert
from services.notifications.senders.outcomes import SENT, Outcome, Outcomes, doubt, refused
from shared.errors import ChannelAway

if TYPE_CHECKING:
    from notifications_python_client.errors import APIError
    from notifications_python_client.notifications import NotificationsAPIClient

OUR_FAULT = ("token", "clock", "api key")
"""Words in a 403 that mean us, not the message."""


@dataclass(frozen=True)
class NotifySender:
    """E-mail through GOV.UK Notify.

    :param templates: template ids by kind of alert; ``default`` serves the others.
    :param lease_seconds: an answer is waited for less long than that.
    """

    api_key: str = field(repr=False)
    url: str
    templates: Mapping[str, str]
    per_minute: int | None
    lease_seconds: float
    provider: ClassVar[str] = "notify"
    at_once: ClassVar[bool] = False
    remembers: ClassVar[timedelta] = timedelta(days=6)  # a day less than Notify keeps
    patience: ClassVar[timedelta] = timedelta(days=4)

    def send(self, alerts: Iterable[Alert], now: datetime) -> Outcomes:
        """Post each.

        :raises ChannelAway: Notify cannot be reached, does not know our key, or has enough for now.
        """
        from notifications_python_client.errors import APIError  # noqa: PLC0415 (large; only who uses it needs it)

        client = self._client()
        for alert in alerts:
            try:
                client.send_email_notification(  # type: ignore[no-untyped-call]
                    email_address=alert.address,
                    template_id=self.templates.get(alert.kind, self.templates["default"]),
                    personalisation={"subject": alert.subject, "body": alert.text},
                    reference=alert.alert_key,
                    sanitise_content_for=["subject", "body"],
                )
            except APIError as error:
                outcome, away = _meaning(error)
                if outcome is not None:
                    yield alert.alert_key, outcome
                if away is not None:
                    raise away from None  # the client's error holds the request, and that our token
            else:
                yield alert.alert_key, SENT

    def find(self, references: Collection[str]) -> set[str]:
        """Those that Notify knows of.

        :raises ChannelAway: it cannot be asked now.
        """
        from notifications_python_client.errors import APIError  # noqa: PLC0415

        client = self._client()
        try:
            return {reference for reference in references if self._knows(client, reference)}
        except (APIError, KeyError, TypeError) as error:
            raise ChannelAway(
                f"GOV.UK Notify cannot be asked what has left ({getattr(error, 'status_code', 'no usable answer')})."
            ) from None

    def _knows(self, client: "NotificationsAPIClient", reference: str) -> bool:
        return bool(client.get_all_notifications(reference=reference)["notifications"])  # type: ignore[no-untyped-call]

    def _client(self) -> "NotificationsAPIClient":
        from notifications_python_client.notifications import NotificationsAPIClient  # noqa: PLC0415

        connect, read = self.lease_seconds / 10, min(20.0, self.lease_seconds * 0.6)  # a host may have an address or two that are dead
        client = NotificationsAPIClient(self.api_key, base_url=self.url, timeout=(connect, read))  # type: ignore[no-untyped-call]
        client.request_session.max_redirects = 0
        return client


def _meaning(error: "APIError") -> tuple[Outcome | None, ChannelAway | None]:
    """What an error says of the alert (nothing: it has not left), and of the channel (nothing: it goes on)."""
    response, status, kind, words = error.response, error.status_code, *_said(error)
    if response is None and _never_left(error.__cause__):
        return None, ChannelAway(f"GOV.UK Notify cannot be reached ({type(error.__cause__).__name__}).")
    if status == 429:
        return None, ChannelAway(f"GOV.UK Notify takes no more for now (429 {kind}: {words}).", _retry_after(response, kind))
    if status == 401 or (status == 403 and (kind == "AuthError" or any(word in words.lower() for word in OUR_FAULT))):
        advice = "see TRIPARTITE_NOTIFY_API_KEY, and the clock of this machine"
        return None, ChannelAway(f"GOV.UK Notify does not let us in ({status} {words}); {advice}.", 300)
    if response is not None and 400 <= status < 500:
        return refused(f"GOV.UK Notify refused it: {status} {kind}: {words}"), None
    what = f"answered {status}" if response is not None else f"did not answer ({type(error.__cause__).__name__})"
    return doubt(f"GOV.UK Notify {what}; it is asked whether it has the message."), ChannelAway(f"GOV.UK Notify {what}.")


def _said(error: "APIError") -> tuple[str, str]:
    """The type and the message of Notify's error, as far as it has one."""
    found: Any = error.message
    first = found[0] if isinstance(found, list) and found and isinstance(found[0], Mapping) else {}
    return str(first.get("error", "no type"))[:100], str(first.get("message", found))[:500]


def _retry_after(response: Any, kind: str) -> float:
    given = response.headers.get("Retry-After", "")
    if given.isdecimal():
        return min(float(given), 86_400.0)
    return 900.0 if kind == "TooManyRequestsError" else 60.0  # a day's number, or a minute's


def _never_left(cause: BaseException | None) -> bool:
    """Whether a request failed before a byte of it was sent: no connection was made."""
    import requests  # noqa: PLC0415 (the client's own)
    from urllib3.exceptions import MaxRetryError, NewConnectionError  # noqa: PLC0415

    if isinstance(cause, requests.ConnectTimeout | requests.exceptions.SSLError):
        return True
    inner = cause.args[0] if isinstance(cause, requests.ConnectionError) and cause.args else None
    return isinstance(inner, MaxRetryError) and isinstance(inner.reason, NewConnectionError)
