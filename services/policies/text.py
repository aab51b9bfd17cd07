"""The page of a policy, or of a reference, as plain text: reads well at 100 columns, in a terminal and in a pipe.

:func:`page_lines` and :func:`reference_lines` take the data that shared/policies/page.py makes; nothing is said here that is not in it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from services.screen import cited, heading, labelled, many, short, value_line, wrapped

Data = dict[str, Any]
_HITS = {
    "unique": "In each stage exactly one rule counts; an exception names what it overrides.",
    "any": "Several rules may count together, if they do not contradict each other; an exception names what it overrides.",
    "first": "In each stage the first rule in this order that holds counts.",
    "collect": "Every rule that holds counts, and what they conclude is put together.",
}


def page_lines(said: Data) -> Iterator[str]:
    """The page of a policy as text."""
    yield heading(said["policy"], level=1)
    yield from wrapped(said["question"])
    yield ""
    yield from _about(said)
    yield from _section("The facts it may ask", said["facts"], _fact_lines)
    yield from _section("What it answers with", said["outcome"], _field_lines)
    yield from _section("Parameters", said["parameters"], _parameter_lines)
    yield from _rules(said)
    yield from _section("Notices, said beside the answer", said["notices"], _notice_lines)
    yield from _section("Claims about the order of days, proved for every day", said["order"], _order_lines)
    yield from _section("Findings of the proofs that are the source's own, accepted by name", said["accepted"], _accepted_lines)
    yield from _section("Sources cited", said["sources"], _source_lines)


def _section(title: str, items: list[Data], lines: Callable[[Data], Iterator[str]]) -> Iterator[str]:
    if items:
        yield ""
        yield heading(title)
    for item in items:
        yield from lines(item)


def _about(said: Data) -> Iterator[str]:
    spans = "; ".join(span_words(span) for span in said["editions"])
    yield from labelled("as at", said["as_at"] or "every day: all editions are shown")
    yield from labelled("in force", spans)
    yield from labelled("service", said["service"])
    yield from labelled("file", f"{said['file']}, edition {short(said['edition'])}")


def span_words(span: Mapping[str, Any]) -> str:
    """From a first day on, or from a first day to a last one."""
    first, last = span["from"], span["to"]
    if first and last:
        return f"from {first} to {last}"
    return f"from {first} on" if first else f"to {last}" if last else "always"


def _fact_lines(fact: Data) -> Iterator[str]:
    yield from wrapped(f"{fact['fact']}: {fact['ask']} {fact['domain'][0].upper() + fact['domain'][1:]}.", "  ", "    ")
    if "assumed" in fact:
        yield from wrapped(f"If it is not given, {value_line(fact['assumed'])} is assumed: {fact['assumed_because']}", "    ")


def _field_lines(field: Data, indent: str = "  ") -> Iterator[str]:
    kind = (
        f"one of {', '.join(field['one_of'])}"
        if "one_of" in field
        else "a list, each of its records with"
        if "record" in field
        else field["type"]
    )
    informs = " (informs only: not-known while its facts are missing)" if "informs" in field else ""
    yield from wrapped(f"{field['field']}: {kind}{informs}", indent, indent + "  ")
    for part in field.get("record", ()):
        yield from _field_lines(part, indent + "    ")


def _parameter_lines(parameter: Data) -> Iterator[str]:
    yield f"  {parameter['parameter']}"
    for value in parameter["values"]:
        yield from wrapped(f"{value['says']}, {span_words(value)} — {cited(value['cite'])}", "    ", "      ")


def _rules(said: Data) -> Iterator[str]:
    stages = dict.fromkeys(rule["stage"] for rule in said["rules"])
    for stage in stages:
        yield ""
        yield heading(f"Rules of stage {stage}" if len(stages) > 1 else "Rules")
        if stage == next(iter(stages)):
            yield from wrapped(_HITS[said["hit"]], "  ")
        for rule in (rule for rule in said["rules"] if rule["stage"] == stage):
            yield from _rule_lines(rule)


def _rule_lines(rule: Data) -> Iterator[str]:
    yield ""
    yield f"  {rule['rule']} ({span_words(rule)})"
    yield from labelled("If", _ended(rule["if"]))
    then = [
        line if line.startswith("- ") or after.startswith("- ") else line + ","
        for line, after in zip(rule["then"], [*rule["then"][1:], ""], strict=True)
    ]
    yield from labelled("then", "\n".join(then))
    yield from labelled("because", rule["because"])
    yield from labelled("", f"— {cited(rule['cite'])}")
    for cite in rule["see"]:
        yield from labelled("", f"— see also {cited(cite)}")
    if rule["printed"]:
        literally = "the source says nothing; the rule is our reading" if rule["printed"] == "silent" else f"if {rule['printed']}"
        yield from labelled("printed", f"as the source prints it: {literally}")
    if rule["overrides"]:
        yield from labelled("overrides", ", ".join(rule["overrides"]))
    if rule["overridden_by"]:
        yield from labelled("gives way", f"to {', '.join(rule['overridden_by'])}")


def _ended(clauses: list[str]) -> str:
    """The clauses of a condition, with a comma after the last unless it is the item of a list."""
    return "\n".join(clauses) + ("" if clauses[-1].startswith("- ") else ",")


def _notice_lines(notice: Data) -> Iterator[str]:
    yield ""
    yield f"  {notice['notice']}" + (f" ({span_words(notice)})" if notice["from"] or notice["to"] else "")
    yield from labelled("When", _ended(notice["when"]))
    if notice["unless"] is not None:
        yield from labelled("unless", _ended(notice["unless"]))
    yield from labelled("say", notice["says"])
    yield from labelled("", f"— {cited(notice['cite'])}")


def _order_lines(claim: Data) -> Iterator[str]:
    yield from wrapped(f"{claim['order']}: {claim['earlier']} comes no later than {claim['later']}. {claim['because']}", "  ", "    ")
    yield from wrapped(f"— {cited(claim['cite'])}", "    ", "      ")


def _accepted_lines(finding: Data) -> Iterator[str]:
    about = f" of {', '.join(finding['rules'])}" if finding["rules"] else ""
    where = f", when {finding['when']}" if finding["when"] else ""
    yield from wrapped(f"{finding['accepted']} ({finding['finding']}{about}{where}): {finding['because']}", "  ", "    ")
    yield from wrapped(f"— {cited(finding['cite'])}", "    ", "      ")


def _source_lines(source: Data) -> Iterator[str]:
    outside = "; from outside the five documents" if source["outside"] else ""
    details = ", ".join(str(source[name]) for name in ("title", "publisher", "date") if source[name])
    yield from wrapped(f"{source['source']}: {details}{outside}", "  ", "    ")


# ---- a reference -------------------------------------------------------------------------------------------------


def reference_lines(said: Data) -> Iterator[str]:
    """The page of a reference as text."""
    yield heading(said["reference"], level=1)
    yield from wrapped(said["title"])
    yield ""
    yield from labelled("service", said["service"])
    yield from labelled("file", said["file"])
    yield from _section("Records", said["records"], _record_lines)
    yield from _section("Sources cited", said["sources"], _source_lines)


def _record_lines(record: Data) -> Iterator[str]:
    yield ""
    yield from wrapped(f"{record['id']}: {record['says']}", "  ", "    ")
    for name, value in record["values"].items():
        yield from wrapped(
            f"{name.replace('_', ' ')}: {', '.join(map(str, value)) if isinstance(value, list) else value}", "    ", "      "
        )
    yield from wrapped(f"— {cited(record['cite'])}", "    ", "      ")
    for cite in record["see"]:
        yield from wrapped(f"— see also {cited(cite)}", "    ", "      ")


# ---- the list -----------------------------------------------------------------------------------------------------


def list_lines(said: Data) -> Iterator[str]:
    """Every policy, service by service, then every reference."""
    for service in dict.fromkeys(each["service"] for each in [*said["policies"], *said["references"]]):
        yield heading(service)
        for policy in (each for each in said["policies"] if each["service"] == service):
            counts = f"{many(policy['rules'], 'rule')}, {many(policy['notices'], 'notice')}, {span_words(policy)}"
            yield f"  {policy['policy']:28}  {counts}, edition {short(policy['edition'])}"
            yield from wrapped(policy["question"], "    ")
        for reference in (each for each in said["references"] if each["service"] == service):
            yield f"  {reference['reference']:28}  {many(reference['records'], 'record')} of cited data"
            yield from wrapped(reference["title"], "    ")
