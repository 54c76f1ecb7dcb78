#!/usr/bin/env python3
"""A stand-in for Tencent Cloud that answers at once, or after a delay, and allows any rate.

In: a port, seconds of delay. Out: an answer of success to each call that shares and to each read before it. It verifies
and stores nothing, so that the benchmarks measure the service that calls it.
"""

import asyncio
import json
import sys

IMAGE = {"BlueprintId": "lhbp-6jc6l8yb", "BlueprintState": "NORMAL", "BlueprintType": "PRIVATE"}
ANSWERS = {b"DescribeBlueprints": {"TotalCount": 1, "BlueprintSet": [IMAGE]},
           b"DescribeBlueprintsShareAcrossAccountInfos": {"TotalCount": 0, "BlueprintShareAcrossAccountInfoSet": []},
           b"ShareBlueprintAcrossAccounts": {}}


def answer(content: dict) -> bytes:
    """Returns an answer as it goes over the wire."""
    body = json.dumps({"Response": {**content, "RequestId": "00000000-0000-4000-8000-000000000000"}}).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


WIRE = {action: answer(content) for action, content in ANSWERS.items()}


class Connection(asyncio.Protocol):
    """One connection. Its client must wait for each answer before its next call."""

    def __init__(self, delay: float):
        self.delay, self.read = delay, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.read += data
        head, blank, body = self.read.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in lines[1:]) if blank else {}
        if not blank or len(body) < int(headers.get(b"content-length", 0)):
            return
        self.read = b""
        action = next((line.split(b": ", 1)[1] for line in lines if line.lower().startswith(b"x-tc-action: ")), b"")
        asyncio.get_running_loop().call_later(self.delay, self.transport.write, WIRE[action])


async def serve(port: int, delay: float) -> None:
    """Serves until the process ends."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(delay), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
