"""deadlines: what is due for a placement, from whom, by when; was it on time; whose lateness was it?

* **Hears** placements, documents and alerts.
* **Decides** the deadlines of a placement (``policies/placement-deadlines.yaml``), and with every stroke of the clock which of
  them approach and which were missed; attributes lateness to the first missed link of the chain.
* **Says** deadline.set, .approaching, .met, .missed, .withdrawn.
* **Shows** what is due as a calendar (``calendar.py``), and takes the spreadsheets of TIS's bulk upload (``uploads.py``).

Start reading at ``app.py``.
"""
