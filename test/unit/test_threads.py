"""A thread that fails takes its process along and says why."""

import subprocess
import sys
import threading

from gen_nodes.threads import start_thread

FAILING = """
import time
from gen_nodes.threads import start_thread

def work():
    raise ValueError('the scales\\nare off')

start_thread(work, 'weigher')
time.sleep(20)
"""


def test_a_thread_that_raises_ends_the_process_with_status_1_and_one_line():
    done = subprocess.run(
        [sys.executable, '-c', FAILING], capture_output=True, text=True, timeout=15
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "thread 'weigher' failed, ValueError: the scales are off (<string>:" in line


def test_a_thread_that_returns_ends_alone():
    ran = threading.Event()
    thread = start_thread(ran.set, 'weigher')
    thread.join(5)
    assert ran.is_set() and not thread.is_alive() and thread.daemon
