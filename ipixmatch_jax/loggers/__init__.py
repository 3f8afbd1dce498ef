"""The programs in which a run's curves can be watched."""
