"""The service that the attack suite and the soak run: its folder, its processes, what it uses of the machine.

In: a stage, the address of a cloud, a folder. Out: a service on loopback and the commands over its journal. Builds on
the harness of the peer tests.
"""

import json
import pathlib
import resource
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "peers"))

from support import LOCAL, Stage, binary, environment, free_port, signed  # noqa: E402  (found by the path above)

IMAGE, CHAIN, REGION = "lhbp-6jc6l8yb", "img-xkd784jw", "ap-singapore"
OPEN_FILES = 1024
CONFIGURATION = """journal = "file:journal"
[cloud]
site = "cn"
endpoint = "{cloud}"
[limits]
seconds = {seconds}
[[source]]
name = "native"
scheme = "standard-webhooks"
secrets = ["env:NATIVE_WEBHOOK_SECRET"]
"""
# Denies one requester, so that a run has denials too.
POLICY = """@id("everything") permit (principal, action, resource);
@id("never-mallory") forbid (principal == Share::Requester::"native/mallory@example.com", action, resource);
"""


class Service:
    """`sharehook serve` over a folder of its own, with no more open files than a shell gives."""

    def __init__(self, stage: Stage, home: pathlib.Path, cloud: str, seconds: int = 25, unread: bool = False,
                 variables: dict | None = None):
        self.stage, self.home, self.unread = stage, home, unread
        self.variables = {**LOCAL, **(variables or {})}
        (home / "policy").mkdir(parents=True)
        text = CONFIGURATION.format(cloud=cloud, seconds=seconds)
        (home / "sharehook.toml").write_text(text, encoding="utf-8")
        (home / "policy" / "policy.cedar").write_text(POLICY, encoding="utf-8")
        (home / "policy" / "entities.json").write_text("[]", encoding="utf-8")
        self.process = None
        self.port = 0

    def start(self) -> "Service":
        """Starts the process, again after it was killed, and waits until it answers."""
        self.port = free_port()
        limited = ["sh", "-c", f'ulimit -n {OPEN_FILES} && exec "$@"', "sh", binary()]
        argv = [*limited, "serve", "--listen", f"127.0.0.1:{self.port}"]
        self.process = self.stage.start("service", argv, self.variables, self.home, self.unread)
        self.stage.await_http("service", f"http://127.0.0.1:{self.port}/healthz")
        return self

    def kill(self) -> None:
        """Ends the process as a power cut does."""
        self.process.kill()
        self.process.wait()

    def most_memory_mb(self) -> float:
        """The most memory that the process has held since its start."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    def processor_seconds(self) -> float:
        """The processor time that the process has used."""
        text = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / 100

    def command(self, *arguments: str) -> subprocess.CompletedProcess:
        """One command over the same folder."""
        return subprocess.run([binary(), *arguments], cwd=self.home, env=environment(self.variables),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)

    def requests(self) -> list:
        """What the journal knows of each request."""
        listed = json.loads(self.command("requests", "--json").stdout)
        return listed["entries"] if isinstance(listed, dict) else listed


def share(name: str, accounts: list, action: str = "share", image: str = IMAGE, **more) -> dict:
    """A native request."""
    return {"id": name, "action": action, "image": image, "region": REGION, "accounts": accounts,
            "requester": "alice@example.com", "approvers": ["bob@example.com"], **more}


def delivery(request: dict, secret: str = LOCAL["NATIVE_WEBHOOK_SECRET"], at: float | None = None) -> bytes:
    """A signed delivery as it goes over the wire; its connection ends with the answer."""
    body, headers = signed(request, secret, at)
    lines = [f"{name}: {value}" for name, value in {**headers, "content-length": len(body), "host": "localhost",
                                                    "connection": "close"}.items()]
    return "\r\n".join(["POST /hooks/native HTTP/1.1", *lines, "", ""]).encode() + body


def raise_limit() -> None:
    """Lets this process hold as many connections as the machine allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
