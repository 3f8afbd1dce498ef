"""How many threads read and write files."""

import os

READERS = min(16, 2 * (os.cpu_count() or 1))
WRITERS = 4
