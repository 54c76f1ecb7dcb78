#!/usr/bin/env python3
"""Attacks a running sharehook over loopback, and measures how it serves honest senders during each attack.

In: the program (default target/release/sharehook), seconds for each attack, numbers of attackers.
Out: one row for each attack: honest deliveries served, latency, probes, memory, processor time; exit 1 if a row misses
a promise of docs/reliability.md. Starts its own service and stand-in cloud, and ends both. Attackers, honest senders
and the service share the machine's cores, so each row shows how much of one core the service and the attackers used.
"""

import argparse
import asyncio
import concurrent.futures
import datetime
import os
import pathlib
import sys
import time

from target import IMAGE, OPEN_FILES, Service, delivery, raise_limit, share  # noqa: I001  (it knows where `support` is)
import bad_cloud
import strangers
from support import Sandbox, check, staged, wait_for

EXPIRING = "700000164996"  # the account of a share that expires during the attack
HONEST_EVERY = 0.25  # seconds between honest deliveries
PROBE_EVERY = 0.5  # seconds between probes
MAX_P99_MS = 250
MAX_MEMORY_MB = 100
MAX_SWEEP_SECONDS = 5
FLOOD_CONNECTIONS = 200
BURST, BURST_CALL_SECONDS, BURST_MINUTES = 500, 2, 10

# Attackers that keep connections open. Each attack runs with each number of connections.
HOLDING = {"slow-heads": strangers.slow_head, "slow-bodies": strangers.slow_body, "large-bodies": strangers.large_body,
           "chunks": strangers.chunks, "silent": strangers.silent, "hang-ups": strangers.hang_up}
# Attackers that keep the service busy. Each attack runs over FLOOD_CONNECTIONS connections.
BUSY = {"forged": strangers.flood, "pipelined": strangers.pipelined, "unread-answers": strangers.unread,
        "churn": strangers.churn, "half-closed": strangers.half_closed, "expectant": strangers.expectant}


def percentile(values, part):
    """Returns the value that this part of the sorted values does not exceed."""
    return values[min(len(values) - 1, int(len(values) * part))]


def expiring(seconds):
    """Returns a share that expires during the attack. The service sweeps every 10 seconds, so the share expires just
    before the sweep that is measured."""
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds - 0.3)
    return share("expiring", [EXPIRING], expires_at=end.isoformat())


def swept(service, sandbox):
    """Sweeps. Returns the seconds that this took, or None if the expired share still exists."""
    began = time.monotonic()
    done = service.command("sweep")
    took = time.monotonic() - began
    return None if done.returncode or (IMAGE, EXPIRING) in sandbox.shares() else took


def measure(name, seconds, attack, count, unread_logs=False):
    """Returns one row: honest senders send and a sweep runs during the attack."""
    with staged() as stage, concurrent.futures.ProcessPoolExecutor(2) as pool:
        sandbox = Sandbox(stage)
        service = Service(stage, stage.directory / "home", sandbox.url, unread=unread_logs).start()
        half = max(3, seconds / 2)
        asyncio.run(strangers.exchange(service.port, delivery(expiring(half))))
        check((IMAGE, EXPIRING) in sandbox.shares(), "the expiring share to be made")
        stop, used = time.monotonic() + seconds, service.processor_seconds()
        attackers = pool.submit(strangers.hold, attack, count, service.port, stop) if attack else None
        senders = pool.submit(strangers.honest, service.port, stop, HONEST_EVERY, PROBE_EVERY)
        time.sleep(half)
        sweep = swept(service, sandbox)
        deliveries, probes = senders.result()
        taken = attackers.result() if attackers else 0
        used, memory = service.processor_seconds() - used, service.most_memory_mb()
    times = sorted(took * 1000 for _, _, took in deliveries)
    served = sum(status == 200 and b'"status":"completed"' in body for status, body, _ in deliveries)
    probed = sum(status == 200 for status, _, _ in probes)
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    good = (served == len(deliveries) and probed == len(probes) and p99 < MAX_P99_MS and memory < MAX_MEMORY_MB
            and sweep is not None and sweep < MAX_SWEEP_SECONDS)
    print(f"{name:<14} {count:>5}  {served:>4}/{len(deliveries):<4} {probed:>4}/{len(probes):<4}{p50:>5.0f} {p99:>5.0f} "
          f"{times[-1]:>5.0f} {'failed' if sweep is None else f'{sweep:.1f} s':>6} {memory:>4.0f} {used / seconds:>5.0%} "
          f"{taken / seconds:>5.0%}  {'ok' if good else 'MISSED'}", flush=True)
    return good


