"""How alerts are worded: versions, messages shown again, and values that want to be more than values."""

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateError
from sqlalchemy import select

from services.notifications.app import SERVICE, create_app
from services.notifications.letters import LONGEST_SUBJECT, TEMPLATES, link, newest, render, tame, version_of
from services.notifications.models import Alert
from services.notifications.senders.delivery import deliver
from shared.database import transaction
from shared.worker import Worker
from tests.helpers import Clock, a_message, a_placement, a_recipient, a_worker
from tests.notifications.letters.stories import Example, examples

BRANCHED_ON = ("reader", "kind", "owner", "caused_by", "source", "told", "how", "acknowledge_link")
"""Values that a template chooses its words by, and the link of our own."""


# ---- versions ----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the templates, in which anything may be written."""
    return Path(shutil.copytree(TEMPLATES, tmp_path / "templates"))


def a_notice() -> Mapping[str, Any]:
    return next(example.values for example in examples() if example.kind == "placement-notice" and example.channel == "email")


def test_the_newest_version_is_the_highest_number_not_the_last_name(folder: Path) -> None:
    for version in (2, 10):
        (folder / "placement-notice" / f"email.{version}.txt").write_text("Subject: New\n\nWords\n")
    assert newest("placement-notice", "email", folder) == "placement-notice/email.10.txt"
    assert newest("placement-notice", "inbox", folder) == "placement-notice/inbox.1.txt"


def test_a_message_sent_with_an_old_version_is_the_same_bytes_after_a_newer_one_exists(folder: Path) -> None:
    values = a_notice()
    sent = render(newest("placement-notice", "email"), values)
    (folder / "placement-notice" / "email.2.txt").write_text('{% extends "_email.2.txt" %}{% block subject %}New{% endblock %}')
    (folder / "_email.2.txt").write_text("Subject: {% block subject %}{% endblock %}\n\n\nIn other words, {{ site }}.\n")
    assert newest("placement-notice", "email", folder) == "placement-notice/email.2.txt"
    assert render("placement-notice/email.1.txt", values, folder) == sent
    assert render("placement-notice/email.2.txt", values, folder).text.startswith("In other words, ")


def test_a_channel_that_has_no_words_of_its_own_takes_those_of_the_mail() -> None:
    assert newest("placement-notice", "webhook") == newest("placement-notice", "email")


def test_where_there_are_no_words_the_alert_names_those_to_write() -> None:
    assert newest("a-new-kind", "email") == "a-new-kind/email.1.txt"
    with pytest.raises(TemplateError, match=r"a-new-kind/email\.1\.txt"):
        render("a-new-kind/email.1.txt", {})


@pytest.mark.parametrize("name", ["email.txt", "email.v2.txt", "email.0.txt", "email.01.txt"])
def test_a_template_without_a_version_is_refused_with_the_name_it_should_have(name: str) -> None:
    with pytest.raises(ValueError, match=r"email\.1\.txt"):
        version_of(name)


def test_a_value_that_is_missing_is_an_error_and_not_a_blank() -> None:
    values = {name: value for name, value in a_notice().items() if name != "site"}
    with pytest.raises(TemplateError, match="site"):
        render("placement-notice/email.1.txt", values)


def test_a_template_begins_with_its_subject(folder: Path) -> None:
    (folder / "placement-notice" / "email.2.txt").write_text("Dear reader,\n")
    with pytest.raises(ValueError, match="Subject: "):
        render("placement-notice/email.2.txt", {}, folder)


# ---- shown again -------------------------------------------------------------------------------------------------


@pytest.fixture
def worker(tmp_path: Path, clock: Clock) -> Iterator[Worker]:
    """A worker with an e-mail and an inbox message of one placement that can leave."""
    made = a_worker(SERVICE, tmp_path, clock)
    for event in (a_recipient(), a_placement()):
        made.take_in([a_message(event)], clock())
    yield made
    made.close()


@pytest.fixture
def client(worker: Worker) -> FlaskClient:
    return create_app(worker).test_client()


def a_mail(worker: Worker) -> Alert:
    with transaction(worker.engine) as session:
        return session.scalars(select(Alert).where(Alert.role == "trainee", Alert.channel == "email")).one()


def change(worker: Worker, **columns: str) -> None:
    with transaction(worker.engine) as session:
        alert = session.get_one(Alert, a_mail(worker).alert_key)
        for name, value in columns.items():
            setattr(alert, name, value)


def test_a_new_alert_names_the_newest_version(worker: Worker) -> None:
    assert a_mail(worker).template == newest("placement-notice", "email")


def test_every_message_that_was_sent_is_shown_again_as_it_was_kept(worker: Worker, client: FlaskClient) -> None:
    deliver(worker, worker.clock())
    with transaction(worker.engine) as session:
        sent = list(session.scalars(select(Alert).where(Alert.status == "sent")))
    assert {alert.channel for alert in sent} == {"email", "inbox"}
    for alert in sent:
        shown = client.get(f"/notifications/alerts/{alert.alert_key}/message").json
        assert shown == {
            "alert_key": alert.alert_key,
            "template": alert.template,
            "subject": alert.subject,
            "text": alert.text,
            "as_kept": True,
        }


def test_as_text_it_is_what_the_reader_saw(worker: Worker, client: FlaskClient) -> None:
    deliver(worker, worker.clock())
    alert = a_mail(worker)
    shown = client.get(f"/notifications/alerts/{alert.alert_key}/message", headers={"Accept": "text/plain"})
    assert shown.content_type == "text/plain; charset=utf-8"
    assert shown.text == f"Subject: {alert.subject}\n\n{alert.text}"
    assert shown.headers["Tripartite-As-Kept"] == "true"


