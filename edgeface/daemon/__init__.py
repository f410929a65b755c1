"""The threads of the daemon: start, supervise, reload, stop."""
