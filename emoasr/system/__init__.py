"""A command and its machine: signals, streams, processes, extras that are not installed."""
