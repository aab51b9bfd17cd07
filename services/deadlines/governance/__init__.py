"""What a contract owes by when, what a body owes in a calendar year, and whether that was enough.

A package, by subject, in the order of the data::

    api.py         HTTP: contracts, milestones and their being met, bodies in a year, meetings, reports
    schemas.py     its shapes
    consumers.py   events in: what a batch needs, in a few queries, and the handlers
    contracts.py   a contract -> its milestones
    bodies.py      the bodies of a lead employer, and everything known of one
    years.py       a calendar year of a body, as the policies judge it
    decisions.py   meetings and reports -> the milestones of a body's years
    milestones.py  the life of a milestone: set, approaching, met, missed, withdrawn
    clock.py       what comes near or was missed, and every new calendar year
"""
