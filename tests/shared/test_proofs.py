"""Proofs: each kind of mistake in a small policy is found, said with its citations, and shown by a case; nothing else is."""

from datetime import date
from pathlib import Path

import pytest

from shared.cases import read_cases
from shared.policies import load_policies
from shared.policies.policy import Policy
from shared.proofs import Finding, check, differences
from tests.shared.scratch import a_policy, changed

SERVICES = ("eligibility", "deadlines", "responsibility", "notifications")
POLICIES = [policy for service in SERVICES for policy in load_policies(service).values()]
CITE = "cite: {source: TOOLKIT, section: Sizes, entry: large}"
PRICE = '  price:\n    - {from: 2020-01-01, value: "5.00", unit: GBP, cite: {source: TOOLKIT, section: Sizes, entry: price}}\n'
SOUND = changed((PRICE, ""), ("    overrides: [small]\n", ""))
"""Two bands that meet at the limit, and nothing else."""
LARGE = "    then: {size: large}"


def sound_but(*changes: tuple[str, str]) -> list[Finding]:
    """What the proofs find in the sound policy with some of its words replaced."""
    return check(a_policy(changed(*changes, text=SOUND)))


def only(found: list[Finding]) -> Finding:
    assert len(found) == 1, [finding.sentence for finding in found]
    return found[0]


def test_a_policy_whose_bands_meet_has_no_findings() -> None:
    assert sound_but() == []


def test_a_value_that_no_rule_takes_is_a_gap_cited_from_both_sides_with_a_case_to_paste() -> None:
    found = only(sound_but(("at_most: $limit", "less_than: $limit")))
    assert (found.kind, found.sentence) == ("gap", "No rule concludes size when number is 5.")
    assert {cite.entry for cite in found.cites} == {"small", "large"}
    assert found.case == (
        '- case: "Some size is concluded when number is 5"\n  as_at: 2020-01-01\n  facts: {number: 5}\n  expect: {status: decided}\n'
    )


def test_a_gap_is_described_as_wide_as_it_is() -> None:
    found = sound_but(("when: {number: {more_than: $limit}}", "when: {number: {more_than: $limit}, kind: {is: red}}"))
    assert only(found).sentence == "No rule concludes size when kind is green and number is from 6 to 10."


def test_a_value_that_two_rules_take_is_a_conflict_with_both_citations() -> None:
    found = only(sound_but(("more_than: $limit", "at_least: $limit")))
    assert (found.kind, found.rules) == ("conflict", ("small", "large"))
    assert found.sentence == "“small” and “large” both hold and differ on size when number is 5."
    assert [cite.entry for cite in found.cites] == ["small", "large"]


def test_two_rules_that_count_at_once_conflict_under_unique_even_if_they_agree() -> None:
    agreeing = (
        ("more_than: $limit", "at_least: $limit"),
        ("then: {size: large}", "then: {size: small}"),
        ("[small, large]", "[small, big]"),
    )
    assert [finding.kind for finding in sound_but(*agreeing)] == ["unreachable"]
    found = sound_but(*agreeing, ("hit: any", "hit: unique"))
    assert "both count, where only one may when number is 5" in found[0].sentence


def test_a_conflict_that_an_override_settles_is_none() -> None:
    assert sound_but(("more_than: $limit", "at_least: $limit"), (LARGE, f"    overrides: [small]\n{LARGE}")) == []


def test_under_first_the_order_of_the_file_settles_it() -> None:
    assert sound_but(("more_than: $limit", "at_least: $limit"), ("hit: any", "hit: first")) == []


def test_a_rule_that_can_never_hold_is_dead() -> None:
    found = sound_but(
        ("{number: {more_than: $limit}}", "{number: {more_than: $limit}, sure: {is: true}, kind: {is: red}, all: [{sure: {is: false}}]}")
    )
    assert [finding.kind for finding in found] == ["dead", "gap"]
    assert found[0].sentence.startswith("The rule “large” can never hold")


def test_a_rule_that_is_always_overridden_is_shadowed_and_names_by_what() -> None:
    found = sound_but(("at_most: $limit", "more_than: $limit"), (LARGE, f"    overrides: [small]\n{LARGE}"))
    assert [finding.kind for finding in found] == ["shadowed", "gap"]
    assert "so does “large”, overriding it" in found[0].sentence


def test_what_is_declared_and_never_concluded_is_unreachable() -> None:
    assert only(sound_but(("[small, large]", "[small, large, huge]"))).sentence.startswith("No rule ever concludes size huge")
    assert only(sound_but(("  due: date\n", "  due: date\n  later: date\n"))).sentence.startswith("No rule ever concludes later")


