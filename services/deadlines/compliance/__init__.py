"""Was it on time, and whose lateness was it? Tables of exact fractions by host, lead employer, region, specialty and month; the return.

A package, by subject, in the order of the data::

    api.py         HTTP in: what is asked, answered as JSON or CSV
    reading.py     the placements that are asked for, by the chunk, as they were known on a day
    figures.py     what is measured, and how many of how many were on time
    targets.py     is that enough? The policy on-time-targets decides
    exceptions.py  what drags a figure down: the worst of what was late, with the chain that caused it
    tables.py      figures by group, as JSON and CSV
    quarterly.py   the return of February, April, August and December

A duty counts once its due day is over, or once it was met before. Withdrawn placements and ended revisions do not count; what is waived
counts by itself. Nothing due is *no data*, neither 0 nor 100 %. What is late through another's fault is late, and charged to the other.
"""
