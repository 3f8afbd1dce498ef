"""Methods: pure functions from views to a loss and its Consistency list."""