def test_a_message_that_has_not_left_is_shown_as_it_would_be_and_not_called_kept(worker: Worker, client: FlaskClient) -> None:
    shown = client.get(f"/notifications/alerts/{a_mail(worker).alert_key}/message").json
    assert shown is not None
    assert shown["text"].startswith("Dear Ada Quillfeather (invented),")
    assert shown["as_kept"] is None


def test_one_byte_of_difference_to_what_was_kept_is_said(worker: Worker, client: FlaskClient) -> None:
    deliver(worker, worker.clock())
    change(worker, text=a_mail(worker).text + " ")
    shown = client.get(f"/notifications/alerts/{a_mail(worker).alert_key}/message")
    assert shown.json is not None
    assert shown.json["as_kept"] is False


def test_a_message_that_cannot_be_made_again_is_a_problem_that_says_where_the_kept_one_is(worker: Worker, client: FlaskClient) -> None:
    change(worker, template="placement-notice/email.99.txt")
    path = f"/notifications/alerts/{a_mail(worker).alert_key}"
    shown = client.get(f"{path}/message")
    assert shown.status_code == 409
    assert shown.content_type == "application/problem+json"
    assert shown.json is not None
    assert "email.99.txt" in shown.json["detail"]
    assert path in shown.json["detail"]


def test_an_alert_that_is_not_there_has_no_message(client: FlaskClient) -> None:
    assert client.get("/notifications/alerts/nothing/message").status_code == 404


# ---- hostile values ----------------------------------------------------------------------------------------------

PIECES = [
    "\n",
    "\r\n\r\n",
    "\u2028",
    "\x85",
    "\x0b",
    "\x00",
    "\u202e",
    "\u2066",
    "\u200b",
    "\n# You have won\n",
    "\n* item",
    "\n^ inset",
    "\n---\n",
    "\n1. first",
    "\nSubject: Urgent",
    "[click here](https://evil.example/)",
    "[a]",
    "(b)",
    "https:",
    "//evil.example",
    "www.",
    "evil.example/pay",
    "a.com",
    "<https://evil.example>",
    "someone@evil.example",
    "{{ 7*7 }}",
    "{% include '_why.1.txt' %}",
    "((subject))",
    "**bold**",
    "Ann ",
    "é",
    "\u0634",
]
hostile = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=12).map("".join) | st.integers(1, 40).map(
    "Very long name ".__mul__
)
LINKS = re.compile(r"\w://|\]\(|\bwww\.\w|\w\.[^\W\d_]{2}")
MARKDOWN = re.compile(r"\s*(#|\*|\^|>|[-+=_~`|]|\d+[.)]\s)")


def filled(value: Any, text: str) -> Any:
    """The values, with this text in place of every other text."""
    if isinstance(value, Mapping):
        return {name: part if name in BRANCHED_ON else filled(part, text) for name, part in value.items()}
    if isinstance(value, list):
        return [filled(part, text) for part in value]
    return text if isinstance(value, str) else value


def shape(text: str) -> int:
    return len(text.splitlines())


@given(st.sampled_from(examples()), hostile)
def test_a_value_never_adds_a_line_a_heading_or_a_link(example: Example, text: str) -> None:
    letter = render(example.template, filled(example.values, text))
    assert shape(letter.text) <= shape(render(example.template, filled(example.values, "Ann")).text)
    assert shape(letter.subject) <= 1
    assert len(letter.subject) <= LONGEST_SUBJECT
    said = f"{letter.subject}\n{letter.text}".replace(example.values.get("acknowledge_link", "\n"), "\n")
    assert not LINKS.search(said)
    assert not [line for line in said.splitlines() if MARKDOWN.match(line)]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f]", said)


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.file)
def test_no_template_begins_a_line_with_a_value(example: Example) -> None:
    text = render(example.template, filled(example.values, "§")).text
    lines = [line for line in text.splitlines() if line.lstrip().startswith("§")]
    assert not lines, f"a value like “# News” would be a heading there; put a word of ours before it in {example.template}"


def test_template_syntax_in_a_name_is_a_name() -> None:
    letter = render("placement-notice/email.1.txt", {**a_notice(), "to": "{{ 7*7 }}"})
    assert "Dear {{ 7*7 }}," in letter.text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Ann\nSubject: you have won", "Ann Subject: you have won"),
        ("see https://evil.example/x", "see https: //evil. example/x"),
        ("[here](https://evil.example)", "[here] (https: //evil. example)"),
        ("WWW.evil.example", "WWW. evil. example"),
        ("user\u202egnp.exe", "user gnp. exe"),
        ("St.Mary's Hospital, 0.6, e.g. Dr. Ann-Lee O’Neill", "St. Mary's Hospital, 0.6, e.g. Dr. Ann-Lee O’Neill"),
    ],
)
def test_what_a_reader_sees_of_a_value(written: str, shown: str) -> None:
    assert tame(written) == shown


@pytest.mark.parametrize("ours", ["https://tripartite.example.org/notifications/seen/a-b_c?d=e%20f", "/notifications/decisions/1"])
def test_a_link_of_our_own_is_left_whole(ours: str) -> None:
    assert tame(link(ours)) == ours


@pytest.mark.parametrize("other", ["javascript:alert(1)", "//evil.example", "https://a b", "https://a.example/)x", "https://a\n", ""])
def test_what_could_be_read_as_anything_but_a_link_is_refused(other: str) -> None:
    with pytest.raises(ValueError, match="no link of ours"):
        link(other)


def test_a_long_subject_is_cut_at_a_word() -> None:
    letter = render("placement-notice/email.1.txt", {**a_notice(), "site": "A hospital with a name " * 9})
    assert letter.subject.endswith("…")
    assert letter.subject.removesuffix("…").split()[-1] in ("A", "hospital", "with", "a", "name")
