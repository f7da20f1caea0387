#!/usr/bin/env python3
"""Cached and uncached answers beside nginx serving the same bytes as static files.

    loadtests/peers.py DATA_DIR [--binary target/measure/veritable] [--seconds 5] [--rounds 3]

DATA_DIR holds an imported community. Needs wrk and nginx. Both servers run two processes on loopback; the
rounds interleave them, so that the machine's drift hits both. Printed: requests per second, latency and the
server's CPU microseconds per request, each as the median of the rounds with its range, and the ratios.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

CONNECTIONS = 64
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def tree(pid):
    """The process and everything below it."""
    pids = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            pids += tree(int(child))
    return pids


def cpu_seconds(pid):
    total = 0
    for p in tree(pid):
        fields = pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def pss_mb(pid):
    total = 0
    for p in tree(pid):
        for line in pathlib.Path(f"/proc/{p}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def get(url):
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept-Encoding": "identity"})) as answer:
        return answer.read(), answer.headers


def wait_for(url, process):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"the server for {url} ended with {process.returncode}")
        try:
            return get(url)
        except OSError:
            time.sleep(0.02)
    sys.exit(f"{url} did not answer within 30 s")


def wrk(url, pid, seconds, script=None):
    before = cpu_seconds(pid)
    figures = wrk_rate(url, CONNECTIONS, seconds, script)
    cpu = cpu_seconds(pid) - before
    return {**figures, "cpu_us": cpu / figures["requests"] * 1e6}


def wrk_rate(url, connections, seconds, script=None):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    if script:
        command += ["-s", script]
    out = subprocess.run(command + [url], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        print(out, file=sys.stderr)
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    millis = {"us": 0.001, "ms": 1, "s": 1000}
    p50, p99 = (
        float(m.group(1)) * millis[m.group(2)]
        for m in (re.search(rf"{p}%\s+([\d.]+)(us|ms|s)", out) for p in (50, 99))
    )
    return {"requests": requests, "rate": rate, "p50": p50, "p99": p99}


def spread(values, digits=0):
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f} - {max(values):.{digits}f}]"


def start_veritable(binary, data_dir, port, environment):
    return subprocess.Popen(
        [binary, "serve", "--data-dir", data_dir, "--listen", f"127.0.0.1:{port}", "--workers", "2"],
        env={**os.environ, **environment}, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )


def stop(process):
    process.send_signal(signal.SIGTERM)
    process.wait(60)


def start_nginx(folder, port):
    conf = folder / "nginx.conf"
    conf.write_text(f"""
worker_processes 2; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; open_file_cache max=100;
  default_type text/html; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {folder}/www; }}
}}
""")
    return subprocess.Popen(["nginx", "-c", str(conf), "-e", f"{folder}/error.log"], stderr=subprocess.DEVNULL)


def pick_topic(base):
    """The address of a topic with a full page of posts, as a reader of the busiest list would meet it."""
    topics, after = [], ""
    for _ in range(5):
        page = json.loads(get(f"{base}/api/forums/topics?limit=100{after}")[0])
        topics += page["topics"]
        if not page.get("next"):
            break
        after = f"&before={page['next']}"
    full = [t for t in topics if t["post_count"] >= 50] or topics
    return full[0], topics


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir")
    parser.add_argument("--binary", default="target/measure/veritable")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()

    port, nginx_port = free_port(), free_port()
    base = f"http://127.0.0.1:{port}"
    server = start_veritable(args.binary, args.data_dir, port, {})
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        (folder / "www").mkdir()
        wait_for(f"{base}/livez", server)
        topic, topics = pick_topic(base)
        targets = {
            "topic list, page": "/latest",
            "topic list, API": "/api/forums/topics",
            "topic page": f"/t/{topic['slug']}/{topic['id']}",
        }
        for name, path in targets.items():
            body, _ = get(base + path)
            (folder / "www" / re.sub(r"\W+", "-", name)).write_bytes(body)
        nginx = start_nginx(folder, nginx_port)
        nginx_base = f"http://127.0.0.1:{nginx_port}"
        wait_for(f"{nginx_base}/topic-page", nginx)

        print(f"{CONNECTIONS} connections, wrk with 1 thread, {args.rounds} rounds of {args.seconds} s, interleaved\n")
        print("| what | bytes | server | requests/s | p50 ms | p99 ms | server CPU us each |")
        print("|---|---|---|---|---|---|---|")
        ratios = []
        for name, path in targets.items():
            file = re.sub(r"\W+", "-", name)
            size = (folder / "www" / file).stat().st_size
            runs = {"nginx": [], "veritable": []}
            for _ in range(args.rounds):
                runs["nginx"].append(wrk(f"{nginx_base}/{file}", nginx.pid, args.seconds))
                runs["veritable"].append(wrk(base + path, server.pid, args.seconds))
            for who, results in runs.items():
                cells = [spread([r[k] for r in results], d) for k, d in (("rate", 0), ("p50", 2), ("p99", 2), ("cpu_us", 1))]
                print(f"| {name}, cached | {size} | {who} | {' | '.join(cells)} |")
            pairs = list(zip(runs["veritable"], runs["nginx"]))
            ratios.append((name, [v["rate"] / n["rate"] for v, n in pairs], [v["cpu_us"] / n["cpu_us"] for v, n in pairs]))
        memory = pss_mb(server.pid)
        stop(server)
        stop(nginx)

        # Uncached: every topic of the list in turn, with a cache too small to hold more than a few.
        script = folder / "walk.lua"
        paths = ",".join(json.dumps(f"/t/{t['slug']}/{t['id']}", ensure_ascii=False) for t in topics)
        script.write_text(
            f"local paths = {{{paths}}}\nlocal at = 0\n"
            "request = function() at = at % #paths + 1 return wrk.format('GET', paths[at]) end\n"
        )
        server = start_veritable(args.binary, args.data_dir, port, {"VERITABLE_CACHE_ENTRIES": "64"})
        wait_for(f"{base}/livez", server)
        results = [wrk(base, server.pid, args.seconds, str(script)) for _ in range(args.rounds)]
        cells = [spread([r[k] for r in results], d) for k, d in (("rate", 0), ("p50", 2), ("p99", 2), ("cpu_us", 1))]
        print(f"| {len(topics)} topic pages in turn, uncached | | veritable | {' | '.join(cells)} |")
        stop(server)

    print("\n| what | requests/s, veritable / nginx | CPU each, veritable / nginx |\n|---|---|---|")
    for name, rate, cpu in ratios:
        print(f"| {name}, cached | {spread(rate, 2)} | {spread(cpu, 2)} |")
    print(f"\nPSS of all processes after the cached runs, shared cache included: {memory:.0f} MB")


if __name__ == "__main__":
    main()
