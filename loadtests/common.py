"""What the scripts of this folder share: servers, what they take, wrk."""

import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.parse
import urllib.request

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


# Next to nothing is kept: nearly every answer is made anew.
UNCACHED = {"VERITABLE_CACHE_ENTRIES": "16", "VERITABLE_CACHE_WORKER_BYTES": "0", "VERITABLE_LOG_LEVEL": "warn"}


def walk(base, path, name, pages):
    """Addresses of a list's parts, by its cursors."""
    cursor, addresses = "", []
    for _ in range(pages):
        address = f"{path}?limit=50" + (f"&{name}={cursor}" if cursor else "")
        addresses.append(address)
        cursor = json.loads(get(base + address)[0]).get("next")
        if not cursor:
            break
        cursor = urllib.parse.quote(cursor)
    return addresses
