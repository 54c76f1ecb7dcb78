"""The service under attack or soak: its folder, its processes, its memory and processor time.

In: a stage, the address of a cloud, a folder. Out: a service on loopback and the commands over its journal. Uses
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
    """`sharehook serve` in its own folder, with the usual limit of open files."""

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
        """Starts the process, or restarts it after `kill`, and waits until it answers."""
        self.port = free_port()
        limited = ["sh", "-c", f'ulimit -n {OPEN_FILES} && exec "$@"', "sh", binary()]
        argv = [*limited, "serve", "--listen", f"127.0.0.1:{self.port}"]
        self.process = self.stage.start("service", argv, self.variables, self.home, self.unread)
        self.stage.await_http("service", f"http://127.0.0.1:{self.port}/healthz")
        return self

    def kill(self) -> None:
        """Sends SIGKILL to the process."""
        self.process.kill()
        self.process.wait()

    def most_memory_mb(self) -> float:
        """Returns the maximum memory of the process since its start."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    def processor_seconds(self) -> float:
        """Returns the processor time that the process has used."""
        text = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / 100

    def command(self, *arguments: str) -> subprocess.CompletedProcess:
        """Runs one command in the same folder."""
        return subprocess.run([binary(), *arguments], cwd=self.home, env=environment(self.variables),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)

    def requests(self) -> list:
        """Returns the journal's requests."""
        listed = json.loads(self.command("requests", "--json").stdout)
        return listed["entries"] if isinstance(listed, dict) else listed


def share(name: str, accounts: list, action: str = "share", image: str = IMAGE, **more) -> dict:
    """Returns a native request."""
    return {"id": name, "action": action, "image": image, "region": REGION, "accounts": accounts,
            "requester": "alice@example.com", "approvers": ["bob@example.com"], **more}


def delivery(request: dict, secret: str = LOCAL["NATIVE_WEBHOOK_SECRET"], at: float | None = None) -> bytes:
    """Returns the bytes of a signed delivery, which asks the server to close the connection after the answer."""
    body, headers = signed(request, secret, at)
    lines = [f"{name}: {value}" for name, value in {**headers, "content-length": len(body), "host": "localhost",
                                                    "connection": "close"}.items()]
    return "\r\n".join(["POST /hooks/native HTTP/1.1", *lines, "", ""]).encode() + body


def raise_limit() -> None:
    """Raises this process's limit of open files to the machine's maximum."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
