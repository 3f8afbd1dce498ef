"""The fields of a run, config files, and saved configs."""
