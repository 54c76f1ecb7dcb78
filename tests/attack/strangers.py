"""What strangers without a secret do to a server, each on one connection until `stop`, and again when it is closed.

In: a port, an instant, numbers. Out: nothing; `hold` returns the processor time that this process took for it.
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
    """Whether the server closes the connection within this time."""
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
    """A header line that does not end."""
    await _drip(port, stop, POST + b"x: ", b"x")


async def slow_body(port, stop, _):
    """A small body, a byte a second."""
    await _drip(port, stop, POST + b"content-length: 4000\r\n\r\n", b"x")


async def large_body(port, stop, _):
    """Most of a large body at once, and the rest slowly."""
    await _drip(port, stop, POST + b"content-length: 200000\r\n\r\n" + b"x" * 100_000, b"x")


async def chunks(port, stop, _):
    """A chunked body, a chunk of one byte a second, each with a long extension."""
    await _drip(port, stop, POST + b"transfer-encoding: chunked\r\n\r\n", b"1;" + b"e" * 1000 + b"\r\nx\r\n")


async def silent(port, stop, _):
    """A connection without a byte."""
    await _drip(port, stop, b"", b"")


async def half_closed(port, stop, _):
    """A request whose sender closes its side, and does not read."""
    _, writer = await _connect(port)
    writer.write(b"GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n")
    writer.write_eof()
    await asyncio.sleep(min(5, max(0, stop - time.monotonic())))
    writer.close()


async def hang_up(port, _stop, number):
    """Half a delivery, and the sender is gone."""
    _, writer = await _connect(port)
    writer.write(_forged(number)[:-10])
    await writer.drain()
    writer.transport.abort()
    await asyncio.sleep(0.5)


async def flood(port, stop, number):
    """Complete deliveries with a wrong signature, one after the other."""
    await _exchanges(port, stop, _forged(number))


async def pipelined(port, stop, number):
    """A hundred forged deliveries at once on one connection, and again when they are answered."""
    await _exchanges(port, stop, _forged(number) * 100)


async def unread(port, stop, number):
    """Forged deliveries without end, whose answers nobody reads."""
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
    """A probe on a new connection, and again."""
    reader, writer = await _connect(port)
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
    await reader.read(4096)
    writer.transport.abort()


async def expectant(port, stop, _):
    """Permission to send a body that never comes."""
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
    """`count` strangers in this process; the processor seconds that they took."""
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
    """(status, body, seconds) of one exchange on a connection of its own; 0 without an answer."""
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
    """One exchange at each tick, whatever became of earlier ones."""
    tasks, began = [], time.monotonic()
    for number in itertools.count():
        await asyncio.sleep(began + number * every - time.monotonic())
        if time.monotonic() >= stop:
            return await asyncio.gather(*tasks)
        tasks.append(asyncio.create_task(exchange(port, make(number))))


def honest(port, stop, every, probes_every):
    """The answers to signed deliveries and to probes that come at a steady pace."""
    def probe(number):
        path = ("healthz", "readyz")[number % 2]
        return f"GET /{path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode()

    async def both():
        deliveries = _paced(port, every, stop, lambda n: delivery(share(f"honest-{n}", ["700000164995"])))
        return await asyncio.gather(deliveries, _paced(port, probes_every, stop, probe))

    return asyncio.run(both())
