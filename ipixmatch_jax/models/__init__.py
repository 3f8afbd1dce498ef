"""Networks: encoders, heads, and the weights that others trained."""