def test_a_parameter_that_nothing_uses_and_a_notice_that_can_never_be_said_are_dead() -> None:
    assert only(check(a_policy(changed(("    overrides: [small]\n", ""))))).sentence == "No rule and no notice uses the parameter “price”."
    notice = f"notices:\n  - {{id: n, when: {{size: {{is: small}}, number: {{more_than: $limit}}}}, say: S, {CITE}}}\nrules:\n"
    assert only(sound_but(("rules:\n", notice))).sentence.startswith("The notice “n” can never be said")


def test_a_notice_that_is_always_silenced_is_dead() -> None:
    notice = f"notices:\n  - {{id: n, when: {{number: {{is: $limit}}}}, unless: {{size: {{is: small}}}}, say: S, {CITE}}}\nrules:\n"
    assert only(sound_but(("rules:\n", notice))).sentence.startswith("The notice “n” can never be said")


def interrupted() -> str:
    """The sound policy, in force in 2020 and again in 2022."""
    text = changed(("    when: {number: {at", "    to: 2021-01-01\n    when: {number: {at"), text=SOUND)
    text = changed(("    when: {number: {more", "    to: 2021-01-01\n    when: {number: {more"), text=text)
    again = (
        text.split("rules:\n")[1]
        .replace("id: ", "id: new-")
        .replace("to: 2021-01-01", "to: 2023-01-01")
        .replace("2020-01-01", "2022-01-01")
    )
    return text + again


def test_no_acceptance_of_a_gap_reaches_days_without_rules() -> None:
    accepted = f"accepted:\n  - {{id: wide, finding: gap, rules: [size], because: B, {CITE}}}\n"
    found = check(a_policy(interrupted() + accepted))
    assert [(finding.kind, finding.accepted) for finding in found] == [("gap", None), ("stale", None)]


def test_a_stretch_of_days_without_rules_between_days_with_is_a_gap() -> None:
    found = only(check(a_policy(interrupted())))
    assert (found.kind, found.since) == ("gap", date(2021, 1, 1))
    assert found.sentence == "size has no rules from 2021-01-01 on, but it has some before and after."


def test_a_finding_that_begins_with_an_edition_says_since_when() -> None:
    value = "    - {from: 2020-01-01, value: 5, unit: count, cite: {source: TOOLKIT, section: Sizes, entry: limit}}\n"
    later = value.replace("2020-01-01, value: 5", "2022-04-01, value: 10")
    found = only(sound_but((value, value + later)))
    assert (found.kind, found.since) == ("dead", date(2022, 4, 1))


# ---- as printed ----------------------------------------------------------------------------------------------------

PRINTED = ("    then: {size: large}", "    printed: {number: {at_least: $limit}, kind: {is: red}}\n    then: {size: large}")
BOTH = f"  - {{id: both, finding: overlap-as-printed, rules: [small, large], when: {{number: {{is: $limit}}}}, because: B, {CITE}}}\n"
GREEN = f"  - {{id: green, finding: gap-as-printed, when: {{kind: {{is: green}}}}, because: B, {CITE}}}\n"


def test_the_text_as_printed_is_checked_beside_the_reading() -> None:
    found = sound_but(PRINTED)
    assert [(finding.kind, finding.sentence) for finding in found] == [
        ("overlap-as-printed", "As printed, “small” and “large” both hold and differ on size when kind is red and number is 5."),
        ("gap-as-printed", "As printed, no rule concludes size when kind is green and number is from 6 to 10."),
    ]


def test_where_the_source_is_silent_a_rule_of_our_reading_leaves_a_gap_as_printed() -> None:
    found = only(sound_but((LARGE, f"    printed: silent\n{LARGE}")))
    assert found.sentence == "As printed, no rule concludes size when number is from 6 to 10."


def test_a_finding_that_is_accepted_by_name_is_still_found_and_carries_its_reason() -> None:
    found = check(a_policy(changed(PRINTED, text=SOUND) + "accepted:\n" + BOTH + GREEN))
    assert [finding.accepted and finding.accepted.id for finding in found] == ["both", "green"]


def test_an_acceptance_is_no_wider_than_it_says() -> None:
    six = (
        "rules:\n",
        "  six:\n    - {from: 2020-01-01, value: 6, unit: count, cite: {source: TOOLKIT, section: Sizes, entry: limit}}\nrules:\n",
    )
    narrow = GREEN.replace("when: {kind: {is: green}}", "when: {kind: {is: green}, number: {is: $six}}")
    found = check(a_policy(changed(PRINTED, six, text=SOUND) + "accepted:\n" + BOTH + narrow))
    assert found[0].accepted is None
    assert found[0].sentence == "As printed, no rule concludes size when kind is green and number is from 7 to 10."


