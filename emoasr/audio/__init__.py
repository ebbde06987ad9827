"""Reading audio, what its header promises, what libsndfile opens, chunks of long recordings."""
