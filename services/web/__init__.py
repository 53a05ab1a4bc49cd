"""web: the one port to expose. Serves the built admin UI and forwards to the services behind it.

Reads: files of `frontend-admin/dist`, and why they are not there (`.data/run/ui.txt`).
Writes: nothing.  Publishes: nothing.  Port: 5173 (HTTP), 9106 (ops: /health and /metrics).

It knows no user and no secret: whoever is asked behind it decides who may. Trading does not need
it: signals are taken here and at the gateway's own port alike.
"""