def test_an_acceptance_of_what_is_not_found_is_stale() -> None:
    found = check(a_policy(SOUND + "accepted:\n" + GREEN.replace("kind: {is: green}", "number: {is: $limit}")))
    assert (only(found).kind, found[0].accepted) == ("stale", None)
    assert "“green” is accepted, but the proofs find no such gap-as-printed" in found[0].sentence


# ---- orders ----------------------------------------------------------------------------------------------------------

DATES = (
    ("  due: date\n", "  due: date\n  later: date\n"),
    ("due: {from: day, weeks: 2}}", "due: {from: day, months: 1}, later: {from: day, days: 30}}"),
    ("rules:\n", f"order:\n  - {{id: due-first, earlier: due, later: later, because: It is due first., {CITE}}}\nrules:\n"),
)


def test_two_dates_that_can_come_in_the_wrong_order_are_found_with_a_day() -> None:
    found = only(sound_but(*DATES))
    assert (found.kind, found.rules) == ("order", ("due-first",))
    assert found.sentence == "It is due first. But due comes after later: with day 2020-01-01 they are 2020-02-01 and 2020-01-31."


def test_two_dates_that_always_come_in_order_are_no_finding() -> None:
    assert sound_but(*DATES, ("days: 30", "days: 31")) == []


def test_dates_from_different_facts_have_no_order_that_could_be_proved() -> None:
    fact = ("due: {from: day, months: 1}, later: {from: day, days: 30}", "due: {from: day, months: 1}, later: 2031-01-01")
    assert "their order cannot be proved" in only(sound_but(*DATES, fact)).sentence


# ---- editions --------------------------------------------------------------------------------------------------------


def test_two_editions_that_answer_alike_have_no_difference() -> None:
    reworded = a_policy(changed(("It exceeds the limit.", "It is over the limit."), text=SOUND))
    assert differences(a_policy(SOUND).on(date(2020, 1, 1)), reworded.on(date(2020, 1, 1))) == []


def test_editions_that_ask_nothing_can_differ_too() -> None:
    rules = SOUND.split("rules:\n")[0].replace("[small, large]", "[small, any]") + (
        "rules:\n  - {id: all, from: 2020-01-01, when: {}, then: {size: small, due: {from: day, weeks: 2}}, because: B, " + CITE + "}\n"
    )
    old, new = a_policy(rules), a_policy(rules.replace("weeks: 2", "weeks: 3"))
    assert len(differences(old.on(date(2020, 1, 1)), new.on(date(2020, 1, 1)))) == 1


def test_a_moved_limit_differs_just_between_the_two_limits_and_shows_a_witness() -> None:
    old, new = (
        a_policy(SOUND),
        a_policy(changed(("value: 5", "value: 7"), ("due: {from: day, weeks: 2}", "due: {from: day, weeks: 3}"), text=SOUND)),
    )
    found = {difference.where: difference for difference in differences(old.on(date(2020, 1, 1)), new.on(date(2020, 1, 1)))}
    assert set(found) == {"number is from 0 to 5", "number is from 6 to 7"}
    moved = found["number is from 6 to 7"]
    assert (moved.old_outcome, moved.old_rules) == ({"size": "large"}, ("large",))
    assert (moved.new_outcome, moved.new_rules) == ({"size": "small", "due": "2020-01-22"}, ("small",))
    assert moved.facts["number"] in (6, 7)
    later = found["number is from 0 to 5"]
    assert (later.old_outcome, later.new_outcome) == ({"due": "2020-01-15"}, {"due": "2020-01-22"})


def test_records_of_a_list_that_only_one_edition_names_are_a_difference() -> None:
    duties = (("  due: date\n", "  due: date\n  duties: {list: {who: text}}\n"), ("{size: large}", "{size: large, duties: [{who: host}]}"))
    old, new = (
        a_policy(changed(*duties, text=SOUND)),
        a_policy(changed(*duties, ("[{who: host}]", "[{who: host}, {who: dean}]"), text=SOUND)),
    )
    difference = differences(old.on(date(2020, 1, 1)), new.on(date(2020, 1, 1)))[0]
    assert (difference.old_outcome, difference.new_outcome) == ({}, {"duties": [{"who": "dean"}]})


# ---- the house -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES, ids=[policy.name for policy in POLICIES])
def test_the_proofs_find_nothing_in_a_policy_of_the_house_that_it_does_not_accept_by_name(policy: Policy) -> None:
    assert [finding.sentence for finding in check(policy) if not finding.accepted] == []


def test_a_case_that_a_finding_offers_can_be_read_as_a_case(tmp_path: Path) -> None:
    file = tmp_path / "cases.yaml"
    found = only(sound_but(("at_most: $limit", "less_than: $limit")))
    file.write_text(found.case, encoding="utf-8")
    assert read_cases(file)[0].facts == {"number": 5}
