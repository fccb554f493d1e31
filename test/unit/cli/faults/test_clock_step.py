"""The wall clock of a process is stepped while it runs; its steady clock is not."""

import os
import subprocess
import sys

from gen_nodes.cli.faults.clock_step import ClockStep

ASK = 'import time\nfor _ in iter(input, "end"): print(time.time(), time.monotonic(), flush=True)'


def test_a_step_moves_the_wall_clock_of_a_running_process_and_not_its_steady_clock(tmp_path):
    clock = ClockStep(tmp_path)
    process = subprocess.Popen(
        [sys.executable, '-c', ASK],
        env={**os.environ, **clock.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )

    def now() -> tuple[float, float]:
        process.stdin.write('?\n')
        wall, steady = process.stdout.readline().split()
        return float(wall), float(steady)

    with process:
        before = now()
        clock.step(10.0)
        ahead = now()
        clock.step(-20.0)
        behind = now()
        process.stdin.write('end\n')
    for later, by in ((ahead, 10.0), (behind, -10.0)):
        assert abs(later[0] - before[0] - by) < 5
        assert 0 <= later[1] - before[1] < 5
