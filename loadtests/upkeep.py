#!/usr/bin/env python3
"""Latency of reads while the databases are kept in order, beside the same without.

    loadtests/upkeep.py DATA_DIR [--binary target/measure/veritable] [--seconds 3] [--windows 5]

DATA_DIR holds the community that loadtests/community.py makes and is copied. The copy's sources of posts are deleted
first, which leaves free pages to give back, and the mark of the last check, so that the whole file is checked.
Needs wrk: 16 connections, each waiting 5 ms between an answer and its next question, ask for lists that are made anew
each time. Windows in which `veritable status` shows that something was kept in order, and then windows in
which a backup is made, are compared with windows in which nothing was.
"""

import argparse
import json
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import time

from common import UNCACHED, free_port, spread, start_veritable, stop, walk, wait_for, wrk_rate


def status(binary, data_dir):
    out = subprocess.run([binary, "status", "--json", "--data-dir", str(data_dir)], capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir", type=pathlib.Path)
    parser.add_argument("--binary", default="target/measure/veritable")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--windows", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.data_dir.parent) as folder:
        folder = pathlib.Path(folder)
        copy = folder / "data"
        copy.mkdir()
        for name in ("forums.db", "notebooks.db"):
            shutil.copy(asked.data_dir / name, copy / name)
        db = sqlite3.connect(copy / "forums.db", isolation_level=None)
        db.execute("DELETE FROM post_revisions")
        db.execute("DELETE FROM facts WHERE name = 'checked_at'")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        free = db.execute("PRAGMA freelist_count").fetchone()[0] / db.execute("PRAGMA page_count").fetchone()[0]
        db.close()
        print(f"{free:.0%} of the pages are free at first")
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        server = start_veritable(asked.binary, str(copy), port, UNCACHED)
        try:
            wait_for(f"{base}/livez", server)
            lists = walk(base, "/api/forums/topics", "before", 200)
            script = folder / "walk.lua"
            listed = ",".join(json.dumps(address) for address in lists)
            script.write_text(f"local paths = {{{listed}}}\nlocal at = 0\nfunction delay() return 5 end\n"
                              "request = function() at = at % #paths + 1 return wrk.format('GET', paths[at]) end\n")

            def window():
                return wrk_rate(base, 16, asked.seconds, str(script))

            def state():
                return status(asked.binary, copy)["databases"]["forums"]

            found = {"in order": [], "kept in order": [], "backup": []}
            quiet, before = 0, state()
            deadline = time.monotonic() + 300
            while quiet < asked.windows and time.monotonic() < deadline:
                figures = window()
                after = state()
                if after == before and not after["check_since"] and not after["task"]:
                    quiet += 1
                    found["in order"].append(figures)
                else:
                    quiet = 0
                    found["kept in order"].append(figures)
                before = after
            # Only those after which nothing changed any more.
            found["in order"] = found["in order"][-asked.windows:]
            for number in range(asked.windows):
                backup = subprocess.Popen([asked.binary, "backup", str(folder / f"backup{number}"), "--data-dir", str(copy)],
                                          stdout=subprocess.DEVNULL)
                while backup.poll() is None:
                    found["backup"].append(window())
                if backup.returncode:
                    raise SystemExit(f"backup: exit code {backup.returncode}")
                shutil.rmtree(folder / f"backup{number}", ignore_errors=True)
            print(json.dumps(before))
            print("| what | windows | requests/s | p50 ms | p99 ms |\n|---|---|---|---|---|")
            for name, windows in found.items():
                if windows:
                    cells = [spread([w[key] for w in windows], digits) for key, digits in (("rate", 0), ("p50", 2), ("p99", 2))]
                    print(f"| {name} | {len(windows)} | {' | '.join(cells)} |")
            usual = statistics.median(w["p99"] for w in found["in order"])
            for name in ("kept in order", "backup"):
                if found[name]:
                    print(f"p99, {name}: {statistics.median(w['p99'] for w in found[name]) / usual:.2f} times the usual")
            print("loop lag over all of it, ms:", json.dumps(status(asked.binary, copy)["times"]["loop_lag"]))
        finally:
            stop(server)


if __name__ == "__main__":
    main()
