"""Two places kept in step: events said and heard, routes and files of every service, README and commands, citations and sources."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

from services import __main__ as command
from services.house import SERVICES
from services.notifications import digests, escalation
from services.notifications.letters import newest
from services.policies.coverage import covered
from shared import events
from shared.organisations import NATIONAL_BODY, names_by_code
from shared.policies import load_policies, load_sources
from shared.rules import ready_policies
from tests.helpers import HOUSE

SAME_FILES = (
    "__init__.py",
    "app.py",
    "api.py",
    "schemas.py",
    "consumers.py",
    "decisions.py",
    "facts.yaml",
    "models.py",
    "policies",
    "migrations",
)
README = (HOUSE / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_files(service: str) -> None:
    folder = HOUSE / "services" / service
    assert [name for name in SAME_FILES if not (folder / name).exists()] == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_opens_with_its_card(service: str) -> None:
    card = import_module(f"services.{service}").__doc__ or ""
    assert all(f"* **{word}**" in card for word in ("Hears", "Decides", "Says"))


def test_every_event_is_said_by_somebody_and_heard_by_somebody() -> None:
    code = {name: "".join(file.read_text(encoding="utf-8") for file in (HOUSE / "services" / name).rglob("*.py")) for name in SERVICES}
    for event in events.EVENTS.values():
        heard_by = {name for name, module in SERVICES.items() if event in module.SERVICE.consumers}
        said_by = {name for name, text in code.items() if re.search(rf"\b{event.__name__}\(|_event\({event.__name__}\b", text)}
        assert heard_by, f"nobody hears {event.type}"
        assert event.from_outside or said_by, f"nobody says {event.type}"


def test_every_notification_has_its_words_for_every_channel_that_the_policy_uses() -> None:
    policy = load_policies("notifications")["alert-contacts"]
    kinds = (*policy.facts["event"].choices, digests.KIND, escalation.KIND)
    templates = HOUSE / "services" / "notifications" / "templates"
    assert sorted(folder.name for folder in templates.iterdir() if folder.is_dir()) == sorted(kinds)
    assert [kind for kind in kinds if not (templates / newest(kind, "email")).exists()] == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_policy_fits_the_engine_on_every_day(service: str) -> None:
    assert ready_policies(service) == load_policies(service)


def test_every_source_has_a_title_and_the_five_documents_name_their_file() -> None:
    sources = load_sources()
    assert all(source["title"] for source in sources.values())
    inside = [source for source in sources.values() if not source["outside"]]
    assert len(inside) == 5
    assert all(source["file"] for source in inside)


def test_the_national_body_is_a_code_and_every_organisation_has_a_name() -> None:
    assert re.fullmatch(r"[A-Z0-9]{3}", NATIONAL_BODY)
    assert all(re.fullmatch(r"[A-Z0-9]{3,6}", code) and name for code, name in names_by_code().items())


def test_every_make_target_that_the_readme_names_is_there_and_the_build_calls_the_same() -> None:
    makefile = (HOUSE / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert {"demo", "test", "lint"} <= targets
    assert set(re.findall(r"`?make ([a-z-]+)", README)) <= targets
    assert set(re.findall(r"^make ([a-z]+)", (HOUSE / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)) == {"lint", "test"}


def test_the_commands_of_the_readme_run_and_answer_as_it_says() -> None:
    lines = [line[2:] for line in README.splitlines() if line.startswith("$ tripartite decide")]
    assert len(lines) >= 5
    answers = [CliRunner().invoke(command.main, line.split()[1:]) for line in lines]
    assert [answer.exit_code for answer in answers] == [1 if "300000" in line else 0 for line in lines]
    wanted = ("three-quotations", "regime", "hold", "2027-06-23", "lead-employer-medical-director")
    assert [word for word, answer in zip(wanted, answers, strict=True) if word not in answer.output] == []


def test_no_address_of_a_package_index_is_committed() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (HOUSE / name).read_text(encoding="utf-8")
        assert "index-url" not in text
        assert "://" not in text


def test_every_module_opens_with_what_it_is_for() -> None:
    files: list[Path] = [file for folder in ("shared", "services", "tests") for file in (HOUSE / folder).rglob("*.py")]
    bare = [file for file in files if not file.read_text(encoding="utf-8").lstrip().startswith('"""')]
    assert [str(file.relative_to(HOUSE)) for file in bare] == []


def test_the_changelog_names_every_policy_with_its_service_and_its_first_day() -> None:
    text = (HOUSE / "CHANGELOG.md").read_text(encoding="utf-8")
    for service in SERVICES:
        for policy in load_policies(service).values():
            first = min(rule.starts for rule in policy.rules)
            assert f"| `{policy.name}` | {service} | {first} |" in text, policy.name


def test_every_entry_of_the_catalogue_is_accounted_for() -> None:
    assert [entry for entry in covered()["entries"] if entry["problem"]] == []
