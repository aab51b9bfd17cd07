"""The screen at the end of the demo: compliance, causes, alerts, two decisions, and what to do next."""

from typing import Any

from services.demo import Replay, sample_procurement
from services.screen import causes_table, compliance_table, console, counts_table, decision_panel, kpi_lines


def show(replay: Replay) -> None:
    """Ask the four services, over their HTTP, and show what they answer."""
    screen = console()
    procurement = replay.post("/eligibility/decisions/procurement-route", sample_procurement())
    replay.house.settle()
    compliance = replay.get(f"/deadlines/compliance?by=host&rotation={replay.start:%Y-%m}")
    screen.print(compliance_table(compliance))
    for line in kpi_lines(compliance):
        screen.print(line, highlight=False)
    screen.print(causes_table(compliance["total"]["late_by_cause"]))
    screen.print(_alerts(replay))
    screen.print(decision_panel("One procurement", procurement, most=2))
    concern = _a_concern(replay)
    if concern is not None:
        screen.print(decision_panel("One concern", concern, most=2))
    refused = len(replay.report.refused)
    screen.print(f"{replay.report.taken} upstream messages taken ({replay.report.new} new), {refused} refused.")
    for number, reason in sorted(replay.report.refused.items())[:5]:
        screen.print(f"  line {number}: {reason}")
    data = replay.house.config.data
    screen.print("\n[bold]Next[/bold]: look around in what you just saw")
    screen.print(f"  TRIPARTITE_TODAY={replay.start} .venv/bin/tripartite serve --data {data}", soft_wrap=True)
    for path in (
        f"/deadlines/compliance?by=host&rotation={replay.start:%Y-%m}",
        "/notifications/alerts?kind=digest&limit=3",
        "/responsibility/cases",
        "/eligibility/policies/procurement-route?as_at=2021-06-01",
    ):
        screen.print(f"  http://127.0.0.1:8000{path}", soft_wrap=True)


def _alerts(replay: Replay) -> Any:
    counts = replay.get("/notifications/alerts/counts")["items"]
    rows = [(found["kind"], found["channel"], found["status"], found["count"]) for found in counts]
    return counts_table("Alerts, by kind and channel", ("kind", "channel", "status", "alerts"), rows)


def _a_concern(replay: Replay) -> dict[str, Any] | None:
    cases = replay.get("/responsibility/cases?status=assigned")["items"]
    return replay.get(f"/responsibility/decisions/{cases[0]['decision_id']}") if cases else None
