"""The harness of the peer tests: starts and ends programs, waits with a limit, and explains failed checks.

Uses the `sharehook` that was built in this checkout, or the program that SHAREHOOK_BIN names. If a check fails, prints the
expected and the actual value and the last lines of every program's log, and exits with code 1.
"""

import base64
import contextlib
import hashlib
import hmac
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / ".peers"
EVENTS = ROOT / "events"
# How the names of variables with secrets end; see tests/it/support/secrets.rs.
SECRET_ENDINGS = ("SECRET", "TOKEN", "KEY", "LOGIN", "PASSWORD")


def _local_variables() -> dict:
    lines = (EVENTS / "local.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


# The variables that the laptop's configuration reads. The secrets in them are for tests only.
LOCAL = _local_variables()


class Failed(Exception):
    """A failed check. Its text is shown to the user."""


def use_environment(name: str) -> None:
    """Restarts the test in the interpreter of .peers/NAME, which has the needed libraries."""
    python = PEERS / name / "bin" / "python"
    if not python.exists():
        sys.exit(f"{python.relative_to(ROOT)} is missing; run scripts/peers {name}")
    if pathlib.Path(sys.prefix).resolve() != (PEERS / name).resolve():
        os.execv(python, [str(python), *sys.argv])


def event(name: str):
    """Returns the JSON of an event file."""
    return json.loads((EVENTS / name).read_text(encoding="utf-8"))


def check(holds: bool, expected: str, got=None) -> None:
    """Fails with the expected and the actual value unless `holds` is true."""
    if holds:
        return
    shown = got if isinstance(got, str) else json.dumps(got, indent=2, default=str)
    raise Failed(f"expected: {expected}\n     got: {shown}")


def equal(got, wanted, what: str) -> None:
    """Fails unless both are equal."""
    check(got == wanted, f"{what} to be {json.dumps(wanted, default=str)}", got)


def wait_for(what: str, probe, seconds: float = 30.0, every: float = 0.1):
    """Returns the first true answer of `probe`. Fails after `seconds`."""
    end = time.monotonic() + seconds
    last = None
    while time.monotonic() < end:
        try:
            answer = probe()
            if answer:
                return answer
            last = answer
        except (OSError, http.client.HTTPException) as error:
            last = error
        time.sleep(every)
    raise Failed(f"waited {seconds:.0f} s for {what}; last seen: {last!r}")


def free_port() -> int:
    """Returns a loopback port on which no process listens now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def http_call(url: str, method: str = "GET", body: bytes | None = None, headers: dict | None = None):
    """Sends one request without a proxy. Returns (status, body text), also for error statuses."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Stage:
    """A temporary directory and the programs started in it. At the end of the `with` block all programs are ended."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self.programs: list[tuple[str, subprocess.Popen]] = []
        self.secrets: set[str] = set()

    def log(self, name: str) -> pathlib.Path:
        return self.directory / f"{name}.log"

    def start(self, name: str, argv: list, env: dict | None = None, cwd: pathlib.Path = ROOT,
              unread: bool = False) -> subprocess.Popen:
        """Starts a program in its own process group. Its output goes to NAME.log, or with `unread` into pipes."""
        self.secrets.update(str(value) for variable, value in (env or {}).items()
                            if variable.endswith(SECRET_ENDINGS) and len(str(value)) >= 12)
        with open(self.log(name), "ab") as log:
            output = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} if unread else {
                "stdout": log, "stderr": subprocess.STDOUT}
            program = subprocess.Popen([str(a) for a in argv], cwd=cwd, env=environment(env or {}),
                                       stdin=subprocess.DEVNULL, start_new_session=True, **output)
        self.programs.append((name, program))
        return program

    def alive(self, name: str) -> None:
        """Fails if a program has ended, so that the test does not wait for it."""
        latest = dict(self.programs).get(name)
        if latest and latest.poll() is not None:
            raise Failed(f"{name} ended with status {latest.returncode}")

    def await_http(self, name: str, url: str, seconds: float = 30.0) -> None:
        """Waits until `url` answers, with any status."""
        def probe():
            self.alive(name)
            return http_call(url)[0]
        wait_for(f"{name} at {url}", probe, seconds)

    def await_port(self, name: str, port: int, seconds: float = 30.0) -> None:
        """Waits until a process listens on this loopback port."""
        def probe():
            self.alive(name)
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
        wait_for(f"{name} on port {port}", probe, seconds)

    def stop(self) -> None:
        """Ends every program that this stage started, in reverse order: first with SIGTERM, then with SIGKILL."""
        for ask, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            for _, program in reversed(self.programs):
                # The stage made this group (start_new_session). It includes the program's children.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(program.pid, ask)
            end = time.monotonic() + patience
            for _, program in self.programs:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    program.wait(max(0.0, end - time.monotonic()))

    def search(self) -> None:
        """Fails if a log or a file of a journal contains a secret from a program's environment."""
        journals = [path for path in self.directory.glob("**/journal*/**/*") if path.is_file()]
        # The stand-in cloud prints the key pair that it accepts.
        logs = [path for path in self.directory.glob("*.log") if path.stem != "sandbox"]
        for path in [*logs, *journals]:
            text = path.read_bytes()
            for secret in self.secrets:
                key = secret.removeprefix("whsec_").rsplit(":", 1)[-1]
                check(key.encode() not in text, f"{path.name} to show no secret", key)

    def logs(self, lines: int = 40) -> str:
        """Returns the last lines of every log."""
        parts = []
        for path in sorted(self.directory.glob("*.log")):
            text = path.read_text(encoding="utf-8", errors="replace").splitlines()
            parts.append(f"--- {path.name} (last {min(lines, len(text))} of {len(text)} lines)")
            parts.extend(text[-lines:])
        return "\n".join(parts)


def environment(more: dict) -> dict:
    """Returns this process's environment without variables of clouds and proxies, and with `more`."""
    cloudy = ("AWS_", "TENCENTCLOUD_", "SHAREHOOK_", "TCCLI_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(cloudy) and not k.lower().endswith("_proxy")}
    return {**kept, "NO_PROXY": "127.0.0.1,localhost", **{k: str(v) for k, v in more.items()}}


def binary() -> pathlib.Path:
    """Returns the path of the program under test."""
    path = pathlib.Path(os.environ.get("SHAREHOOK_BIN", ROOT / "target" / "debug" / "sharehook")).resolve()
    if not path.exists():
        raise Failed(f"{path} is missing; run cargo build first")
    return path


def local_configuration(directory: pathlib.Path) -> pathlib.Path:
    """Copies the laptop's configuration and the files that it names, so that a test does not write into the checkout."""
    for folder in ("policy", "maps"):
        if (ROOT / folder).is_dir():
            shutil.copytree(ROOT / folder, directory / folder, dirs_exist_ok=True)
    return pathlib.Path(shutil.copy(ROOT / "sharehook.local.toml", directory / "sharehook.toml"))


def local_variables(sandbox: str, journal: str) -> dict:
    """Returns the variables of a function that calls this sandbox and writes this journal."""
    return {**LOCAL, "SHAREHOOK_CLOUD_ENDPOINT": sandbox, "SHAREHOOK_JOURNAL": journal}


def signed(request: dict, secret: str = LOCAL["NATIVE_WEBHOOK_SECRET"], at: float | None = None) -> tuple:
    """Returns body and headers of a native request, signed as standardwebhooks.com says. `at` is the sender's time."""
    body, name = json.dumps(request).encode(), f"msg_{request['id']}"
    when = str(int(time.time() if at is None else at))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{name}.{when}.".encode() + body, hashlib.sha256).digest()
    return body, {"content-type": "application/json", "webhook-id": name, "webhook-timestamp": when,
                  "webhook-signature": "v1," + base64.b64encode(mac).decode()}


def aged(record: bytes, year: str = "2020") -> bytes:
    """Returns a request's record 0 as if it had been written in another year, because a test cannot set the clock."""
    line = json.loads(record.split(b"\n", 1)[0])
    line["at"] = line["event"]["approved_at"] = f"{year}-07-01T08:00:00Z"
    text = json.dumps(line, separators=(",", ":"), ensure_ascii=False)
    return f'{text}\n"sha256:{hashlib.sha256(text.encode()).hexdigest()}"\n'.encode()


class Sandbox:
    """Runs `sharehook sandbox` on a free port, as the site that can list the accounts of a blueprint."""

    def __init__(self, stage: Stage, *options: str):
        self.url = f"http://127.0.0.1:{free_port()}"
        listen = self.url.removeprefix("http://")
        stage.start("sandbox", [binary(), "sandbox", "--site", "cn", "--listen", listen, *options])
        stage.await_http("sandbox", f"{self.url}/sandbox/state")

    def fail(self, *faults: str) -> None:
        """Injects these faults, such as `*:slow:2s@3`, into the next calls."""
        headers = {"content-type": "application/json"}
        status, text = http_call(f"{self.url}/sandbox/faults", "POST", json.dumps(faults).encode(), headers)
        equal(status, 200, f"the sandbox's status for {faults}, which answers {text}")

    def ask(self, what: str) -> dict:
        """Returns the JSON of `/sandbox/state` or `/sandbox/calls`."""
        status, text = http_call(f"{self.url}/sandbox/{what}")
        equal(status, 200, f"the sandbox's status for /sandbox/{what}")
        return json.loads(text)

    def shares(self) -> set:
        """Returns the (image, account) pairs that are shared now, in all regions."""
        stocks = self.ask("state")["regions"].values()
        images = [pair for stock in stocks for kind in ("blueprints", "images") for pair in stock[kind].items()]
        return {(name, account) for name, image in images for account in image["shares"]}

    def shared_once(self, wanted: set) -> None:
        """Fails unless exactly these (image, account) pairs are shared, and each was requested by one call."""
        equal(sorted(self.shares()), sorted(wanted), "the shares in the sandbox")
        asked = [(call["image"], account) for call in self.ask("calls")["calls"] if _shares(call)
                 for account in call["accounts"]]
        equal(sorted(asked), sorted(wanted), "the shares that were asked for, over all calls")


class Runtime:
    """A stand-in for Lambda's runtime API that has one event. Calls `at_answer` when the answer arrives, before the function may be frozen."""

    def __init__(self, payload: dict, trace: str = "", at_answer=lambda: None):
        events, self.answers, self.seconds = [json.dumps(payload).encode()], [], 0.0
        runtime = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if not events:
                    time.sleep(30)
                    return
                body = events.pop()
                runtime.seconds = time.monotonic()
                self.send_response(200)
                for name, value in {"lambda-runtime-aws-request-id": "r-1", "content-length": str(len(body)),
                                    "lambda-runtime-deadline-ms": str(int((time.time() + 30) * 1000)),
                                    "lambda-runtime-invoked-function-arn": "arn:aws:lambda:us-east-1:000000000000:function:f",
                                    "lambda-runtime-trace-id": trace}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                at_answer()
                runtime.seconds = time.monotonic() - runtime.seconds
                runtime.answers.append((self.path, body))
                self.send_response(202)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.variables = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}", "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_LOG_GROUP_NAME": "g",
            "AWS_LAMBDA_LOG_STREAM_NAME": "s"}

    def answered(self) -> dict:
        """Returns the answer to the event. Fails if the function reports an error."""
        path, body = wait_for("the function's answer", lambda: self.answers and self.answers[0], 30)
        check(path.endswith("/response"), "an answer and no error", f"{path} {body.decode()}")
        return json.loads(body)


def _shares(call: dict) -> bool:
    """Returns whether a call shares an image. Other calls cancel shares or read."""
    return call["action"] == "ShareBlueprintAcrossAccounts" or call["permission"] == "SHARE"


@contextlib.contextmanager
def staged():
    """Creates a stage in its own folder. If the `with` block fails, prints the logs."""
    with tempfile.TemporaryDirectory(prefix="sharehook-peers-") as directory:
        stage = Stage(pathlib.Path(directory))
        try:
            yield stage
        except Exception:
            print(stage.logs(), file=sys.stderr)
            raise
        finally:
            stage.stop()


def run(test) -> None:
    """Runs a test on its own stage, and exits with the test's result."""
    # A terminated test must still end the programs that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    name = pathlib.Path(sys.argv[0]).name
    try:
        with staged() as stage:
            test(stage)
            stage.search()
    except (Failed, OSError) as error:
        print(f"{name}: FAILED after {time.monotonic() - began:.1f} s\n{error}", file=sys.stderr)
        sys.exit(1)
    print(f"{name}: ok, {time.monotonic() - began:.1f} s")


def step(text: str) -> None:
    """Prints what the test has just shown."""
    print(f"  {text}", flush=True)
