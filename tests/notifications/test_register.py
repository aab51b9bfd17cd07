"""Over HTTP: the register of contacts, what they have chosen, what is to be mended, and who has seen what."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from services.notifications.app import SERVICE, create_app
from shared.bus.embedded import forget_embedded_queues
from shared.config import Config
from shared.worker import Worker
from tests.helpers import Clock, a_placement, a_recipient
from tests.notifications.house import DAY, DEADLINE, HOST, MISSED, SCHEDULES, SECOND, House, arrivals

CONTACT = {"role": "host", "organisation": "RXN", "purpose": "pay", "name": "Pay (invented)", "email": "pay@example.org", "by": "Ada"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    forget_embedded_queues()
    clock = Clock(DAY)
    worker = Worker(SERVICE, Config(data=tmp_path, public_url="https://t.example.org/", link_secret="s" * 32), clock)
    yield House(worker, clock)
    worker.close()


@pytest.fixture
def client(house: House) -> FlaskClient:
    return create_app(house.worker).test_client()


def etag(client: FlaskClient, path: str) -> dict[str, str]:
    return {"If-Match": client.get(path).headers["ETag"]}


# ---- contacts ----------------------------------------------------------------------------------------------------


def test_contacts_are_found_by_organisation_purpose_and_role(house: House, client: FlaskClient) -> None:
    house.hear(HOST, SECOND, SCHEDULES, a_recipient())

    def found(query: str) -> list[str]:
        return [item["recipient_id"] for item in client.get(f"/notifications/recipients?{query}").get_json()["items"]]

    assert found("organisation=RXN&purpose=work-schedules") == ["schedules"]
    assert found("organisation=RXN") == ["host", "schedules", "second"]
    assert found("role=trainee") == ["t1"]
    assert found("role=trainee&organisation=RXN") == []


def test_a_contact_is_kept_by_hand_with_who_did_it(client: FlaskClient) -> None:
    made = client.put("/notifications/recipients/pay", json=CONTACT)
    assert made.status_code == 201, made.get_json()
    assert made.get_json()["changed_by"] == "urn:tripartite:register:Ada"
    kept = client.put(
        "/notifications/recipients/pay",
        json={**CONTACT, "by": "Bo", "email": "new@example.org"},
        headers={"If-Match": made.headers["ETag"]},
    )
    assert (kept.status_code, kept.get_json()["email"]) == (200, "new@example.org")
    again = client.put("/notifications/recipients/pay", json=CONTACT, headers={"If-Match": kept.headers["ETag"]})
    assert (again.status_code, again.get_json()["email"]) == (200, "pay@example.org"), "changed back in the same moment"
    assert client.get("/notifications/recipients/pay").headers["ETag"] == again.headers["ETag"]


def test_nobody_overwrites_what_he_has_not_seen(client: FlaskClient) -> None:
    first = client.put("/notifications/recipients/pay", json=CONTACT)
    assert client.put("/notifications/recipients/pay", json=CONTACT).status_code == 428
    client.put("/notifications/recipients/pay", json={**CONTACT, "name": "Other"}, headers={"If-Match": first.headers["ETag"]})
    assert client.put("/notifications/recipients/pay", json=CONTACT, headers={"If-Match": first.headers["ETag"]}).status_code == 412
    assert client.put("/notifications/recipients/new", json=CONTACT, headers={"If-Match": '"x"'}).status_code == 412


def test_a_contact_is_held_to_what_upstream_is_held_to(client: FlaskClient) -> None:
    refused = client.put("/notifications/recipients/pay", json={"role": "boss", "email": "no address", "colour": "red"})
    assert refused.status_code == 422
    assert {problem["pointer"] for problem in refused.get_json()["errors"]} >= {"#/role", "#/by", "#/colour", "#/organisation"}
    bad_address = client.put("/notifications/recipients/pay", json={**CONTACT, "email": "no address"})
    assert [problem["pointer"] for problem in bad_address.get_json()["errors"]] == ["#/email"]
    assert client.get("/notifications/recipients/pay").status_code == 404


def test_the_newer_wins_whether_a_person_or_upstream_says_it(house: House, client: FlaskClient) -> None:
    house.hear(HOST)
    house.clock.now += timedelta(hours=1)
    body = {**CONTACT, "purpose": "placements", "email": "by-hand@example.org"}
    kept = client.put("/notifications/recipients/host", json=body, headers=etag(client, "/notifications/recipients/host"))
    assert kept.status_code == 200
    house.clock.now -= timedelta(minutes=30)
    house.hear(a_recipient("host", role="host", organisation="RXN", purpose="placements", email="stale@example.org"))
    assert client.get("/notifications/recipients/host").get_json()["email"] == "by-hand@example.org"
    house.clock.now += timedelta(hours=1)
    house.hear(a_recipient("host", role="host", organisation="RXN", purpose="placements", email="newer@example.org"))
    assert client.get("/notifications/recipients/host").get_json()["email"] == "newer@example.org"
    house.clock.now -= timedelta(days=1)
    assert (
        client.put("/notifications/recipients/host", json=body, headers=etag(client, "/notifications/recipients/host")).status_code == 412
    )


def test_a_missing_address_is_seen_and_mended_and_the_alert_goes_out_with_its_first_date(house: House, client: FlaskClient) -> None:
    house.hear(*arrivals(1))
    to_mend = client.get("/notifications/alerts?status=failed&to_mend=true").get_json()["items"]
    assert {item["reason"] for item in to_mend} >= {"No host contact of RXN for placements is known; send recipient.updated for it."}
    house.clock.now += timedelta(days=3)
    client.put("/notifications/recipients/host", json={**CONTACT, "purpose": "placements"})
    house.live(days=1)
    [mail] = house.mails()
    assert "This message was first due on Thursday 6 May 2027; we could not reach you then." in mail
    left = client.get("/notifications/alerts?status=failed&to_mend=true").get_json()["items"]
    assert "host" not in {item["role"] for item in left}


# ---- preferences -------------------------------------------------------------------------------------------------

CHOICES = "/notifications/recipients/host/preferences"


def test_somebody_chooses_a_pace_and_what_waits_is_timed_anew(house: House, client: FlaskClient) -> None:
    house.hear(HOST, *arrivals(2))
    house.live(minutes=5)
    assert house.mails() == []
    chosen = {"kinds": {"placement-notice": "immediate"}, "by": "Ada"}
    kept = client.put(CHOICES, json=chosen, headers=etag(client, CHOICES))
    assert kept.status_code == 200, kept.get_json()
    assert kept.get_json()["kinds"]["placement-notice"]["pace"] == "immediate"
    assert kept.get_json()["changed_by"] == "Ada"
    house.live()
    assert len(house.mails()) == 2


def test_what_is_statutory_cannot_be_switched_off_and_the_answer_says_why(house: House, client: FlaskClient) -> None:
    house.hear(HOST)
    off = {"kinds": {"placement-notice": "off", "deadline-approaching": "off"}, "by": "Ada"}
    refused = client.put(CHOICES, json=off, headers=etag(client, CHOICES))
    assert refused.status_code == 422
    [problem] = refused.get_json()["errors"]
    assert problem["pointer"] == "#/kinds/placement-notice"
    assert "cannot be switched off. The host must be told" in problem["detail"]
    assert "TOOLKIT" in problem["detail"]
    reminders = client.put(CHOICES, json={"kinds": {"deadline-approaching": "off"}, "by": "Ada"}, headers=etag(client, CHOICES))
    assert reminders.get_json()["kinds"]["deadline-approaching"]["pace"] == "off"


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({"kinds": {"gossip": "daily"}, "by": "Ada"}, "#/kinds/gossip"),
        ({"kinds": {"placement-notice": "hourly"}, "by": "Ada"}, "#/kinds/placement-notice"),
        ({"quiet_from": "25:00", "by": "Ada"}, "#/quiet_from"),
        ({"kinds": {}}, "#/by"),
        ({"colour": "red", "by": "Ada"}, "#/colour"),
    ],
)
def test_what_cannot_be_chosen_is_refused_field_by_field(house: House, client: FlaskClient, sent: dict[str, Any], pointer: str) -> None:
    house.hear(HOST)
    refused = client.put(CHOICES, json=sent, headers=etag(client, CHOICES))
    assert (refused.status_code, [problem["pointer"] for problem in refused.get_json()["errors"]]) == (422, [pointer])


def test_choices_change_only_from_what_was_seen(house: House, client: FlaskClient) -> None:
    house.hear(HOST)
    assert client.put(CHOICES, json={"by": "Ada"}).status_code == 428
    assert client.put(CHOICES, json={"by": "Ada"}, headers={"If-Match": '"x"'}).status_code == 412
    assert client.get("/notifications/recipients/nobody/preferences").status_code == 404


# ---- acknowledgement ---------------------------------------------------------------------------------------------


@pytest.fixture
def missed(house: House) -> str:
    house.hear(SCHEDULES, SECOND, MISSED)
    house.live(hours=1)
    return house.alerts(recipient_id="schedules")[0].alert_key


def test_an_acknowledgement_is_kept_and_said_once_and_nobody_else_is_told(house: House, client: FlaskClient, missed: str) -> None:
    path = f"/notifications/alerts/{missed}/acknowledgement"
    first = client.post(path, json={"by": "Ada"})
    assert (first.status_code, first.get_json()["acknowledged_by"]) == (200, "Ada")
    house.clock.now += timedelta(hours=1)
    assert client.post(path, json={"by": "Bo"}).get_json() == first.get_json()
    assert house.said("alert.acknowledged") == {missed: 1}
    house.live(days=20)
    assert house.alerts(kind="escalation") == []


def test_following_the_link_of_a_mail_shows_a_button_and_the_button_acknowledges(house: House, client: FlaskClient, missed: str) -> None:
    [mail] = [mail for mail in house.mails() if missed in mail]
    found = re.search(r"https://t\.example\.org(/notifications/alerts/\S+)", mail)
    assert found
    page = client.get(found[1], headers={"Accept": "text/html"})
    assert "I have seen this" in page.get_data(as_text=True)
    assert client.get(found[1]).get_json()["acknowledged_at"] is None, "a scanner that follows it acknowledges nothing"
    path, _, token = found[1].partition("?token=")
    assert "Thank you" in client.post(path, data={"token": token}).get_data(as_text=True)
    assert house.alerts(alert_key=missed)[0].acknowledged_by == "schedules, by the link in the mail"
    assert client.get(f"{path}?token={'0' * 32}").status_code == 404
    assert client.post(path, data={"token": "0" * 32}).status_code == 404


def test_what_has_not_left_cannot_have_been_seen(house: House, client: FlaskClient) -> None:
    house.hear(HOST, a_placement())
    [waiting] = house.alerts(recipient_id="host")
    assert client.post(f"/notifications/alerts/{waiting.alert_key}/acknowledgement", json={"by": "Ada"}).status_code == 409
    assert client.post("/notifications/alerts/none/acknowledgement", json={"by": "Ada"}).status_code == 404
    assert client.post(f"/notifications/alerts/{waiting.alert_key}/acknowledgement", json={}).status_code == 422


def test_who_acknowledges_a_digest_acknowledges_what_is_in_it(house: House, client: FlaskClient) -> None:
    house.hear(HOST, SECOND, *arrivals(3))
    house.live(hours=22)
    [digest] = house.alerts(kind="digest")
    client.post(f"/notifications/alerts/{digest.alert_key}/acknowledgement", json={"by": "Ada"})
    assert len(house.said("alert.acknowledged")) == 4
    house.live(days=20)
    assert house.alerts(kind="escalation") == []


def test_without_a_secret_a_mail_has_no_link(tmp_path: Path) -> None:
    forget_embedded_queues()
    house = House(Worker(SERVICE, Config(data=tmp_path), clock := Clock(DAY)), clock)
    house.hear(SCHEDULES, MISSED)
    house.live()
    assert all("acknowledgement" not in mail for mail in house.mails())
    client = create_app(house.worker).test_client()
    [alert] = house.alerts(recipient_id="schedules")
    assert client.get(f"/notifications/alerts/{alert.alert_key}/acknowledgement?token=").status_code == 404
    assert alert.regarding == DEADLINE["deadline_id"]
    house.worker.close()
