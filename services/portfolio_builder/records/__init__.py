"""Track records as developers send them: a file to rows of days, and what was made of it. Pure.

reader: bytes to a table · cells, days: what a cell says · columns: which column is what · units:
percent or fraction · figures: statistics of daily returns · review: all of it together, with what a
person has to confirm.
"""
