"""Measures running services: requests per second, durable denials compared with the disk alone, processes that share
one cloud account, memory, size.

In: whether to be quick. A quick run only shows that everything works; its figures mean nothing. Out: rows for
benches/results.
"""

import asyncio
import multiprocessing
import os
import pathlib
import statistics
import subprocess
import time

from services import (FAST, ROOT, TEXTS, WEBHOOKS, Cloud, Native, Sandbox, check, delivery, function, load, raise_limit,
                      share, sharehook, staged, wait_for, webhook)
import strangers  # beside `target`, which `services` found

CONNECTIONS = (1, 16, 256)
# The services that are measured in each case. `webhook` cannot compare a ticket with a list, and
# only sharehook recognises a duplicate.
PEERS = {"ignored": (sharehook, function, webhook), "unauthorised": (sharehook, function, webhook),
         "denied": (sharehook, function), "duplicate": (sharehook,), "allowed": (sharehook, function)}
# More requests than any service answers in a second.
MOST_PER_SECOND = 5_000
PROCESSES, TICKETS, PUBLISHED_RATE = 8, 20, 20
IN_FLIGHT, CALL_SECONDS = 500, 3
# Memory is measured after a mix of requests. This is the proportion of each case in that mix. There
# are few unauthorised requests, because the service slows them down to some hundreds per second.
PARTS = {"ignored": 0.89, "unauthorised": 0.01, "duplicate": 0.05, "denied": 0.05}


def warm(quick: bool) -> list:
    """Measures each case with each number of connections. The services take turns, so that other load of the machine
    affects all of them alike."""
    seconds, rows = (1 if quick else 4), []
    for case, makes in PEERS.items():
        with staged() as stage:
            cloud = Cloud(stage)
            services = [make(stage, cloud) for make in makes]
            for service in services:
                status, text = service.answer(WEBHOOKS[case](1))
                check(service.name == "webhook" or TEXTS[case] in text, f"{service.name} to say {TEXTS[case]}", text)
                check(service.name != "webhook" or status == 500 or "not satisfied" in text, "no command to run", text)
            first = 2
            # *allowed* is not measured with 256 connections: sharehook carries out 64 requests at
            # once, and answers 202 to the others.
            for connections in CONNECTIONS[:2] if case == "allowed" else CONNECTIONS:
                count = 2_000 if case in FAST else 1 if case == "duplicate" else MOST_PER_SECOND * seconds
                for service in services:
                    again = case in FAST or case == "duplicate"
                    found = load(service, stage, case, count, connections, seconds, first, not again,
                                 "" if case in FAST else TEXTS[case])
                    rows.append({"case": case, "service": service.name, "connections": connections,
                                 "per_second": found["requests"] / found["seconds"], "p50_ms": found["p50_ms"],
                                 "p99_ms": found["p99_ms"]})
                    print("{case:<13} {service:<10} {connections:>4} connections {per_second:>9,.0f}/s  "
                          "p50 {p50_ms:>7.2f} ms  p99 {p99_ms:>7.2f} ms".format(**rows[-1]), flush=True)
                first += count
    return rows


def disk(quick: bool) -> list:
    """Measures denials per second, and in turns with them how fast the disk alone writes the same files. As many
    processes as there were connections create, write and sync each file, and sync its folder."""
    seconds, rounds, rows = (1, 1, []) if quick else (3, 3, [])
    for connections in CONNECTIONS[1:]:
        ours, plain = [], []
        for _ in range(rounds):
            with staged() as stage:
                service = sharehook(stage, Cloud(stage))
                found = load(service, stage, "denied", MOST_PER_SECOND * seconds, connections, seconds,
                             text=TEXTS["denied"])
                ours.append(found["requests"] / found["seconds"])
                journal = stage.directory / "home" / "journal"
                records = [path.read_bytes() for path in journal.glob("requests/*/000000.json")]
                check(len(records) >= found["requests"] > 0, "a record of each denial", len(records))
                plain.append(_creates(stage.directory / "plain", records, connections))
        rows.append({"connections": connections, "denied_per_second": statistics.median(ours),
                     "disk_per_second": statistics.median(plain),
                     "ratio": statistics.median(one / other for one, other in zip(ours, plain, strict=True))})
        print("{connections:>4} connections: {denied_per_second:,.0f} denials/s, the disk alone {disk_per_second:,.0f}, "
              "ratio {ratio:.2f}".format(**rows[-1]), flush=True)
    return rows


def _creates(folder: pathlib.Path, records: list, processes: int) -> float:
    """Returns how many denials per second the disk alone makes as durable: for each denial the entry among the unsealed
    records, a folder, and the record in it."""
    (folder / "unsealed").mkdir(parents=True)
    (folder / "requests").mkdir()
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(processes + 1)

    def work(mine: range) -> None:
        ready.wait()
        for number in mine:
            _create(folder / "unsealed" / str(number), b"")
            home = folder / "requests" / str(number)
            home.mkdir()
            _sync(home.parent)
            _create(home / "000000.json", records[number])

    workers = [context.Process(target=work, args=(range(n, len(records), processes),)) for n in range(processes)]
    for worker in workers:
        worker.start()
    ready.wait()
    began = time.monotonic()
    for worker in workers:
        worker.join()
    took = time.monotonic() - began
    check(all(worker.exitcode == 0 for worker in workers), "every process to write its files")
    return len(records) / took


