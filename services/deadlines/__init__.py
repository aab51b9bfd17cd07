"""deadlines: what is due for a placement, from whom, by when; was it on time; whose lateness was it?

* **Hears** placements, documents and alerts; contracts, meetings, reports and whether a meeting was quorate.
* **Decides** the deadlines of a placement (``policies/placement-deadlines.yaml``), and with every stroke of the clock which of
  them approach and which were missed; attributes lateness to the first missed link of the chain. Decides the milestones of a contract
  (``contract-milestones``), what a body owes in a calendar year and whether it was enough (``governance-calendar``, ``governance-year``).
* **Keeps** the evidence, the waivers and all that was known before: it can be read as on any past day.
* **Says** deadline.set, .approaching, .met, .missed, .waived, .withdrawn; milestone.set, .approaching, .met, .missed, .withdrawn.

Start reading at ``app.py``.
"""
