"""deadlines: what is due for a placement, from whom, by when; was it on time; whose lateness was it?

* **Hears** placements, documents and alerts; contracts, meetings, reports and whether a meeting was quorate.
* **Decides** the deadlines of a placement (``policies/placement-deadlines.yaml``), and with every stroke of the clock which of
  them approach and which were missed; attributes lateness to the first missed link of the chain. Decides the milestones of a contract
  (``contract-milestones``), what a body owes in a calendar year (``governance-calendar``) and whether it was enough (``governance-year``).
* **Keeps** the evidence, the waivers and all that was known before: it can be read as on any past day.
* **Says** deadline.set, .approaching, .met, .missed, .waived, .withdrawn; milestone.set, .approaching, .met, .missed, .withdrawn.
* **Shows** what is due as calendars, and compliance as tables and returns; takes TIS's messages and spreadsheets as they come.

A placement and its deadlines stand in this folder; each other subject has a package of its own, whose card says what is in it::

    app.py           what it is made of: start reading here
    api.py           HTTP: placements with their deadlines, deadlines by host and state; people.py: waivers, documents taken back
    schemas.py       HTTP shapes; shown.py: a placement and a deadline as they are shown
    consumers.py     events in; ends with the CONSUMERS table
    clock.py         what is due, approaching or missed as the days go by
    decisions.py     what is heard of a placement -> its deadlines, and what is said of them
    duties.py        what the policy says is due; evidence.py: which document met a deadline, and where it stands
    waivers.py       who let a deadline rest, and until when
    lateness.py      whose lateness it was; history.py: what was known on a past day
    models.py        the tables, of the packages as well
    calendars/       what is due, as calendar feeds
    compliance/      was it on time: tables, targets, the quarterly return
    governance/      contracts, their milestones, and what bodies owe in a calendar year
    upstream/        TIS's messages and spreadsheets
"""
