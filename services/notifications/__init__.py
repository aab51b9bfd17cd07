"""notifications: who has to hear of it, how, and did it reach them, exactly once?

* **Hears** placements, recipients, deadlines, milestones, assigned responsibilities, procurement routes and post moves.
* **Decides** who is told, at which contact, on which channel (``policies/alert-contacts.yaml``), whether it is news to them, and when
  it leaves (``policies/alert-pace.yaml``, and what its reader has chosen); and, asked by a person, who must be told of any matter of the
  five documents (``policies/who-is-told.yaml``).
* **Says** alert.sent, alert.failed, alert.bounced and alert.acknowledged.

An alert is one message to one party on one channel. Its way, in the order of the data::

    app.py           what it is made of: start reading here
    consumers.py     events in; ends with the CONSUMERS table
    news.py          what there is to say, from each event; milestones.py: of a milestone
    decisions.py     news -> alerts: who is told, by policy, unless it is no news to them
    contacts.py      whom one can reach, and the address of an alert; mending.py: alerts that came back, once more
    pace.py          when an alert leaves, by policy and choice; timing.py: an alert and its time; edits.py: edits that are joined
    letters.py       an alert in words (``templates/<kind>/<channel>.<version>.txt``); wording.py: how facts read in them
    digests.py       several alerts in one message; gathering.py: the chore that gathers them
    senders/         each alert leaves once; receipts.py: what providers say of it afterwards
    acknowledging.py somebody says that it was seen; escalation.py: nobody did, so the second contact is told
    api.py           HTTP: alerts, their messages and receipts, inboxes; register_api.py: contacts and how they want to be told
    schemas.py       HTTP shapes; models.py: the tables
"""
