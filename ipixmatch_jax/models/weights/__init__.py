"""Other projects' weight files and their names."""
