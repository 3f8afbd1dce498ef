"""Networks: encoders, heads, and pretrained weights for them."""
