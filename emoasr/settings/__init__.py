"""What a configuration may say: its fields, choices and bounds; overrides; nothing heavy."""
