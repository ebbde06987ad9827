"""Step, data, augmentation, sharding, several processes, scoring, metrics, model card."""
