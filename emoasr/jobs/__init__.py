"""What the commands do: imported once their flags are known to be right."""
