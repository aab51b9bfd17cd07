"""A template that was released never changes, and what was sent with it is worded the same for ever."""

from services.notifications.letters import Letter, render, version_of
from tests.notifications.letters.released import files, parts_of, released, sent, sent_with


def changed(released: dict[str, str], files: dict[str, str]) -> list[str]:
    """What to do about each released template that is not as it was released."""
    return [
        f"{name} was released and has {'changed' if name in files else 'gone'}: messages were sent with it. Put it back as it was, "
        f"add {next_version(name, files)} with the new words, and run make release-templates."
        for name, digest in released.items()
        if files.get(name) != digest
    ]


def next_version(name: str, files: dict[str, str]) -> str:
    """``placement-change/email.1.txt`` -> ``placement-change/email.2.txt``, if there is none yet."""
    stem = name.removesuffix(f".{version_of(name)}.txt")
    taken = [version_of(other) for other in {name, *files} if other.removesuffix(f".{version_of(other)}.txt") == stem]
    return f"{stem}.{max(taken) + 1}.txt"


def test_a_released_template_never_changes() -> None:
    assert changed(released(), files()) == []


def test_every_template_is_released_before_it_can_be_sent() -> None:
    assert sorted(files().keys() - released().keys()) == [], "run make release-templates, and commit what it writes"


def test_what_a_released_template_is_made_of_is_released_too() -> None:
    for name in released():
        assert parts_of(name) <= released().keys(), name


def test_what_was_sent_with_a_released_template_is_worded_the_same_to_the_byte() -> None:
    for template, message in sent():
        kept = Letter(message["subject"], message["text"])
        assert render(template, message["values"]) == kept, f"{template}: the code that words messages has changed what was sent"


def test_every_released_message_has_something_that_was_sent_with_it() -> None:
    assert [name for name in released() if not name.startswith("_") and not sent_with(name).exists()] == []
    assert {template for template, _ in sent()} == {name for name in released() if not name.startswith("_")}


def test_a_changed_release_is_noticed_and_the_failure_says_what_to_do() -> None:
    before = {"placement-change/email.1.txt": "a", "placement-change/email.2.txt": "b", "_why.1.txt": "c"}
    [said, gone] = changed(before, {**before, "placement-change/email.1.txt": "other"} | {"_why.1.txt": "c"}) + changed(
        {"_why.1.txt": "c"}, {}
    )
    assert "placement-change/email.1.txt was released and has changed" in said
    assert "add placement-change/email.3.txt" in said
    assert "_why.1.txt was released and has gone" in gone
