"""Lists of labelled and unlabelled images."""
