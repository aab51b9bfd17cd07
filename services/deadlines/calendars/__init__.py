"""What is due, as calendars that a host or a person subscribes to: iCalendar feeds (RFC 5545), each opened by a token of its own.

A package, by subject, in the order of the data::

    api.py         HTTP: calendars are made, listed and revoked; the feed, which a calendar program reads
    tokens.py      who may read which calendar: made, shown once, kept as a hash, revoked
    reading.py     whose calendar it is, and the placements and deadlines that it is made of
    entries.py     what stands in it on a day
    wording.py     an entry in words
    feed.py        entries as iCalendar

A duty of a placement is one VEVENT whose UID stays through every revision, so that a changed deadline moves in a reader's calendar
instead of standing there twice; SEQUENCE counts every change of it. Nothing in a feed hangs on the time at which it is read: DTSTAMP and
LAST-MODIFIED are days from the data, and the same state gives the same bytes. What was withdrawn is shown as cancelled for a while.
"""
