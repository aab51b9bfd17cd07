"""The product alone: is it slower on full tables, and does the memory of a worker grow?"""

import sys
import time
from contextlib import closing
from dataclasses import asdict
from statistics import median

from shared.samples.places import LEAD_EMPLOYER
from tests.bench.bus import job
from tests.bench.bus.bus import SINK, Bus
from tests.bench.bus.measure import WARM_UP, Contender, Nodes, Run, Site, Stored, Wrong, measure
from tests.bench.bus.workers import Workers

CHUNK = 10_000
SLOWEST_LONG_RUN = 300
"""Events/s below which the long run is given up."""


# ---- on full tables ----------------------------------------------------------------------------------------------


def on_stored(nodes: Nodes, contender: Contender, placements: int, events: int, rounds: int) -> dict[str, bool]:
    """The contender on empty tables and on so many placements with their deadlines, in turns; gives the goal, met or not."""
    empty, full = list[Run](), list[Run]()
    with nodes.site(contender) as place:
        print(f"storing {placements:,} placements and {placements * job.DUTIES:,} deadlines …", file=sys.stderr)
        store(place, placements)
        first = placements
        for round_ in range(rounds):
            with nodes.vhost() as bus_url:
                full.append(measure(nodes, contender, Site(place.template, bus_url, first), events))
            first += WARM_UP + events
            with nodes.site(contender) as site:
                empty.append(measure(nodes, contender, site, events))
            print(f"round {round_ + 1}: empty {empty[-1].rate:,.0f}, full {full[-1].rate:,.0f} events/s", file=sys.stderr)
    rates = [median(run.rate for run in runs) for runs in (empty, full)]
    print(f"{contender.name}: {rates[0]:,.0f} events/s on empty tables, {rates[1]:,.0f} on {placements:,} placements and their deadlines")
    return {f"at most 10 % slower on full tables ({1 - rates[1] / rates[0]:.0%})": rates[1] >= 0.9 * rates[0]}


PLACEMENTS = """
    INSERT INTO placements (placement_id, trainee_id, host, host_name, site, lead_employer, specialty, grade, whole_time_equivalent,
                            placement_type, start_date, end_date, heard_at, changes, site_name)
    SELECT (10000000 + number)::text, (100000 + number)::text, host, 'Host ' || host, host || '01', %(lead)s, 'Cardiology', 'ST3', 1,
           'in-post', start_date, start_date + 181, %(heard)s, 0, ''
    FROM generate_series(0, %(count)s - 1) AS number,
         LATERAL (SELECT (%(hosts)s::text[])[1 + number %% cardinality(%(hosts)s::text[])] AS host,
                         (%(days)s::date[])[1 + number / 7 %% cardinality(%(days)s::date[])] AS start_date) AS chosen"""
DEADLINES = """
    INSERT INTO deadlines (deadline_id, placement_id, revision, rule, duty, owner, recipient, host, host_name, lead_employer,
                           trainee_id, start_date, due, caused_by, decision_id, set_on, next_on, state, version, reason)
    SELECT placement_id || '/' || rule || '/1', placement_id, 1, rule, %(duty)s, %(owner)s, %(recipient)s, host, host_name, lead_employer,
           trainee_id, start_date, start_date - %(days)s, %(caused_by)s, %(decision)s, %(today)s, start_date - %(days)s - %(notice)s,
           'set', 1, ''
    FROM placements, (SELECT %(rule)s AS rule) AS duty"""


def store(site: Site, placements: int) -> None:
    """Fill the product's own tables: placements numbered from 0, each with its seven deadlines."""
    hosts, heard = [host.code for host in job.SOME_HOSTS], job.SAID_AT.replace(tzinfo=None)
    order = site.order
    with site.database() as database:
        given = {"count": placements, "lead": LEAD_EMPLOYER, "heard": heard, "hosts": hosts, "days": job.WEDNESDAYS}
        database.execute(PLACEMENTS, given)
        for duty in order.duties:
            days = {"decision": order.decision_id, "today": job.TODAY, "notice": order.notice_days}
            database.execute(DEADLINES, {**asdict(duty), **days})
        database.execute("VACUUM ANALYZE")


# ---- for long ----------------------------------------------------------------------------------------------------


def long_run(nodes: Nodes, contender: Contender, events: int) -> dict[str, bool]:
    """So many events through one worker, its memory sampled after each chunk; gives the goals, met or not."""
    with nodes.site(contender) as site, closing(Bus(site.bus_url)) as bus, site.database() as database:
        before = Stored.of(database)
        workers = Workers(contender.command, 1, contender.environment(site), nodes.folder / "long.log")
        started, samples, said = time.monotonic(), list[float](), 0
        try:
            contender.put(site, job.bodies(0, CHUNK))
            for first in range(0, events, CHUNK):
                if first + CHUNK < events:
                    contender.put(site, job.bodies(first + CHUNK, CHUNK))  # the worker never runs dry
                said = wait_for(bus, workers, said, (first + CHUNK) * job.DUTIES, started + 60 + (first + CHUNK) / SLOWEST_LONG_RUN)
                samples.append(workers.usage().resident)
                print(f"{first + CHUNK:>10,} events: {samples[-1]:.1f} MB", file=sys.stderr)
            peak, seconds = workers.usage().peak, time.monotonic() - started
        finally:
            workers.stop()
        found, wanted = Stored.of(database), before.after(events)
        if found != wanted or said != events * job.DUTIES:
            raise Wrong(f"There are {found}, not {wanted}; {said:,} events were said, not {events * job.DUTIES:,}.")
    early, late = median(samples[: len(samples) // 10 or 1]), median(samples[-(len(samples) // 10 or 1) :])
    print(
        f"{contender.name}: {events:,} events, {events / seconds:,.0f} a second; {early:.1f} MB in the first tenth, {late:.1f} in the last"
    )
    return {
        f"memory under 64 MB ({peak:.0f})": peak < 64,
        f"memory flat within 10 % between the first tenth and the last ({late / early - 1:+.0%})": late <= 1.1 * early,
    }


def wait_for(bus: Bus, workers: Workers, said: int, wanted: int, latest: float) -> int:
    """Until so many events were said in all; the sink is emptied meanwhile, so that the broker need not hold them. Gives how many were.

    :raises Wrong: it takes too long.
    """
    while said < wanted:
        workers.check()
        if time.monotonic() > latest:
            raise Wrong(f"{said:,} events were said in time, not {wanted:,}.")
        time.sleep(0.2)
        if bus.count(SINK):
            said += bus.empty_sink()
    return said
