#!/usr/bin/env python3
"""Milliseconds from exec to the first 200, and memory after it, on an existing data directory.

    loadtests/startup.py DATA_DIR [--binary target/release/veritable] [--runs 11]

Every run is a whole start: master, two workers, writer with its check of the migrations. The page asked for is
the front page, so the first answer is read from the database and rendered.
"""

import argparse
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import time

from common import free_port, tree


def first_answer(port, process):
    """Connects until somebody answers; returns the status line."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"the server ended with {process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port)) as s:
                s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return s.recv(64)
        except OSError:
            time.sleep(0.0005)
    sys.exit("no answer within 30 s")


def pss_kb(pid, without_shared_memory):
    total = 0
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            total += int(line.split()[1])
        if without_shared_memory and line.startswith("Pss_Shmem:"):
            total -= int(line.split()[1])
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir")
    parser.add_argument("--binary", default="target/release/veritable")
    parser.add_argument("--runs", type=int, default=11)
    args = parser.parse_args()
    times, memory = [], []
    for _ in range(args.runs):
        port = free_port()
        command = [args.binary, "serve", "--data-dir", args.data_dir, "--listen", f"127.0.0.1:{port}", "--workers", "2"]
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        status = first_answer(port, process)
        times.append((time.monotonic() - begin) * 1000)
        if not status.startswith(b"HTTP/1.1 200"):
            sys.exit(f"answered {status!r}")
        memory.append(sum(pss_kb(pid, True) for pid in tree(process.pid)) / 1024)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    print(f"start to first 200 over {args.runs} runs: median {statistics.median(times):.0f} ms "
          f"[{min(times):.0f} - {max(times):.0f}]")
    print(f"PSS of all processes then, without shared memory: median {statistics.median(memory):.0f} MB")


if __name__ == "__main__":
    main()
