"""A proxy between the service and the stand-in cloud that answers maliciously.

In: how it answers, and whether the stand-in carries the call out first. Out: a row for each kind: time and status of
the first answer, memory, and whether the journal agrees with the cloud after the attack. Redirects point to a
listener that must receive no request.
"""

import asyncio
import concurrent.futures
import contextlib
import json
import threading
import time
import urllib.parse

from target import Service, delivery, share  # noqa: I001  (it knows where `support` is)
import strangers
from support import Sandbox, http_call, staged, wait_for

SECONDS = 5  # [limits] seconds of the service
MAX_ANSWER_SECONDS = SECONDS + 2
MAX_MEMORY_MB = 100
SETTLE_SECONDS = 120
ACCOUNT = "700000164995"
JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


async def _endless(writer, head, piece, pause=0.0):
    writer.write(head)
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause)


def _whole(body, length=None):
    return JSON_HEAD + b"content-length: %d\r\n\r\n" % (len(body) if length is None else length) + body


async def endless_body(writer, _good, _trap):
    await _endless(writer, JSON_HEAD + b"transfer-encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 65_536 + b"\r\n")


async def huge_body(writer, _good, _trap):
    await _endless(writer, JSON_HEAD + b"content-length: 999999999999\r\n\r\n", b" " * 65_536)


async def endless_head(writer, _good, _trap):
    await _endless(writer, JSON_HEAD, b"x: " + b"y" * 8_000 + b"\r\n")


async def endless_continue(writer, _good, _trap):
    await _endless(writer, b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.001)


async def drip(writer, good, _trap):
    await _endless(writer, JSON_HEAD + b"content-length: %d\r\n\r\n" % len(good), b" ", 0.2)


async def silence(_writer, _good, _trap):
    await asyncio.sleep(600)


async def closing(writer, good, _trap):
    writer.write(_whole(good[: len(good) // 2], len(good)))


async def long_length(writer, good, _trap):
    writer.write(_whole(good, len(good) + 100))


async def short_length(writer, good, _trap):
    writer.write(_whole(good, len(good) - 5))


async def broken_json(writer, good, _trap):
    writer.write(_whole(good[:-3] + b"]]]"))


async def nesting(writer, _good, _trap):
    writer.write(_whole(b'{"Response":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"))


async def other_types(writer, _good, _trap):
    writer.write(_whole(b'{"Response":{"RequestId":[],"TotalCount":"x","BlueprintSet":{},"SharePermissionSet":7}}'))


async def strange_error(writer, _good, _trap):
    error = {"Code": "Injected\r\nERROR forged" * 1000, "Message": "\x1b[2J" + "x" * 100_000}
    writer.write(_whole(json.dumps({"Response": {"Error": error, "RequestId": "r"}}).encode()))


async def redirect(writer, _good, trap):
    writer.write(f"HTTP/1.1 307 Temporary Redirect\r\nlocation: {trap}\r\ncontent-length: 0\r\n\r\n".encode())


async def not_http(writer, _good, _trap):
    writer.write(b"\x15\x03\x01\x00\x02\x02\x28" * 100)


KINDS = [endless_body, huge_body, endless_head, endless_continue, drip, silence, closing, long_length, short_length,
         broken_json, nesting, other_types, strange_error, redirect, not_http]


class BadCloud:
    """Answers on its own port until `stop`. If `kind` is None, it forwards each call unchanged."""

    def __init__(self, sandbox, kind, carries_out):
        self.sandbox, self.kind, self.carries_out = sandbox, kind, carries_out
        self.calls, self.redirected = 0, 0
        self.loop, ready = asyncio.new_event_loop(), threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait(10)

    def _run(self, ready):
        async def listen(handler):
            server = await asyncio.start_server(handler, "127.0.0.1", 0)
            return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        self.url = self.loop.run_until_complete(listen(self._serve))
        self.trap = self.loop.run_until_complete(listen(self._trapped))
        ready.set()
        self.loop.run_forever()

    async def _trapped(self, _reader, writer):
        self.redirected += 1
        writer.close()

    async def _serve(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.calls += 1
            good = b"{}"
            if self.kind is None or self.carries_out:
                good = await asyncio.to_thread(self._carried_out, head.split()[1], headers, body)
            if self.kind is None:
                writer.write(_whole(good).replace(b"200 OK\r\n", b"200 OK\r\nconnection: close\r\n", 1))
            else:
                await self.kind(writer, good, self.trap)
            await writer.drain()
        writer.close()

    def _carried_out(self, path, headers, body):
        """Sends the call to the stand-in cloud, signed for that host, and returns the answer."""
        url = urllib.parse.urljoin(self.sandbox.url, path)
        return http_call(url, "POST", body, headers)[1].encode()

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)


def measure(kind, carries_out):
    """Returns one row, and whether its values are acceptable."""
    with staged() as stage, contextlib.ExitStack() as stack:
        sandbox = Sandbox(stage)
        cloud = BadCloud(sandbox, kind, carries_out)
        stack.callback(cloud.stop)
        service = Service(stage, stage.directory / "home", cloud.url, SECONDS).start()
        status, body, took = asyncio.run(strangers.exchange(service.port, delivery(share("bad", [ACCOUNT]))))
        first = json.loads(body)["status"] if status else "none"
        memory, calls = service.most_memory_mb(), cloud.calls
        cloud.kind = None
        began = time.monotonic()

        def settled():
            service.command("sweep")
            answer = service.requests()[0]["answer"]
            return answer if answer["status"] not in ("pending", "planned") else None

        last = wait_for(f"the request to end after {kind.__name__}", settled, SETTLE_SECONDS, 1)
        shared = bool(sandbox.shares())
        says = last["results"][0]["result"] in ("shared", "already_shared")
        good = (status in (200, 202) and first != "completed" and took < MAX_ANSWER_SECONDS and memory < MAX_MEMORY_MB
                and shared == says and not cloud.redirected)
        text = (f"{kind.__name__:<17} {'yes' if carries_out else 'no':<8} {status:>4} {first:<9} {took:>5.1f} {calls:>6} "
                f"{memory:>5.0f} {last['status']:<9} {'yes' if shared else 'no':<6} {time.monotonic() - began:>5.0f}  "
                f"{'ok' if good else 'MISSED'}")
        return text, good


def all_of_them():
    """Runs every kind, with and without carrying the call out. Returns whether all rows are acceptable."""
    print("cloud's answer    carried  first answer       s  calls    MB in the end shared     s", flush=True)
    good = True
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        rows = [pool.submit(measure, kind, carried) for kind in KINDS for carried in (False, True)]
        for row in rows:
            text, as_it_must = row.result()
            print(text, flush=True)
            good &= as_it_must
    return good
