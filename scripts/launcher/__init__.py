"""Behind start.py, status.py, stop.py and test.py: the environment, the supervisor, its record.

`venv` and `home` need only the standard library. The supervisor (`python -m scripts.launcher`)
owns every process of one instance, which is one `MT_HOME` with one `MT_PORT_OFFSET`; what it
knows is kept in `logs/pids/<service>.pid` and `.data/run/supervisor.json`, so that processes are
found again when the supervisor itself was killed: trading does not stop because it died.
"""