def burst():
    """Sends signed deliveries concurrently while each call of the cloud is slow."""
    with staged() as stage:
        sandbox = Sandbox(stage)
        service = Service(stage, stage.directory / "home", sandbox.url).start()
        sandbox.fail(f"*:slow:{BURST_CALL_SECONDS}s@1000000")
        accounts = [str(200_000_000_000 + number) for number in range(BURST)]

        async def all_at_once():
            requests = [delivery(share(f"burst-{account}", [account])) for account in accounts]
            return await asyncio.gather(*(strangers.exchange(service.port, request) for request in requests))

        raise_limit()
        began = time.monotonic()
        answers = asyncio.run(all_at_once())
        counts = {}
        for status, _, _ in answers:
            counts[status] = counts.get(status, 0) + 1
        slowest = max(took for _, _, took in answers)

        def finished():
            return sum(entry["answer"]["status"] == "completed" for entry in service.requests()) == BURST

        wait_for(f"{BURST} requests to be carried out", finished, BURST_MINUTES * 60, 2)
        shared = {account for _, account in sandbox.shares()}
        good = set(counts) <= {200, 202} and shared == set(accounts)
        print(f"burst of {BURST}, {BURST_CALL_SECONDS} s a call: answers {counts}, the slowest after {slowest:.1f} s; "
              f"{len(shared)} shared after {time.monotonic() - began:.0f} s; {service.most_memory_mb():.0f} MB  "
              f"{'ok' if good else 'MISSED'}", flush=True)
        return good


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(root / "target" / "release" / "sharehook"))
    parser.add_argument("--seconds", type=float, default=30, help="of each attack [30]")
    parser.add_argument("--strangers", default="64,500,2000", help="that hold connections [64,500,2000]")
    parser.add_argument("--only", help="comma-separated names of attacks")
    options = parser.parse_args()
    os.environ["SHAREHOOK_BIN"] = os.path.abspath(options.program)
    rows = [("none", None, 0)]
    rows += [(name, attack, int(count)) for name, attack in HOLDING.items() for count in options.strangers.split(",")]
    rows += [(name, attack, FLOOD_CONNECTIONS) for name, attack in BUSY.items()]
    names = {name for name, _, _ in rows} | {"unread-logs", "burst", "bad-cloud"}
    chosen = set(options.only.split(",")) if options.only else names
    if not chosen <= names:
        sys.exit(f"{', '.join(sorted(chosen - names))}: no such attack; there are {', '.join(sorted(names))}")
    good = True
    if chosen - {"burst", "bad-cloud"}:
        print(f"{os.cpu_count()} cores, at most {OPEN_FILES} open files; milliseconds; parts of one core\n"
              "attack         strang. served   probes    p50   p99   max  sweep   MB  serv. strang.", flush=True)
    for name, attack, count in rows:
        if name in chosen:
            good &= measure(name, options.seconds, attack, count)
    if "unread-logs" in chosen:
        good &= measure("unread-logs", options.seconds, strangers.flood, FLOOD_CONNECTIONS, unread_logs=True)
    if "burst" in chosen:
        good &= burst()
    if "bad-cloud" in chosen:
        good &= bad_cloud.all_of_them()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
