"""deadlines: what is due for a placement, from whom, by when; was it on time; whose lateness was it?

* **Hears** placements, documents and alerts.
* **Decides** the deadlines of a placement (``policies/placement-deadlines.yaml``), and with every stroke of the clock which of
  them approach and which were missed; attributes lateness to the first missed link of the chain.
* **Keeps** the evidence, the waivers and all that was known before: it can be read as on any past day.
* **Says** deadline.set, .approaching, .met, .missed, .waived, .withdrawn.

Start reading at ``app.py``.
"""
