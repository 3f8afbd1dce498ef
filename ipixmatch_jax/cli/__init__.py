"""The commands by name, their flags, and how they speak."""
