#!/usr/bin/env python3
"""Durable posts a second: over HTTP, beside a plain loop and a group commit without HTTP or another process.

    loadtests/durable.py DATA_DIR [--binary target/measure/veritable] [--seconds 5] [--rounds 3]

DATA_DIR holds an imported community and is copied: it stays as it is. Needs wrk. The same posts go
  (a) into the database by a plain loop, one transaction each,
  (b) by group commits in one process, as many together as clients would wait,
  over HTTP by 1, 64 and 1,024 connections, each with one post on its way,
all with synchronous=FULL, each on a fresh copy, in turn within each round, so that the machine's drift hits all. Printed: posts a second
and server CPU microseconds each, as medians of the rounds with their ranges.
"""

import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

from common import cpu_seconds, free_port, get, spread, start_veritable, stop, wait_for

CLIENTS = [1, 64, 1024]
SCRIPT = """
local count, thread = 0, 0
function setup(t) t:set("id", thread); thread = thread + 1 end
function init(args) token = args[1]; topics = tonumber(args[2]) end
local words = "The quick brown fox jumps over the lazy dog and some more words follow to make a usual post of it."
function request()
  count = count + 1
  local body = '{"body": "' .. words .. ' ' .. id .. ' ' .. count .. '"}'
  return wrk.format("POST", "/api/topics/" .. (count % topics + 1) .. "/posts",
    {["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json"}, body)
end
local failed = 0
function response(status) if status ~= 201 then failed = failed + 1 end end
"""


def over_http(binary, data_dir, token, clients, seconds, folder):
    port = free_port()
    server = start_veritable(binary, str(data_dir), port, {"VERITABLE_LOG_LEVEL": "warn"})
    try:
        wait_for(f"http://127.0.0.1:{port}/latest", server)
        script = folder / "post.lua"
        script.write_text(SCRIPT)
        before = cpu_seconds(server.pid)
        out = subprocess.run(
            ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "--timeout", "20s", "-s", str(script),
             f"http://127.0.0.1:{port}", "--", token, "1000"],
            capture_output=True, text=True, check=True).stdout
        cpu = cpu_seconds(server.pid) - before
    finally:
        stop(server)
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"not every post was taken:\n{out}")
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    p99 = re.search(r"99%\s+([\d.]+\w+)", out).group(1)
    return rate, cpu / requests * 1e6, p99


def without_http(bench, data_dir, batch, seconds):
    out = subprocess.run([bench, str(data_dir), str(batch), str(seconds)], capture_output=True, text=True, check=True).stdout
    rate, cpu = out.split()
    return float(rate), float(cpu)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir", type=pathlib.Path)
    parser.add_argument("--binary", default="target/measure/veritable")
    parser.add_argument("--bench", default="target/measure/examples/posts")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory(dir=asked.data_dir.parent) as folder:
        folder = pathlib.Path(folder)
        copy = folder / "data"
        for _ in range(asked.rounds):
            def fresh():
                shutil.rmtree(copy, ignore_errors=True)
                copy.mkdir()
                for name in ("forums.db", "notebooks.db"):
                    shutil.copy(asked.data_dir / name, copy / name)
                # What was just copied is not to be written to the disk while posts are.
                os.sync()
            for name, batch in (("(a) plain loop", 1), ("(b) in process, 64", 64), ("(b) in process, 1,024", 1024)):
                fresh()
                figures.setdefault(name, []).append(without_http(asked.bench, copy, batch, asked.seconds))
            for clients in CLIENTS:
                fresh()
                token = subprocess.run([asked.bench, str(copy), "token"], capture_output=True, text=True, check=True).stdout.strip()
                rate, cpu, p99 = over_http(asked.binary, copy, token, clients, asked.seconds, folder)
                figures.setdefault(f"HTTP, {clients} clients", []).append((rate, cpu))
                print(f"HTTP {clients}: {rate:.0f}/s, {cpu:.0f} us, p99 {p99}", file=sys.stderr)
    for name, rounds in figures.items():
        print(f"{name:24} {spread([r[0] for r in rounds])} posts/s, {spread([r[1] for r in rounds])} us each")
    def ratio(one, other):
        return statistics.median(a[0] / b[0] for a, b in zip(figures[one], figures[other]))
    print(f"64 clients / (a): {ratio('HTTP, 64 clients', '(a) plain loop'):.2f}")
    print(f"1,024 clients / (b): {ratio('HTTP, 1024 clients', '(b) in process, 1,024'):.2f}")


if __name__ == "__main__":
    main()