def _create(path: pathlib.Path, content: bytes) -> None:
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    os.write(file, content)
    os.fsync(file)
    os.close(file)
    _sync(path.parent)


def _sync(folder: pathlib.Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def shared(quick: bool) -> dict:
    """Measures processes that share one cloud account but no journal. Sends all tickets at once, each for its own
    image."""
    per_process = 3 if quick else TICKETS
    tickets = PROCESSES * per_process
    images = [f"lhbp-bench{number:03}" for number in range(tickets)]
    options = [word for image in images for word in ("--image", image)]
    with staged() as stage:
        sandbox = Sandbox(stage, *options)
        homes = (stage.directory / f"home-{number}" for number in range(PROCESSES))
        services = [Native(stage, home, sandbox.url).start() for home in homes]

        async def all_at_once():
            sent = [(services[number % PROCESSES].port, delivery(share(f"bench-{number}", ["700000164995"], image=image)))
                    for number, image in enumerate(images)]
            return await asyncio.gather(*(strangers.exchange(port, raw, 300) for port, raw in sent))

        began = time.monotonic()
        answers = asyncio.run(all_at_once())
        wanted = {(image, "700000164995") for image in images}
        wait_for("every image to be shared", lambda: wanted <= sandbox.shares(), 300, 0.05)
        took = time.monotonic() - began
        calls = sandbox.ask("calls")["calls"]
    refused = sum((call["code"] or "").startswith("RequestLimitExceeded") for call in calls)
    floor = tickets / PUBLISHED_RATE
    found = {"processes": PROCESSES, "tickets": tickets, "seconds": took, "floor_seconds": floor, "calls": len(calls),
             "refused": refused, "pending": sum(status == 202 for status, _, _ in answers)}
    print(f"{PROCESSES} processes, {tickets} tickets: {took:.1f} s, {took / floor:.2f} of the floor; {refused} of "
          f"{len(calls)} calls refused, {refused / len(calls):.0%}; {found['pending']} answered as pending", flush=True)
    return found


def memory(quick: bool) -> dict:
    """Measures the service's memory at its start, after many requests, and with many in progress."""
    found = {}
    with staged() as stage:
        cloud = Cloud(stage)
        service, peer = sharehook(stage, cloud), function(stage, cloud)
        found["start_mb"], found["function_start_mb"] = service.resident_mb(), peer.resident_mb()
        found["start_own_mb"] = service.resident_mb("RssAnon")
        found["requests"], first = 0, 2
        for case, part in PARTS.items():
            sent = 0
            while sent < part * (1_000 if quick else 100_000):
                done = load(service, stage, case, MOST_PER_SECOND, 16, 1, first, case == "denied")
                sent, first = sent + done["requests"], first + MOST_PER_SECOND
            found["requests"] += sent
        found["after_mb"], found["after_own_mb"] = service.resident_mb(), service.resident_mb("RssAnon")
    with staged() as stage:
        service = sharehook(stage, Cloud(stage, CALL_SECONDS))

        async def in_flight():
            webhooks = [WEBHOOKS["allowed"](number).replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1)
                        for number in range(IN_FLIGHT)]
            answers = asyncio.gather(*(strangers.exchange(service.port, webhook) for webhook in webhooks))
            # By this time, the 64 requests with a slot wait for their first call, and the others
            # are recorded.
            await asyncio.sleep(CALL_SECONDS * 0.8)
            held = service.resident_mb(), service.resident_mb("RssAnon")
            return *held, await answers

        raise_limit()
        found["in_flight"] = IN_FLIGHT
        found["in_flight_mb"], found["in_flight_own_mb"], answers = asyncio.run(in_flight())
        check(all(status in (200, 202) for status, _, _ in answers), "each request to be accepted", answers[:3])
    print("memory: {start_mb:.1f} MB at start, {start_own_mb:.1f} of it its own (the Python function "
          "{function_start_mb:.0f} MB), {after_mb:.1f} and {after_own_mb:.1f} MB after {requests:,} requests, "
          "{in_flight_mb:.1f} and {in_flight_own_mb:.1f} MB with {in_flight} in flight".format(**found), flush=True)
    return found


def size(_: bool) -> dict:
    """Measures the deployed binary, its sections and its package, which `scripts/package` makes."""
    binary, package = ROOT / "target/lambda/sharehook/bootstrap", ROOT / "target/package/bootstrap.zip"
    if not package.exists():
        print("the size is not measured: run scripts/package", flush=True)
        return {}
    listed = subprocess.run(["size", "-A", "-d", binary], capture_output=True, text=True, check=True).stdout
    sections = {line.split()[0]: int(line.split()[1]) for line in listed.splitlines() if line.startswith(".")}
    found = {"binary": binary.stat().st_size, "zip": package.stat().st_size, "sections": sections}
    print("size: binary {binary:,} bytes, zip {zip:,} bytes".format(**found), flush=True)
    return found
