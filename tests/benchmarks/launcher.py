"""Runs commands for the benchmarks, from a process that is small.

The most memory that a process ever had is counted from its parent's on, so a large parent would hide what a small
child takes. One command a line of JSON comes in, what it cost goes out.
"""

import json
import os
import subprocess
import sys
import time

for line in sys.stdin:
    asked = json.loads(line)
    with open(asked["output"], "wb") as output:
        started = time.perf_counter()
        child = subprocess.Popen(asked["command"], cwd=asked["cwd"], env=asked["env"], stdout=output, stderr=output)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
    cost = {"status": child.returncode, "wall": wall, "cpu": usage.ru_utime + usage.ru_stime}
    print(json.dumps({**cost, "memory": usage.ru_maxrss / 1024}), flush=True)
