#!/usr/bin/env python3
"""Latency of reads and of posts while the databases are kept in order, beside the same without.

    loadtests/upkeep.py DATA_DIR [--binary target/measure/veritable] [--bench target/measure/examples/posts]
                        [--seconds 3] [--windows 5] [--rate 20]

DATA_DIR holds the community that loadtests/community.py makes and is copied. The copy's sources of posts are deleted
first, which leaves free pages to give back, and the mark of the last check, so that the whole file is checked.
Needs wrk: 16 connections, each waiting 5 ms between an answer and its next question, ask for lists that are made anew
each time. All of it once without anybody who writes, and once with somebody who posts RATE times a second, so that it is
never quiet for long. Windows in which `veritable status` shows that something was kept in order (checked, given back,
renewed, shortened; not the small steps that are done all the time), and then windows in which a backup is made, are
compared with the others.
"""

import argparse
import http.client
import json
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time

from common import UNCACHED, free_port, spread, start_veritable, stop, wait_for, walk, wrk_rate

TEXT = "The quick brown fox jumps over the lazy dog and some more words follow to make a usual post of it."
TOPICS = 1000
# What `status` shows of work that is not done all the time.
RARE = ("check_at", "vacuum_at", "optimize_at", "truncate_at")
PATIENCE = 600


class Poster(threading.Thread):
    """Posts steadily, and remembers when and how long each took."""

    def __init__(self, port, token, rate):
        super().__init__(daemon=True)
        self.port, self.token, self.pause = port, token, 1 / rate
        self.posts, self.stopped = [], threading.Event()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        due, number = time.monotonic(), 0
        while not self.stopped.is_set():
            due, number = due + self.pause, number + 1
            time.sleep(max(0, due - time.monotonic()))
            begun = time.monotonic()
            body = json.dumps({"body": f"{TEXT} {number}"})
            connection.request("POST", f"/api/topics/{number % TOPICS + 1}/posts", body, headers)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != 201:
                raise SystemExit(f"a post was not taken: {answer.status} {said}")
            self.posts.append((begun, (time.monotonic() - begun) * 1000))

    def between(self, begin, end):
        return [took for at, took in self.posts if begin <= at < end]


def status(binary, data_dir):
    out = subprocess.run([binary, "status", "--json", "--data-dir", str(data_dir)], capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


def prepare(asked, copy):
    copy.mkdir()
    for name in ("forums.db", "notebooks.db"):
        shutil.copy(asked.data_dir / name, copy / name)
    token = subprocess.run([asked.bench, str(copy), "token"], capture_output=True, text=True, check=True).stdout.strip()
    db = sqlite3.connect(copy / "forums.db", isolation_level=None)
    db.execute("DELETE FROM post_revisions")
    db.execute("DELETE FROM facts WHERE name = 'checked_at'")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    free = db.execute("PRAGMA freelist_count").fetchone()[0] / db.execute("PRAGMA page_count").fetchone()[0]
    db.close()
    print(f"{free:.0%} of the pages are free at first")
    return token


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else float("nan")


def measure(asked, folder, rate):
    copy = folder / f"data{rate}"
    token = prepare(asked, copy)
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    server = start_veritable(asked.binary, str(copy), port, UNCACHED)
    poster, longest_log = None, 0
    try:
        wait_for(f"{base}/livez", server)
        lists = walk(base, "/api/forums/topics", "before", 200)
        script = folder / "walk.lua"
        listed = ",".join(json.dumps(address) for address in lists)
        script.write_text(f"local paths = {{{listed}}}\nlocal at = 0\nfunction delay() return 5 end\n"
                          "request = function() at = at % #paths + 1 return wrk.format('GET', paths[at]) end\n")
        if rate:
            poster = Poster(port, token, rate)
            poster.start()

        def window():
            nonlocal longest_log
            begin = time.monotonic()
            figures = wrk_rate(base, 16, asked.seconds, str(script))
            figures["posts"] = poster.between(begin, time.monotonic()) if poster else []
            longest_log = max(longest_log, (copy / "forums.db-wal").stat().st_size)
            return figures

        def state():
            return status(asked.binary, copy)["databases"]["forums"]

        found = {"usual": [], "kept in order": [], "backup": []}
        usual_in_turn, before = 0, state()
        deadline = time.monotonic() + PATIENCE
        while usual_in_turn < asked.windows and time.monotonic() < deadline:
            figures = window()
            after = state()
            if all(after[name] == before[name] for name in RARE) and not after["check_since"] and after["check_at"]:
                usual_in_turn += 1
                found["usual"].append(figures)
            else:
                usual_in_turn = 0
                found["kept in order"].append(figures)
            before = after
        # Only those after which nothing was left to do.
        found["usual"] = found["usual"][-asked.windows:]
        for number in range(asked.windows):
            backup = subprocess.Popen([asked.binary, "backup", str(folder / f"backup{number}"), "--data-dir", str(copy)],
                                      stdout=subprocess.DEVNULL)
            while backup.poll() is None:
                found["backup"].append(window())
            if backup.returncode:
                raise SystemExit(f"backup: exit code {backup.returncode}")
            shutil.rmtree(folder / f"backup{number}", ignore_errors=True)
        ended = status(asked.binary, copy)
        if poster:
            poster.stopped.set()
            poster.join()
    finally:
        stop(server)
        shutil.rmtree(copy, ignore_errors=True)

    print(json.dumps(ended["databases"]["forums"]))
    print("| what | windows | reads/s | p50 ms | p99 ms | posts | p50 ms | p99 ms | longest ms |\n|---|---|---|---|---|---|---|---|---|")
    posts = {name: [took for w in windows for took in w["posts"]] for name, windows in found.items()}
    for name, windows in found.items():
        if windows:
            cells = [spread([w[key] for w in windows], digits) for key, digits in (("rate", 0), ("p50", 2), ("p99", 2))]
            took = posts[name]
            own = [str(len(took))] + ([f"{percentile(took, part):.1f}" for part in (0.5, 0.99, 1)] if took else ["", "", ""])
            print(f"| {name} | {len(windows)} | {' | '.join(cells + own)} |")
    usual = statistics.median(w["p99"] for w in found["usual"])
    for name in ("kept in order", "backup"):
        if found[name]:
            line = f"p99 of reads, {name}: {statistics.median(w['p99'] for w in found[name]) / usual:.2f} times the usual"
            if posts[name]:
                line += f"; of posts {percentile(posts[name], 0.99) / percentile(posts['usual'], 0.99):.2f} times"
            print(line)
    print(f"longest log: {longest_log / 1e6:.0f} MB")
    print("loop lag over all of it, ms:", json.dumps(ended["times"]["loop_lag"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir", type=pathlib.Path)
    parser.add_argument("--binary", default="target/measure/veritable")
    parser.add_argument("--bench", default="target/measure/examples/posts")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--rate", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.data_dir.parent) as folder:
        for rate in (0, asked.rate):
            print(f"\n{rate} posts a second" if rate else "nobody writes")
            measure(asked, pathlib.Path(folder), rate)


if __name__ == "__main__":
    main()
