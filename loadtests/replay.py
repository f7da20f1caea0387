#!/usr/bin/env python3
"""The hit ratio of a community that reads and writes, with the default cache.

    loadtests/replay.py DATA_DIR [--binary target/measure/veritable] [--requests 60000] [--writes 0.01]

DATA_DIR holds an imported community; it is copied, for posts are written to it. Readers follow Zipf's law (0.99)
over topics, the newest first, and over their pages, with a share for lists, profiles, wiki pages and the API; every
hundredth request is a post to one of the topics read, which makes stale what depends on it. Printed: hits and stale
hits of all lookups, as `veritable cache stats` tells them, for the second half of the requests.
"""

import argparse
import bisect
import hashlib
import http.client
import json
import pathlib
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from urllib.parse import quote

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from peers import free_port, start_veritable, stop, wait_for

ZIPF = 0.99


def zipf_sums(count):
    sums, total = [], 0.0
    for rank in range(1, count + 1):
        total += rank ** -ZIPF
        sums.append(total)
    return sums


def addresses(db):
    """What people read: kinds with their weight, and each kind's addresses, the most read first."""
    rows = lambda sql: db.execute(sql).fetchall()
    topics = rows("SELECT id, slug FROM topics ORDER BY last_post_at DESC")
    pages = [f"/wiki/{quote(row[0].replace(' ', '_'))}" for row in rows("SELECT title FROM pages WHERE namespace_id = 0 ORDER BY id")]
    users = [f"/u/{quote(row[0])}" for row in rows("SELECT name FROM users ORDER BY id")]
    return topics, [
        (60, [f"/t/{quote(slug)}/{number}" for number, slug in topics]),
        (10, [f"/api/topics/{number}" for number, _ in topics]),
        (15, ["/", "/latest", "/api/forums/topics", "/wiki"]),
        (10, pages or ["/wiki"]),
        (5, users),
    ]


def make_token(db):
    """An API token of the first user; only its digest is stored."""
    token = "vt_of_the_replay"
    digest = hashlib.sha256(token.encode()).digest()
    user = db.execute("SELECT id FROM users WHERE disabled_at IS NULL ORDER BY id LIMIT 1").fetchone()[0]
    db.execute("INSERT INTO api_tokens (user_id, token_hash, name, created_at) VALUES (?, ?, 'replay', 0)", (user, digest))
    db.commit()
    return token


def stats(binary, data):
    out = subprocess.run([binary, "cache", "stats", "--json", "--data-dir", data], check=True, capture_output=True)
    return json.loads(out.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir")
    parser.add_argument("--binary", default="target/measure/veritable")
    parser.add_argument("--requests", type=int, default=60000)
    parser.add_argument("--writes", type=float, default=0.01)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = f"{scratch}/data"
        shutil.copytree(args.data_dir, data, ignore=shutil.ignore_patterns("run", "lock"))
        subprocess.run([args.binary, "migrate", "up", "--data-dir", data], check=True, capture_output=True)
        db = sqlite3.connect(f"{data}/forums.db")
        topics, kinds = addresses(db)
        token = make_token(db)
        db.close()
        port = free_port()
        server = start_veritable(args.binary, data, port, {})
        wait_for(f"http://127.0.0.1:{port}/livez", server)
        sums = [zipf_sums(len(list_)) for _, list_ in kinds]
        weights = [weight for weight, _ in kinds]
        noise = random.Random(1)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        failed = written = 0
        before = None
        for number in range(args.requests):
            if number == args.requests // 2:
                before = stats(args.binary, data)
            if noise.random() < args.writes:
                topic, _ = topics[min(int(noise.paretovariate(0.5)) - 1, len(topics) - 1)]
                body = json.dumps({"body": f"A reply, number {number}."})
                headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
                connection.request("POST", f"/api/topics/{topic}/posts", body, headers)
                written += 1
            else:
                kind = noise.choices(range(len(kinds)), weights)[0]
                list_, table = kinds[kind][1], sums[kind]
                rank = min(bisect.bisect(table, noise.random() * table[-1]), len(list_) - 1)
                connection.request("GET", list_[rank], headers={"Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            answer.read()
            failed += answer.status >= 400
        after = stats(args.binary, data)
        stop(server)
    more = {name: after[name] - before[name] for name in ("hits", "stale_hits", "misses", "inserts", "evictions")}
    lookups = more["hits"] + more["stale_hits"] + more["misses"]
    print(f"{args.requests} requests, {written} of them posts, {failed} failed; in the second half:")
    print(f"hit ratio {100 * (more['hits'] + more['stale_hits']) / lookups:.1f} % of {lookups} lookups")
    print(f"{more}, {after['entries']} entries, {after['used_bytes'] / 2**20:.1f} MB used")


if __name__ == "__main__":
    main()
