"""GOV.UK Notify: our wording under our reference, once; what it may or may not have taken is looked up before it is sent again."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.notifications.senders.delivery import deliver
from shared.worker import Worker
from tests.notifications.channels import ADDRESS, NOW, a_sender, alerts, channel, later, let_time_pass, said, states, waiting
from tests.providers import NotifyApi


@pytest.fixture
def by_notify(tmp_path: Path, api: NotifyApi) -> Iterator[Worker]:
    worker = waiting(a_sender(tmp_path, api.settings), 3)
    yield worker
    worker.close()


def test_notify_gets_our_wording_and_our_reference(by_notify: Worker, api: NotifyApi) -> None:
    deliver(by_notify, NOW)
    first = alerts(by_notify)[0]
    [post] = [post for post in api.posts if post.reference == first.alert_key]
    assert (post.to, post.subject, post.body, post.template) == (ADDRESS, first.subject, first.text, api.TEMPLATE)
    assert (states(by_notify), first.provider) == (["sent"] * 3, "notify")


@pytest.mark.parametrize("mode", ["429", "429-day", "403"])
def test_notify_that_takes_nothing_for_now_is_left_alone_and_no_attempt_counts(by_notify: Worker, api: NotifyApi, mode: str) -> None:
    api.fail(mode)
    deliver(by_notify, NOW)
    assert {(alert.status, alert.attempts, alert.tries) for alert in alerts(by_notify)} == {("pending", 0, 0)}
    assert deliver(by_notify, NOW) == 0
    assert mode[:3] in channel(by_notify).reason
    assert api.key not in channel(by_notify).reason
    api.fail("", 0)
    let_time_pass(by_notify)
    deliver(by_notify, NOW)
    assert set(api.log().values()) == {1}
    assert states(by_notify) == ["sent"] * 3


def test_a_retry_after_is_respected(by_notify: Worker, api: NotifyApi) -> None:
    api.retry_after = "7200"
    api.fail("429")
    deliver(by_notify, NOW)
    found = channel(by_notify)
    assert found.paused_until is not None
    assert found.paused_until - found.filled_at > timedelta(seconds=7100)


@pytest.mark.parametrize("mode", ["500", "503", "drop", "drop-unaccepted"])
def test_an_answer_that_says_nothing_is_looked_up_before_anything_is_sent_again(by_notify: Worker, api: NotifyApi, mode: str) -> None:
    api.fail(mode, times=1)
    deliver(by_notify, NOW)
    assert states(by_notify) == ["pending", "pending", "unknown"]
    assert deliver(by_notify, NOW) == 0, "Notify may take a moment to know what it has"
    for hours in (0.1, 1, 2):
        let_time_pass(by_notify)
        deliver(by_notify, later(hours))
    assert sum(api.asked.values()) == 1
    assert set(api.log().values()) == {1}
    assert states(by_notify) == ["sent"] * 3
    assert said(by_notify, "alert.sent") == 3


def test_notify_that_stays_away_loses_and_doubles_nothing(by_notify: Worker, api: NotifyApi) -> None:
    api.fail("500")
    for hours in range(12):
        let_time_pass(by_notify)
        deliver(by_notify, later(hours))
    assert set(states(by_notify)) <= {"pending", "unknown"}
    api.fail("", 0)
    for hours in (20, 25, 30):
        let_time_pass(by_notify)
        deliver(by_notify, later(hours))
    assert states(by_notify) == ["sent"] * 3
    assert set(api.log().values()) == {1}


def test_a_refusal_of_notify_is_for_good_in_its_words(by_notify: Worker, api: NotifyApi) -> None:
    api.refusals[ADDRESS] = "Can’t send to this recipient using a team-only API key"
    deliver(by_notify, NOW)
    assert states(by_notify) == ["failed"] * 3
    assert "400 ValidationError: Can’t send to this recipient using a team-only API key" in alerts(by_notify)[0].reason


def test_what_notify_may_have_forgotten_waits_for_a_person(by_notify: Worker, api: NotifyApi) -> None:
    api.fail("drop", times=1)
    deliver(by_notify, NOW)
    let_time_pass(by_notify)
    deliver(by_notify, NOW + timedelta(days=8))
    assert states(by_notify).count("needs-review") == 1
    assert api.asked == {}


def test_an_alert_in_doubt_is_not_looked_for_elsewhere_when_the_provider_was_changed(
    by_notify: Worker, api: NotifyApi, tmp_path: Path
) -> None:
    api.fail("drop", times=1)
    deliver(by_notify, NOW)
    by_files = a_sender(tmp_path, {})
    let_time_pass(by_files)
    deliver(by_files, NOW)
    assert states(by_files) == ["needs-review", "sent", "sent"]
    by_files.close()
