"""A generated rotation for the demo and the tests: ``rotation-2027-08.jsonl``.

The organisations are real public bodies (``shared/organisations.yaml``). Everything else is invented: every person,
contact, placement, post, document, date and concern, and how punctual each organisation is. Names of people end in
"(invented)"; addresses are in example.org and example.net, which nobody can receive mail at.

Reading order: ``rotation`` (the command; who goes where, and what goes wrong), ``documents`` (who issued what, when),
``people`` (recipients), ``places`` (hosts, sites, grades), ``envelopes`` (the two line shapes).
"""
