"""Every message as its reader sees it: rendered, full and minimal, plain enough, with what to do, why, and the rule behind it."""

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import yaml

from services.notifications.letters import LONGEST_SUBJECT, TEMPLATES, WORDED_AS, newest, version_of
from shared.events import Role
from tests.helpers import HOUSE
from tests.notifications.letters import reading
from tests.notifications.letters.reading import Sentence, age, sentences, syllables
from tests.notifications.letters.stories import FOLDER, SIZES, Example, examples, kinds

ANEW = "If that is as it should be: python -m tests.notifications.letters"
OPTIONAL = ("first_due", "acknowledge_link", "acknowledge_by")
each_example = pytest.mark.parametrize("example", examples(), ids=lambda example: example.file)


# ---- there is one of each ----------------------------------------------------------------------------------------


def events_of(condition: Any) -> Iterator[str]:
    """The events that a condition of the policy names, however deep."""
    if isinstance(condition, list):
        for part in condition:
            yield from events_of(part)
    elif isinstance(condition, dict):
        for name, part in condition.items():
            yield from [part["is"]] if name == "event" and "is" in part else part["one_of"] if name == "event" else events_of(part)


def told_by_the_policy() -> set[tuple[str, str, str]]:
    policy = yaml.safe_load((HOUSE / "services" / "notifications" / "policies" / "alert-contacts.yaml").read_text(encoding="utf-8"))
    return {
        (kind, WORDED_AS.get(item["channel"], item["channel"]), item["role"])
        for rule in policy["rules"]
        for kind in events_of(rule["when"])
        for item in rule["then"]["told"]
    }


@pytest.mark.parametrize("size", SIZES)
def test_whoever_the_policy_tells_is_shown_every_message(size: str) -> None:
    shown = {(example.kind, example.channel, example.reader) for example in examples() if example.size == size}
    missing = told_by_the_policy() - shown
    assert not missing, f"tell a {size} story in tests/notifications/letters/<kind>.yaml in which these readers hear: {sorted(missing)}"


@pytest.mark.parametrize("kind", kinds())
def test_the_newest_template_of_every_channel_has_a_full_and_a_minimal_example(kind: str) -> None:
    newest_ones = {newest(kind, file.name.partition(".")[0]) for file in (TEMPLATES / kind).glob("*.txt")}
    shown = {(example.template, example.size) for example in examples()}
    assert newest_ones, f"templates/{kind} is empty"
    assert {(template, size) for template in newest_ones for size in SIZES} <= shown, f"tell it in tests/notifications/letters/{kind}.yaml"


@each_example
def test_an_example_is_what_its_file_shows(example: Example) -> None:
    file = FOLDER / example.file
    assert file.exists(), f"{example.file} is not there. {ANEW}"
    assert example.text == file.read_text(encoding="utf-8"), ANEW


def test_no_example_is_stale() -> None:
    assert {file.name for file in FOLDER.glob("*.txt")} == {example.file for example in examples()}, ANEW


def test_every_template_has_a_version_and_names_the_versions_of_its_parts() -> None:
    for file in TEMPLATES.rglob("*.txt"):
        version_of(file.name)
        for part in re.findall(r"{%-?\s*(?:include|extends|import|from)\s+(\S+)", file.read_text(encoding="utf-8")):
            version_of(part.strip("\"'"))


def test_a_full_example_holds_all_that_a_message_may_hold_and_a_minimal_one_none_of_it() -> None:
    for example in examples():
        held = {name for name in OPTIONAL if example.values.get(name)}
        assert held == (set(OPTIONAL) if example.size == "full" else set()), example.file


def test_people_and_mailboxes_are_invented_and_say_so() -> None:
    for file in FOLDER.glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        names = re.findall(r"\bname: (.+?), email:", text)
        assert [name for name in names if not name.rstrip('"').endswith("(invented)")] == [], file.name
        assert [address for address in re.findall(r"\S+@(\S+?)[,}]", text) if not re.search(r"(^|\.)example\.(org|net)$", address)] == []
    for example in examples():
        assert not re.search(r"^Dear (?!.*\(invented\),$)", example.text, re.MULTILINE), example.file


