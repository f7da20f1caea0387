#!/usr/bin/env python3
"""A flood of logins: hashes a second beside the bare scrypt crate, and what readers notice of it.

    loadtests/login_flood.py [--binary target/measure/veritable] [--hashes target/measure/examples/hashes]
                             [--seconds 6] [--rounds 3] [--clients 256] [--nice 0]

Needs wrk. Builds: `cargo build --profile measure` and `cargo build --profile measure -p veritable-domain --example
hashes`. Every login is of another name and from another address, as a proxy in front says, so that no limit of one
ends the flood; none of the names is known, which costs a hash all the same. First the rates, interleaved: as many
clients as may wait for a hash, and the bare crate on as many threads. Then cached reads at 64 connections without the
flood and with it, and the event loops' lag in both.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import urllib.request

from common import free_port, get, spread, start_veritable, stop, wait_for, wrk_rate

SETTINGS = {"VERITABLE_ACCOUNTS_PLAIN_HTTP": "on", "VERITABLE_LOG_LEVEL": "warn"}
# Waiting clients that keep both workers' threads busy without finding the queue full.
PATIENT = 16
CORES = 2

FLOOD = """
local csrf, cookie, seed = "{csrf}", "{cookie}", {seed}
local n, counts = 0, {{}}
math.randomseed(seed)
request = function()
  n = n + 1
  local from = string.format("10.%d.%d.%d", math.random(0, 255), math.random(0, 255), math.random(1, 254))
  local body = string.format("csrf=%s&user=nobody%d_%d&password=several+unusual+words", csrf, seed, n)
  return wrk.format("POST", "/login", {{["Cookie"] = "guest=" .. cookie, ["X-Forwarded-For"] = from,
    ["Content-Type"] = "application/x-www-form-urlencoded"}}, body)
end
-- Who is told to come back later does, or asks again at once.
local patient, owed = {patient}, {{}}
delay = function() return table.remove(owed) or 0 end
response = function(status, headers)
  if status == 429 and patient then table.insert(owed, 1000 * headers["retry-after"]) end
  counts[status] = (counts[status] or 0) + 1
  local said = "" for s, c in pairs(counts) do said = said .. s .. "=" .. c .. " " end wrk.thread:set("said", said) end
local threads = {{}}
setup = function(thread) table.insert(threads, thread) end
done = function() for _, t in ipairs(threads) do print("STATUS " .. (t:get("said") or "")) end end
"""


def form(base):
    """What the form of a guest holds: its secret and the cookie that it belongs to."""
    with urllib.request.urlopen(f"{base}/login") as page:
        cookie = re.search(r"guest=([^;]+)", page.headers["Set-Cookie"]).group(1)
        return re.search(r'name="csrf" value="([^"]+)"', page.read().decode()).group(1), cookie


def flood(base, folder, clients, seconds, seed, patient=False):
    """Answers by status, each second."""
    csrf, cookie = form(base)
    script = pathlib.Path(folder) / f"flood-{seed}.lua"
    script.write_text(FLOOD.format(csrf=csrf, cookie=cookie, seed=seed, patient=str(patient).lower()))
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "60s", "-s", str(script), base]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    took = float(re.search(r"requests in ([\d.]+)s", out).group(1))
    counts = dict(pair.split("=") for pair in re.search(r"STATUS (.*)", out).group(1).split())
    return {int(status): int(count) / took for status, count in counts.items()}


def lag(binary, data):
    out = subprocess.run([binary, "status", "--json", "--data-dir", data], capture_output=True, check=True).stdout
    return json.loads(out)["times"]["loop_lag"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default="target/measure/veritable")
    parser.add_argument("--hashes", default="target/measure/examples/hashes")
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=256)
    parser.add_argument("--nice", type=int, default=0,
                        help="the generators give way to the server by so much (nice(2)), as if they ran on cores of their own; "
                             "needs root")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = f"{folder}/data"
        port = free_port()
        base = f"http://127.0.0.1:{port}"

        def serving():
            server = start_veritable(asked.binary, data, port, SETTINGS)
            wait_for(f"{base}/livez", server)
            os.nice(asked.nice)
            return server

        def ended(server):
            os.nice(-asked.nice)
            stop(server)

        server = serving()
        try:
            ours, bare = [], []
            for number in range(asked.rounds):
                said = flood(base, folder, PATIENT, asked.seconds, number)
                ours.append(said.get(401, 0))
                out = subprocess.run([asked.hashes, str(CORES), str(asked.seconds)], capture_output=True, check=True)
                bare.append(float(out.stdout))
            ratio = [mine / theirs for mine, theirs in zip(ours, bare)]
            print(f"logins a second, {PATIENT} clients: {spread(ours, 1)}; bare scrypt on {CORES} threads: "
                  f"{spread(bare, 1)}; ratio {spread(ratio, 3)}")
        finally:
            ended(server)
        for name, patient in (("who come back when they are told to", True), ("who ask again at once", False)):
            notice(asked, folder, base, data, (serving, ended), name, patient)


def notice(asked, folder, base, data, server_of, name, patient):
    """What readers notice of a flood of clients of one kind."""
    serving, ended = server_of
    calm, busy, lags, refused = [], [], {False: [], True: []}, []
    for number in range(asked.rounds):
        # The lag is told since the start: a server of its own for each state.
        server = serving()
        try:
            get(f"{base}/latest")
            calm.append(wrk_rate(f"{base}/latest", 64, asked.seconds)["p99"])
            lags[False].append(lag(asked.binary, data)["p999"])
        finally:
            ended(server)
        server = serving()
        try:
            get(f"{base}/latest")
            said = {}
            seconds, seed = asked.seconds + 2, 1_000 + number
            storm = threading.Thread(
                target=lambda: said.update(flood(base, folder, asked.clients, seconds, seed, patient)))
            storm.start()
            threading.Event().wait(1)
            busy.append(wrk_rate(f"{base}/latest", 64, asked.seconds)["p99"])
            storm.join()
            if not said.get(429):
                sys.exit("there was no flood: nobody was refused")
            lags[True].append(lag(asked.binary, data)["p999"])
            refused.append(said)
        finally:
            ended(server)
    print(f"cached reads, 64 connections, p99 ms: {spread(calm, 2)} calm, {spread(busy, 2)} under a flood of "
          f"{asked.clients} clients {name}; ratio {spread([b / c for b, c in zip(busy, calm)], 2)}")
    print(f"event loops' lag, p99.9 ms: {spread(lags[False], 2)} calm, {spread(lags[True], 2)} under the flood")
    print("answers a second to the flood, by status: "
          + "; ".join(", ".join(f"{s}: {c:.0f}" for s, c in sorted(said.items())) for said in refused))


if __name__ == "__main__":
    main()
