"""Python runs this in the process of the embedded database, and nowhere else, before its program.

Its wrapper of the storage engine keeps a reference too many to every session and cursor, so its
heap grows with each transaction, and a full pass of the garbage collector over it stops everybody:
every 6 s for 0.1 to 0.5 s, and it finds nothing (docs/performance.md). References free what it
uses. The youngest objects are still looked through, and the whole heap hardly ever.
"""

import gc

gc.set_threshold(50_000, 20, 1000)
