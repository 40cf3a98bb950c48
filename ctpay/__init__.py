"""The composition root: settings, logs and the command line. The only place where clocks, ids and sessions are made."""
