"""Places on disk and in stores, untrusted data, archives, Parquet, writing, the run lock."""
