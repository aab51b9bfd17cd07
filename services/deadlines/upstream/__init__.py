"""What TIS says of placements -> the events that it means. It is taken as it comes: messages as they are broadcast, and spreadsheets.

A package, by subject::

    api.py         HTTP: messages and spreadsheets, all of them or none
    messages.py    TIS's own message -> an event
    sheets.py      spreadsheets saved as CSV: rows by the names of their columns
    placements.py  a row of the bulk upload -> an event, or what is wrong with it
    cells.py       one cell of it

``tripartite import`` (services/import_command.py) reads files of any size by the same modules.
"""
