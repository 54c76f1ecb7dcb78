"""Attacks by clients without a secret. Each client uses one connection until `stop`, and reconnects when it is closed.

In: a port, an instant, numbers. Out: nothing; `hold` returns the processor time that this process used.
"""

import asyncio
import itertools
import time

from target import delivery, raise_limit, share

FORGED = "whsec_" + "c29tZWJvZHkgZWxzZSdzIHNlY3JldA=="
POST = b"POST /hooks/native HTTP/1.1\r\nhost: a\r\n"


async def _connect(port):
    return await asyncio.open_connection("127.0.0.1", port)


async def _closed(reader, seconds):
    """Returns whether the server closes the connection within this time."""
    try:
        return await asyncio.wait_for(reader.read(4096), seconds) == b""
    except asyncio.TimeoutError:
        return False


async def _drip(port, stop, head, rest):
    """Sends `head`, then `rest` once a second."""
    reader, writer = await _connect(port)
    try:
        writer.write(head)
        while time.monotonic() < stop:
            await writer.drain()
            if await _closed(reader, 1.0):
                return
            writer.write(rest)
    finally:
        writer.close()


async def slow_head(port, stop, _):
    """Sends a header line that does not end."""
    await _drip(port, stop, POST + b"x: ", b"x")


async def slow_body(port, stop, _):
    """Sends a small body, one byte per second."""
    await _drip(port, stop, POST + b"content-length: 4000\r\n\r\n", b"x")


async def large_body(port, stop, _):
    """Sends most of a large body at once, and the rest slowly."""
    await _drip(port, stop, POST + b"content-length: 200000\r\n\r\n" + b"x" * 100_000, b"x")


async def chunks(port, stop, _):
    """Sends a chunked body: one chunk of one byte per second, each with a long extension."""
    await _drip(port, stop, POST + b"transfer-encoding: chunked\r\n\r\n", b"1;" + b"e" * 1000 + b"\r\nx\r\n")


async def silent(port, stop, _):
    """Opens a connection and sends nothing."""
    await _drip(port, stop, b"", b"")


async def half_closed(port, stop, _):
    """Sends a request, closes the sending side, and reads nothing."""
    _, writer = await _connect(port)
    writer.write(b"GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n")
    writer.write_eof()
    await asyncio.sleep(min(5, max(0, stop - time.monotonic())))
    writer.close()


async def hang_up(port, _stop, number):
    """Sends half a delivery and closes the connection."""
    _, writer = await _connect(port)
    writer.write(_forged(number)[:-10])
    await writer.drain()
    writer.transport.abort()
    await asyncio.sleep(0.5)


async def flood(port, stop, number):
    """Sends complete deliveries with a wrong signature, one after the other."""
    await _exchanges(port, stop, _forged(number))


async def pipelined(port, stop, number):
    """Sends a hundred forged deliveries at once on one connection, and again after their answers."""
    await _exchanges(port, stop, _forged(number) * 100)


async def unread(port, stop, number):
    """Sends forged deliveries without reading the answers."""
    reader, writer = await _connect(port)
    reader._transport.pause_reading()  # asyncio has no public way not to read
    try:
        while time.monotonic() < stop:
            writer.write(_forged(number))
            await asyncio.wait_for(writer.drain(), max(0.1, stop - time.monotonic()))
            await asyncio.sleep(0)
    except asyncio.TimeoutError:
        pass
    finally:
        writer.transport.abort()


async def churn(port, _stop, _number):
    """Sends a probe on a new connection each time."""
    reader, writer = await _connect(port)
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
    await reader.read(4096)
    writer.transport.abort()


async def expectant(port, stop, _):
    """Asks with `Expect: 100-continue` for permission to send a body, and never sends it."""
    await _drip(port, stop, POST + b"content-length: 200000\r\nexpect: 100-continue\r\n\r\n", b"")


def _forged(number):
    kept = delivery(share(f"forged-{number}", ["700000164995"]), FORGED)
    return kept.replace(b"connection: close\r\n", b"")


async def _exchanges(port, stop, data):
    reader, writer = await _connect(port)
    try:
        while time.monotonic() < stop:
            writer.write(data)
            if await reader.read(65_536) == b"":
                return
    finally:
        writer.close()


def hold(attack, count, port, stop):
    """Runs `count` attackers in this process. Returns the processor seconds that they used."""
    async def one(number):
        while time.monotonic() < stop:
            try:
                await attack(port, stop, number)
            except OSError:
                await asyncio.sleep(0.1)

    async def all_of_them():
        strangers = [asyncio.create_task(one(number)) for number in range(count)]
        await asyncio.wait(strangers, timeout=max(0, stop - time.monotonic()) + 2)
        for stranger in strangers:
            stranger.cancel()

    raise_limit()
    began = time.process_time()
    asyncio.run(all_of_them())
    return time.process_time() - began


async def exchange(port, data, seconds=60):
    """Sends one request on its own connection. Returns (status, body, seconds); status 0 means no answer."""
    began = time.monotonic()
    try:
        reader, writer = await asyncio.wait_for(_connect(port), seconds)
        writer.write(data)
        answer = await asyncio.wait_for(reader.read(-1), seconds)
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        status = int(head.split()[1])
    except (OSError, IndexError, ValueError, asyncio.TimeoutError):
        status, body = 0, b""
    return status, body, time.monotonic() - began


async def _paced(port, every, stop, make):
    """Starts one exchange at each tick, without waiting for earlier ones."""
    tasks, began = [], time.monotonic()
    for number in itertools.count():
        await asyncio.sleep(began + number * every - time.monotonic())
        if time.monotonic() >= stop:
            return await asyncio.gather(*tasks)
        tasks.append(asyncio.create_task(exchange(port, make(number))))


def honest(port, stop, every, probes_every):
    """Sends signed deliveries and probes at fixed intervals. Returns the answers."""
    def probe(number):
        path = ("healthz", "readyz")[number % 2]
        return f"GET /{path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode()

    async def both():
        deliveries = _paced(port, every, stop, lambda n: delivery(share(f"honest-{n}", ["700000164995"])))
        return await asyncio.gather(deliveries, _paced(port, probes_every, stop, probe))

    return asyncio.run(both())
