#!/usr/bin/env python3
"""What clients that take their time cost everybody else.

    loadtests/slow_clients.py DATA_DIR [--binary target/measure/veritable] [--clients 5000] [--seconds 5]
    loadtests/slow_clients.py DATA_DIR --slowhttptest headers|body|read

A quarter of the slow clients each: say nothing; send a byte of a head every second; send a byte of a body every
second; ask for a large page again and again and read a byte of it every second. Those that are thrown out come
again. Meanwhile wrk asks for a cached page over 16 connections, in turns with and without the slow clients.
Printed: requests per second and p99 of both, and how many slow clients were thrown out. With `--slowhttptest` the
slow clients are that program's (Debian's package of the same name).
"""

import argparse
import asyncio
import os
import pathlib
import resource
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from common import free_port, start_veritable, stop, wait_for, wrk_rate

KINDS = ("silent", "head", "body", "reader")


# What slowhttptest is told for each of its kinds of attack.
PROGRAM = {
    "headers": ["-H", "-i", "5"],
    "body": ["-B", "-i", "5", "-s", "100000"],
    "read": ["-X", "-n", "5", "-w", "64", "-y", "256", "-z", "16", "-k", "50"],
}


def command(args, port):
    """The command that attacks: this script again, or slowhttptest."""
    if not args.slowhttptest:
        return [sys.executable, __file__, args.data_dir, "--attack", str(port), "--clients", str(args.clients)]
    url = f"http://127.0.0.1:{port}/latest"
    return ["slowhttptest", *PROGRAM[args.slowhttptest], "-c", str(args.clients), "-r", "1000", "-l", "120", "-u", url]


class Slow:
    """The slow clients, in one event loop of a thread of their own."""

    def __init__(self, port, clients):
        self.port, self.clients, self.thrown_out, self.open = port, clients, 0, 0

    async def one(self, kind):
        while True:
            writer = None
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1024)
                self.open += 1
                await getattr(self, kind)(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                if writer:
                    self.open -= 1
                    self.thrown_out += 1
                    writer.close()
            await asyncio.sleep(0.5)

    async def silent(self, reader, _writer):
        await reader.read(1)

    async def trickle(self, reader, writer, start):
        writer.write(start)
        ended = asyncio.ensure_future(reader.read(1))
        while not ended.done():
            writer.write(b"x")
            await writer.drain()
            await asyncio.wait([ended], timeout=1)

    async def head(self, reader, writer):
        await self.trickle(reader, writer, b"GET / HTTP/1.1\r\nHost: ")

    async def body(self, reader, writer):
        await self.trickle(
            reader, writer,
            b"POST /api/topics/1/posts HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\nAuthorization: Bearer x\r\n\r\n",
        )

    async def reader(self, reader, writer):
        writer.write(b"GET /latest HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        while await reader.read(1):
            await asyncio.sleep(1)

    async def run(self):
        for number in range(self.clients):
            asyncio.create_task(self.one(KINDS[number % len(KINDS)]))
            if number % 100 == 99:
                await asyncio.sleep(0.02)
        await asyncio.Event().wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir")
    parser.add_argument("--binary", default="target/measure/veritable")
    parser.add_argument("--clients", type=int, default=5000)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slowhttptest", choices=PROGRAM)
    parser.add_argument("--attack", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if args.attack:
        slow = Slow(args.attack, args.clients)

        async def attack():
            asyncio.create_task(slow.run())
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, sys.stdin.readline)
            print(slow.open, slow.thrown_out, flush=True)
            # Thousands of tasks in the middle of something are not worth ending one by one.
            os._exit(0)

        asyncio.run(attack())
        return

    port = free_port()
    server = start_veritable(args.binary, args.data_dir, port, {})
    wait_for(f"http://127.0.0.1:{port}/livez", server)
    url = f"http://127.0.0.1:{port}/latest"
    calm, slowed = [], []
    for _ in range(args.rounds):
        calm.append(wrk_rate(url, 16, args.seconds))
        attack = subprocess.Popen(
            command(args, port), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        # Past the longest wait for a head, so that some have been thrown out already.
        subprocess.run(["sleep", "12"], check=True)
        slowed.append(wrk_rate(url, 16, args.seconds))
        if args.slowhttptest:
            attack.terminate()
            attack.communicate()
            continue
        still_open, thrown_out = attack.communicate("\n")[0].split()
        print(f"slow clients open: {still_open}, thrown out so far: {thrown_out}")
    stop(server)
    for name, runs in (("alone", calm), (f"with {args.clients} slow clients", slowed)):
        rate, p99 = (statistics.median(run[key] for run in runs) for key in ("rate", "p99"))
        print(f"{name}: {rate:.0f} requests/s, p99 {p99:.2f} ms")
    ratio = statistics.median(s["p99"] / c["p99"] for s, c in zip(slowed, calm))
    print(f"p99 with slow clients / alone: {ratio:.2f}")


if __name__ == "__main__":
    main()