# ---- what a reader sees ------------------------------------------------------------------------------------------


@each_example
def test_a_message_says_what_to_do_why_it_came_and_by_which_rule(example: Example) -> None:
    text, values = example.text, example.values
    assert "\nWhat to do\n" in text
    assert text.index("\nWhat to do\n") < text.index("\nWhy you get this message\n")
    for rule in values["rules"] if example.kind == "digest" else [{**values, "decisions": [values["decision"]]}]:
        for said in ("because", "section", "entry", "rule"):
            assert str(rule[said]) in text, said
        assert rule["document"] in text or rule["source"] == "TRIPARTITE"
        assert rule["decisions"]
        assert all(f"/notifications/decisions/{decision}\n" in text for decision in rule["decisions"])


@each_example
def test_a_contact_is_told_for_what_and_of_which_organisation(example: Example) -> None:
    if example.reader in ("host", "lead-employer"):
        assert f"You are the contact for {example.values['purpose']} at {example.values['organisation']}." in example.text


def test_every_role_is_told_why_in_its_own_words() -> None:
    why = (TEMPLATES / "_reader.1.txt").read_text(encoding="utf-8")
    assert [role for role in get_args(Role) if f'"{role}"' not in why] == []


@each_example
def test_a_message_that_comes_late_says_so_and_one_that_can_be_acknowledged_says_how(example: Example) -> None:
    late = f"This message was first due on {example.values.get('first_due')}; we could not reach you then."
    assert (late in example.text) == ("first_due" in example.values)
    seen = f"by {example.values.get('acknowledge_by')}: {example.values.get('acknowledge_link')}\n"
    assert (seen in example.text) == ("acknowledge_link" in example.values)


@each_example
def test_the_subject_fits_and_the_first_line_carries_the_point(example: Example) -> None:
    subject, _, text = example.text.partition("\n\n")
    assert len(subject.removeprefix("Subject: ")) <= LONGEST_SUBJECT
    assert "…" not in subject, "it was cut; make it shorter"
    first = text.split("\n\n")[1 if text.startswith("Dear ") else 0].splitlines()[0]
    assert not first.startswith(("This message", "What to do", " ")), first
    assert sentences(first, example.values), first


@each_example
def test_a_message_can_be_read_at_twelve(example: Example) -> None:
    found = sentences(example.text.partition("\n\n")[2], example.values)
    hardest = max(found, key=lambda sentence: sentence.age)
    years = age(found)
    assert years <= reading.OLDEST, f"{example.file} reads at {years:.1f}; its hardest sentence, at {hardest.age:.1f}: “{hardest.text}”"
    longest = max(found, key=lambda sentence: len(sentence.words))
    assert len(longest.words) <= reading.LONGEST_SENTENCE, f"{example.file}: this sentence is too long: “{longest.text}”"


# ---- the measure -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "count"),
    [("you", 1), ("doctor", 2), ("schedule", 2), ("employer", 3), ("decision", 3), ("officer", 3), ("responsible", 4), ("2027", 1)],
)
def test_syllables_are_counted_as_they_are_spoken(word: str, count: int) -> None:
    assert syllables(word) == count


def test_plain_words_read_young_and_officialese_reads_old() -> None:
    plain = [Sentence("Send it by the end of the day."), Sentence("If you have sent it, tell us.")]
    official = [
        Sentence("Notification of the aforementioned documentation is obligatory prior to commencement of the rotational placement.")
    ]
    assert age(plain) < 8
    assert age(official) > 20


def test_names_field_lines_headings_and_the_salutation_are_not_counted() -> None:
    employer = "Mersey and West Lancashire Teaching Hospitals NHS Trust"
    text = f"Dear Ada,\n\nAsk {employer}.\n\nWhat to do\n  Rule:  Incomprehensible jurisprudence.\n"
    [only] = sentences(text, {"organisation": employer})
    assert only.text == "Ask Preston."


def test_our_own_words_are_counted_even_where_they_come_as_values() -> None:
    [only] = sentences("Send the placement information.", {"duty": "placement information"})
    assert only.text == "Send the placement information."
