"""Bucketing, the runner, pooling, long recordings, compiled programs."""
