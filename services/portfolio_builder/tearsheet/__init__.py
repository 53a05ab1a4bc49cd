"""A study on one page of HTML that needs nothing else: no script, no picture, no font. Pure.

The same result gives the same bytes. Names come from people, so that all text is escaped, and none
of it is ever in a picture.
"""
