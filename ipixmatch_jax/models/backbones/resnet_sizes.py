"""Sizes of the ResNets: blocks per stage, and width of the first stage."""

# The width is that before the expansion by 4.
SIZES = {
    "r50": ((3, 4, 6, 3), 64),
    "r101": ((3, 4, 23, 3), 64),
    # For CPUs: the same code, narrow and shallow.
    "tiny": ((1, 1, 1, 1), 16),
    # ResNet-50 up to conv4, the "C4" of object detectors.
    "r50c4": ((3, 4, 6), 64),
}
