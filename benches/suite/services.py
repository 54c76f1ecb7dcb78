"""The services that the benchmarks compare, the webhooks that they get, and the client that sends them.

In: a stage, the address of a cloud. Out: sharehook as it ships, a Python function behind gunicorn, and adnanh/webhook,
each on loopback; the figures of wrk. All services get webhooks of Jira.
"""

import hashlib
import hmac
import json
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "attack"))

from target import Service as Native  # noqa: E402, F401  (found by the path above)
from target import delivery, raise_limit, share  # noqa: E402, F401
from support import (LOCAL, PEERS, Failed, Sandbox, Stage, binary, check, environment, equal, event,  # noqa: E402, F401
                     free_port, http_call, staged, wait_for)

SECRET = LOCAL["JIRA_WEBHOOK_SECRET"]
STAGING, STRANGER = "700000164995", "123456789012"
APPROVED, EDITED = (json.dumps(event(f"body-jira-{name}.json")) for name in ("approved", "edited"))


def ticket(number: int, account: str) -> bytes:
    """Returns an approved ticket for one account. Each number has its own region, so that the cloud's published rate,
    which is counted per region, delays no call."""
    text = APPROVED.replace("SHARE-101", f"SHARE-{number}").replace("31001", str(number))
    text = text.replace("700000164995, 1038493875", account)
    return text.replace('"value": "ap-singapore"', f'"value": "ap-bench{number}"').encode()


def post(body: bytes, key: str = SECRET) -> bytes:
    """Returns a signed webhook as it goes over the wire."""
    signature = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    return (f"POST /hooks/jira HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            f"x-hub-signature: sha256={signature}\r\ncontent-length: {len(body)}\r\n\r\n").encode() + body


# The webhook of each case: the number of the request -> its bytes.
WEBHOOKS = {"ignored": lambda number: post(EDITED.replace("SHARE-101", f"SHARE-{number}").encode()),
            "unauthorised": lambda number: post(ticket(number, STAGING), "another secret of the same length"),
            "denied": lambda number: post(ticket(number, STRANGER)),
            "duplicate": lambda _: post(ticket(1, STAGING)),
            "allowed": lambda number: post(ticket(number, STAGING))}
# The text that each answer of sharehook and of the Python function must contain.
TEXTS = {"ignored": "ignored", "unauthorised": "unauthori", "denied": "denied", "duplicate": "completed",
         "allowed": "completed"}
# In these cases the client itself takes nearly all of the time, so only the first answer is
# checked.
FAST = {"ignored", "unauthorised"}


class Cloud:
    """The stand-in cloud, which answers at once or after `delay` seconds."""

    def __init__(self, stage: Stage, delay: float = 0):
        self.port = free_port()
        stage.start("cloud", [sys.executable, ROOT / "benches/suite/cloud.py", self.port, delay])
        stage.await_port("cloud", self.port)


class Service:
    """A service on loopback."""

    def __init__(self, stage: Stage, name: str, argv: list, variables: dict, cwd: pathlib.Path, port: int):
        self.name, self.port = name, port
        self.process = stage.start(name, argv, variables, cwd)
        stage.await_port(name, port)

    def resident_mb(self, which: str = "VmRSS") -> float:
        """Returns the memory of the service's processes. `RssAnon`: without the pages of mapped files."""
        parent = self.process.pid
        children = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="utf-8").split()
        total = 0
        for process in [parent, *children]:
            status = pathlib.Path(f"/proc/{process}/status").read_text(encoding="utf-8")
            total += int(next(line for line in status.splitlines() if line.startswith(which)).split()[1])
        return total / 1024

    def answer(self, raw: bytes) -> tuple:
        """Sends one webhook. Returns the status and the text of the answer."""
        head, _, body = raw.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        return http_call(f"http://127.0.0.1:{self.port}/hooks/jira", "POST", body, headers)


def sharehook(stage: Stage, cloud: Cloud) -> Service:
    """Starts `serve` with the shipped configuration, a journal in a directory, and systemd's memory setting."""
    home = stage.directory / "home"
    shutil.copytree(ROOT / "policy", home / "policy")
    shutil.copy(ROOT / "sharehook.toml", home)
    port = free_port()
    variables = {**LOCAL, "SHAREHOOK_CLOUD_ENDPOINT": f"http://127.0.0.1:{cloud.port}", "SHAREHOOK_CLOUD_SITE": "cn",
                 "MALLOC_ARENA_MAX": "2"}
    return Service(stage, "sharehook", [binary(), "serve", "--listen", f"127.0.0.1:{port}"], variables, home, port)


def function(stage: Stage, cloud: Cloud) -> Service:
    """Starts the Python function behind gunicorn, with two processes for each of two cores, as gunicorn advises."""
    gunicorn, port = PEERS / "bench" / "bin" / "gunicorn", free_port()
    check(gunicorn.exists(), "the Python function's environment; run scripts/peers bench", str(gunicorn))
    variables = {**LOCAL, "CLOUD_ENDPOINT": f"127.0.0.1:{cloud.port}"}
    argv = [gunicorn, "--workers", 4, "--worker-class", "gthread", "--threads", 8, "--keep-alive", 60,
            "--bind", f"127.0.0.1:{port}", "function:application"]
    return Service(stage, "function", argv, variables, ROOT / "benches" / "peers", port)


def webhook(stage: Stage, _: Cloud) -> Service:
    """Starts adnanh/webhook, which checks the signature and one field."""
    program = shutil.which("webhook")
    check(program is not None, "the program webhook; install Debian's package of this name", "it is not on the path")
    signed = {"type": "payload-hmac-sha256", "secret": SECRET,
              "parameter": {"source": "header", "name": "X-Hub-Signature"}}
    approved = {"type": "value", "value": "Approved",
                "parameter": {"source": "payload", "name": "changelog.items.0.toString"}}
    hook = {"id": "jira", "execute-command": "/bin/true",
            "trigger-rule": {"and": [{"match": signed}, {"match": approved}]}}
    hooks, port = stage.directory / "hooks.json", free_port()
    hooks.write_text(json.dumps([hook]), encoding="utf-8")
    return Service(stage, "webhook", [program, "-hooks", hooks, "-ip", "127.0.0.1", "-port", port], {},
                   stage.directory, port)


def load(service: Service, stage: Stage, case: str, count: int, connections: int, seconds: float, first: int = 1,
         once: bool = True, text: str = "") -> dict:
    """Sends `count` different webhooks of a case with wrk for `seconds`. Returns the figures. `first`: number of the
    first webhook. `once`: sends each webhook at most once. Every answer must contain `text`."""
    check(shutil.which("wrk") is not None, "the program wrk; install Debian's package of this name",
          "it is not on the path")
    file = stage.directory / "requests"
    with open(file, "wb") as out:
        for number in range(first, first + count):
            raw = WEBHOOKS[case](number)
            out.write(b"%010d%s" % (len(raw), raw))
    argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s",
            ROOT / "benches" / "suite" / "requests.lua", f"http://127.0.0.1:{service.port}", "--", file,
            "once" if once else "again", text]
    done = subprocess.run([str(a) for a in argv], env=environment({}), capture_output=True, text=True, check=False)
    check(done.returncode == 0, "wrk to end well", done.stdout + done.stderr)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    equal(result["failed"], 0, f"the {case} webhooks without an answer from {service.name}")
    check(not once or result["requests"] < count, "fewer answers than webhooks", result)
    if text:
        equal(result["good"], result["requests"], f"the answers of {service.name} with {text}")
    return result
