"""A process that exchanges data with another one until that one ends."""

import sys
import time

import numpy as np
from jax.experimental import multihost_utils

from ipixmatch_jax.distributed import processes

if __name__ == "__main__":
    mode, port, process = sys.argv[1:]
    processes.initialise(
        f"localhost:{port}", 2, int(process), heartbeat_seconds=5
    )
    with processes.report_lost_process():
        multihost_utils.process_allgather(np.int32(1))
        print("ready", flush=True)
        while True:
            if mode == "talks":
                multihost_utils.process_allgather(np.int32(1))
            time.sleep(0.1)
