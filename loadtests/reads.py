#!/usr/bin/env python3
"""Uncached topic lists, threads and wiki pages: server CPU microseconds each, and latency at 64 connections.

    loadtests/reads.py DATA_DIR [--binary target/measure/veritable] [--seconds 4] [--rounds 3]

DATA_DIR holds the community that loadtests/community.py makes. Needs wrk. Of each kind hundreds of addresses are asked
in turn, with a shared cache of 16 entries and no copies in the workers, so that nearly every answer is made anew.
Printed beside the figures: which part of the answers came from the cache all the same.
"""

import argparse
import json
import pathlib
import tempfile
import urllib.parse

from peers import free_port, get, spread, start_veritable, stop, wait_for, wrk

UNCACHED = {"VERITABLE_CACHE_ENTRIES": "16", "VERITABLE_CACHE_WORKER_BYTES": "0", "VERITABLE_LOG_LEVEL": "warn"}


def walk(base, path, name, pages):
    """Pages of a list, by its cursors: their addresses and what they hold."""
    cursor, addresses, found = "", [], []
    for _ in range(pages):
        address = f"{path}?limit=50" + (f"&{name}={cursor}" if cursor else "")
        page = json.loads(get(base + address)[0])
        addresses.append(address)
        found += page.get("topics") or page.get("pages") or []
        if not page.get("next"):
            break
        cursor = urllib.parse.quote(page["next"])
    return addresses, found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir")
    parser.add_argument("--binary", default="target/measure/veritable")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    server = start_veritable(asked.binary, asked.data_dir, port, UNCACHED)
    try:
        wait_for(f"{base}/livez", server)
        lists, topics = walk(base, "/api/forums/topics", "before", 200)
        _, pages = walk(base, "/api/wiki/pages", "from", 100)
        full = [topic for topic in topics if topic["post_count"] >= 50][:1000]
        kinds = {
            "topic list of 50, API": lists,
            "topic list, page": [a.replace("/api/forums/topics?limit=50", "/latest?").replace("?&", "?") for a in lists],
            "thread of 50, API": [f"/api/topics/{t['id']}/posts?limit=50" for t in full],
            "thread, page": [f"/t/{t['slug']}/{t['id']}" for t in full],
            "wiki page": [page["path"] for page in pages],
        }
        print("| what | addresses | bytes | requests/s | p50 ms | p99 ms | CPU us each |\n|---|---|---|---|---|---|---|")
        with tempfile.TemporaryDirectory() as folder:
            for name, addresses in kinds.items():
                script = pathlib.Path(folder) / "walk.lua"
                listed = ",".join(json.dumps(address, ensure_ascii=False) for address in addresses)
                script.write_text(f"local paths = {{{listed}}}\nlocal at = 0\n"
                                  "request = function() at = at % #paths + 1 return wrk.format('GET', paths[at]) end\n")
                size = sum(len(get(base + address)[0]) for address in addresses[:20]) // len(addresses[:20])
                runs = [wrk(base, server.pid, asked.seconds, str(script)) for _ in range(asked.rounds)]
                cells = [spread([run[key] for run in runs], digits)
                         for key, digits in (("rate", 0), ("p50", 2), ("p99", 2), ("cpu_us", 1))]
                print(f"| {name} | {len(addresses)} | {size} | {' | '.join(cells)} |", flush=True)
    finally:
        stop(server)


if __name__ == "__main__":
    main()
