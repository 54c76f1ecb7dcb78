"""A proxy on loopback between a program and an object store. It makes writes fail as networks and stores do.

Takes the address of the store, and a list of faults. Each fault is applied to one write, in order. All other requests
are passed on unchanged. Error answers have the format of S3.
"""

import collections
import http.client
import http.server
import threading
import urllib.parse

from support import Failed

# The faults of a write: the status and code of the answer, and whether the write is carried out first.
THROTTLED = "503 SlowDown, not stored"
BROKEN = "500 InternalError, not stored"
BROKEN_AFTER = "500 InternalError, stored"
LOST = "cut before the answer, stored"
CUT = "cut before the store, not stored"
_ERRORS = {THROTTLED: (503, "SlowDown", False), BROKEN: (500, "InternalError", False),
           BROKEN_AFTER: (500, "InternalError", True)}
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class FaultProxy:
    """Runs until `stop` is called. The program under test must use `url` as the address of the store."""

    def __init__(self, target: str):
        self.target = urllib.parse.urlsplit(target)
        self.lock = threading.Lock()
        self.waiting: collections.deque = collections.deque()
        self.met: collections.Counter = collections.Counter()
        self.writes = 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def inject(self, faults: list) -> None:
        """Applies one of these faults to each of the next writes. None lets a write pass."""
        with self.lock:
            self.waiting.extend(faults)

    def drained(self) -> None:
        """Fails if an injected fault was not applied to any write, because the fault was then not tested."""
        with self.lock:
            if self.waiting:
                raise Failed(f"faults that no write has met: {list(self.waiting)}")

    def next_fault(self):
        with self.lock:
            self.writes += 1
            fault = self.waiting.popleft() if self.waiting else None
            if fault:
                self.met[fault] += 1
            return fault

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _handler(proxy: FaultProxy):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            fault = proxy.next_fault() if self.command == "PUT" else None
            status, code, stored = _ERRORS.get(fault, (0, "", fault != CUT))
            answer = self.passed_on(body) if stored else None
            if fault in (LOST, CUT):
                self.close_connection = True
            elif status:
                self.answer(status, [("Content-Type", "application/xml")],
                            f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode())
            else:
                self.answer(*answer)

        def passed_on(self, body: bytes):
            store = http.client.HTTPConnection(proxy.target.hostname, proxy.target.port, timeout=20)
            try:
                headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP}
                store.request(self.command, self.path, body, headers)
                answer = store.getresponse()
                kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in _HOP_BY_HOP]
                return answer.status, kept, answer.read()
            finally:
                store.close()

        def answer(self, status: int, headers: list, body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = relay

        def log_message(self, *_) -> None:
            pass

    return Handler
