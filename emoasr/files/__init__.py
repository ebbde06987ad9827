"""Places on disk and in stores, untrusted data, archives, Parquet, atomic writing, run lock."""
