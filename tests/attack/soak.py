#!/usr/bin/env python3
"""Mixed traffic with injected failures. At the end, senders, journal and cloud must agree.

In: minutes, a seed. Out: the deliveries and failures, the result of each check, exit 1 if one fails. The checks: each
accepted delivery has one outcome, the journal has no other request, the journal's grants equal the cloud's shares, and
`audit verify` and `drift` find nothing. The seed selects traffic and failures; which of them coincide also depends on
timing.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

from target import CHAIN, IMAGE, LOCAL, Service, share  # noqa: I001  (it knows where `support` is)
from support import ROOT, Failed, Sandbox, check, equal, http_call, signed, staged, step

SENDERS = 6
PAUSE = (0.05, 0.6)  # seconds between two deliveries of a sender
SETTLE_SECONDS = 240
FORGED = "whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldA=="
CVM_IMAGE = "img-6pb6lrmy"
LARGEST_STEP = 3_600
JOURNAL_BYTES = 4 << 30

# Failures of the cloud, with their weights. All are plausible: no refused call is carried out, and a call that may
# have been carried out is not answered with a refusal.
CLOUD_FAULTS = {"reset-before": 3, "reset-after": 3, "error-before:InternalError": 2, "error-after:InternalError": 2,
                "error-before:RequestLimitExceeded": 2, "status:502": 1, "html-ok": 1, "cut-body": 2, "slow:3s": 2}


def namespace() -> bool:
    """Restarts this process in a namespace in which it may mount a file system, if the machine permits that."""
    if "SOAK_NAMESPACE" in os.environ:
        return os.environ["SOAK_NAMESPACE"] == "yes"
    for way in (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]):
        if shutil.which("unshare") and subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0:
            os.environ["SOAK_NAMESPACE"] = "yes"
            os.execvp(way[0], [*way, sys.executable, *sys.argv])
    return False


class Clock:
    """The clock of the service and of its commands. A preloaded library shifts it."""

    def __init__(self, folder: pathlib.Path):
        self.file, library = folder / "clock", folder / "clock.so"
        source = pathlib.Path(__file__).with_name("clock.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        self.set(0)
        self.variables = {"LD_PRELOAD": library, "SOAK_CLOCK": self.file}

    def set(self, seconds: int) -> None:
        """Moves the clock by these seconds against the true time. It runs on from there."""
        self.seconds = seconds
        with open(self.file, "r+b" if self.file.exists() else "wb") as file:
            file.write(struct.pack("<q", seconds))

    def now(self) -> float:
        return time.time() + self.seconds


class Disk:
    """The file system of the service's folder. Its size and mode can be changed during use."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={JOURNAL_BYTES}", "soak", folder], check=True)

    def _remount(self, options: str) -> bool:
        for _ in range(100):
            if subprocess.run(["mount", "-o", f"remount,{options}", self.folder], capture_output=True,
                              check=False).returncode == 0:
                return True
            time.sleep(0.02)  # refused while a file is open for writing
        return False

    def fill(self) -> bool:
        """Fills the file system completely."""
        stat = os.statvfs(self.folder)
        return self._remount(f"size={max(stat.f_blocks - stat.f_bfree, 1) * stat.f_frsize}")

    def protect(self) -> bool:
        return self._remount("ro")

    def restore(self) -> None:
        check(self._remount(f"rw,size={JOURNAL_BYTES}"), "the disk to be writable again")

    def unmount(self) -> None:
        subprocess.run(["umount", "-l", self.folder], check=True)


def outcome(answer: dict) -> dict:
    """Returns the parts of an answer that do not change later. The record's place changes, and so does a called-off item,
    which is revoked later."""
    until_taken_back = ("result", "blueprint")
    results = [{name: value for name, value in result.items()
                if name not in until_taken_back or "called_off_by" not in result}
               for result in answer.get("results", [])]
    return {**{name: answer.get(name) for name in ("status", "policy", "expires_at")}, "results": results}


class Books:
    """The requests that were sent, and their answers."""

    def __init__(self):
        self.lock = threading.Lock()
        self.accepted: dict = {}  # id -> request
        self.final: dict = {}  # id -> the first final answer
        self.refused: set = set()  # ids that the journal must not have
        self.counts = collections.Counter()
        self.flaws: list = []

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1

    def take(self, request: dict, status: int, answer: dict) -> None:
        """Stores the answer to an accepted or denied delivery."""
        content = outcome(answer)
        with self.lock:
            name = request["id"]
            self.accepted[name] = request
            if status == 202:
                return
            first = self.final.setdefault(name, content)
            if first != content:
                self.flaws.append(f"{name} was answered {first} and later {content}")


class Sender:
    """One sender. It repeats a delivery until the answer says that the delivery was accepted, as senders should."""

    def __init__(self, number: int, seed: str, service: Service, clock: Clock, books: Books, stop: threading.Event):
        self.number, self.dice = number, random.Random(f"{seed}/{number}")
        self.service, self.clock, self.books, self.stop = service, clock, books, stop
        self.sent: list = []

    def run(self) -> None:
        while not self.stop.is_set():
            kind = self.dice.choices([self.share, self.cancel, self.again, self.conflict, self.forged, self.denied,
                                      self.ignored, self.invalid], [40, 15, 15, 3, 10, 5, 7, 5])[0]
            kind()
            self.stop.wait(self.dice.uniform(*PAUSE))

    def _name(self) -> str:
        self.number += SENDERS
        return f"soak-{self.number}"

    def _accounts(self) -> list:
        """Chooses from few accounts, so that several requests concern the same one."""
        return sorted({f"7000001{self.dice.randrange(60):05}" for _ in range(self.dice.choice([1, 1, 1, 2, 5, 14]))})

    def _request(self, action: str) -> dict:
        image = self.dice.choice([IMAGE, IMAGE, CVM_IMAGE, CHAIN])
        more = {"image": image, "lighthouse": True} if image == CHAIN else {"image": image}
        if action == "share" and self.dice.random() < 0.5:
            more["expires_in"] = self.dice.choice(["5s", "20s", "90s", "30m"])
        return share(self._name(), self._accounts(), action, **more)

    def share(self) -> None:
        self._accept(self._request("share"), {200, 202})

    def cancel(self) -> None:
        self._accept(self._request("cancel"), {200, 202})

    def denied(self) -> None:
        accounts = [f"6100001{self.dice.randrange(60):05}"]
        self._accept(share(self._name(), accounts, requester="mallory@example.com"), {403})

    def again(self) -> None:
        """Repeats an accepted delivery."""
        if self.sent:
            self._accept(self.dice.choice(self.sent), {200, 202, 403})

    def conflict(self) -> None:
        """Sends other content under a known id."""
        if self.sent:
            request = {**self.dice.choice(self.sent), "accounts": ["620000100001"]}
            self._until(request, {422})
            self.books.count("conflicts")

    def invalid(self) -> None:
        request = share(self._name(), ["not an account"])
        self._until(request, {422})
        self._never(request, "invalid")

    def ignored(self) -> None:
        request = {"id": self._name(), "note": "nothing is requested"}
        _, answer = self._until(request, {200})
        check(not answer or answer["status"] == "ignored", "a note to be ignored", answer)
        self._never(request, "ignored")

    def forged(self) -> None:
        request = share(self._name(), ["630000100001"])
        status, _ = self._send(request, FORGED)
        check(status in (0, 401), "a forged delivery to be refused", status)
        self._never(request, "forged")

    def _never(self, request: dict, what: str) -> None:
        self.books.count(what)
        with self.books.lock:
            self.books.refused.add(request["id"])

    def _accept(self, request: dict, wanted: set) -> None:
        status, answer = self._until(request, wanted)
        if answer:
            if request not in self.sent:
                self.sent.append(request)
            self.books.count({200: "answered 200", 202: "answered 202", 403: "denied"}[status])
            self.books.take(request, status, answer)

    def _until(self, request: dict, wanted: set) -> tuple:
        """Sends until one of these answers arrives. Reports any other final answer as a flaw. Sends nothing after the stop."""
        while not self.stop.is_set():
            status, answer = self._send(request, LOCAL["NATIVE_WEBHOOK_SECRET"])
            if status in wanted:
                return status, answer
            # The service is not reachable, overloaded or failing, or its clock is wrong by an hour.
            if status not in (0, 401, 429, 500, 503):
                with self.books.lock:
                    self.books.flaws.append(f"{request} was answered {status} {answer}")
                return status, None
            self.books.count(f"sent again after {status}")
            self.stop.wait(0.5)
        return 0, None

    def _send(self, request: dict, secret: str) -> tuple:
        body, headers = signed(request, secret)
        try:
            url = f"http://127.0.0.1:{self.service.port}/hooks/native"
            status, text = http_call(url, "POST", body, headers)
            return status, json.loads(text)
        except (OSError, ValueError):
            return 0, None


class Chaos:
    """The failures of the service, its cloud, its disk and its clock during the traffic."""

    def __init__(self, dice: random.Random, service: Service, sandbox: Sandbox, clock: Clock, disk: Disk | None,
                 books: Books):
        self.dice, self.service, self.sandbox, self.clock, self.disk = dice, service, sandbox, clock, disk
        self.books = books
        self.counts = collections.Counter()

    def run_until(self, end: float) -> None:
        while time.monotonic() < end:
            kinds = [(self.kill, 5), (self.stop, 1), (self.step, 3), (self.cloud, 6), (self.sweep, 3), (self.verify, 1)]
            kinds += [(self.full, 2), (self.read_only, 2)] if self.disk else []
            kind = self.dice.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]
            if kind():
                self.counts[kind.__name__.replace("_", " ")] += 1
            time.sleep(self.dice.uniform(0.5, 4))

    def kill(self) -> bool:
        """Sends SIGKILL at a random moment, and starts a new process."""
        time.sleep(self.dice.uniform(0, 1))
        self.service.kill()
        self.service.start()
        return True

    def stop(self) -> bool:
        """Stops the process with SIGTERM, and starts a new one."""
        self.service.process.terminate()
        self.service.process.wait(30)
        self.service.start()
        return True

    def step(self) -> bool:
        """Moves the clock within the tolerance of signatures, or by an hour for a short time."""
        if self.dice.random() < 0.3:
            self.clock.set(self.dice.choice([-LARGEST_STEP, LARGEST_STEP]))
            time.sleep(self.dice.uniform(1, 4))
        self.clock.set(self.dice.randrange(-200, 200))
        return True

    def cloud(self) -> bool:
        """Injects several failures of the cloud."""
        kinds = self.dice.choices(list(CLOUD_FAULTS), list(CLOUD_FAULTS.values()), k=self.dice.randrange(1, 6))
        self.sandbox.fail(*(f"*:{kind}@{self.dice.randrange(1, 6)}" for kind in kinds))
        return True

    def sweep(self) -> bool:
        """Sweeps in a second process."""
        done = self.service.command("sweep")
        check(done.returncode in (0, 1), "a sweep to end", done.stdout + done.stderr)
        return True

    def verify(self) -> bool:
        """Verifies the journal during the traffic."""
        with self.books.lock:
            accepted = set(self.books.accepted)
        equal(findings(self.service, accepted), [], "what audit verify finds")
        return True

    def full(self) -> bool:
        return self._without_writes(self.disk.fill)

    def read_only(self) -> bool:
        return self._without_writes(self.disk.protect)

    def _without_writes(self, spoil) -> bool:
        """Makes the disk unwritable for some seconds, and sometimes kills the process meanwhile."""
        spoiled = spoil()
        time.sleep(self.dice.uniform(1, 3))
        killed = self.dice.random() < 0.3
        if killed:
            self.service.kill()
        self.disk.restore()
        if killed:
            self.service.start()
        return spoiled


def findings(service: Service, accepted: set) -> list:
    """Returns the findings of `audit verify`, except for index entries without a record. A delivery leaves such entries
    if the process died, or the disk was full, before record 0. Such a delivery was not answered as accepted."""
    done = service.command("audit", "verify", "--json")
    found = json.loads(done.stdout)["findings"]
    streams = {hashlib.sha256(f"native\0{name}".encode()).hexdigest()[:32] for name in accepted}
    return [one for one in found if one["flaw"] != "unrecorded" or one["seq"] != 0 or one["stream"] in streams]


def configured(service: Service) -> None:
    """Writes a map that also accepts notes, which contain no request."""
    (service.home / "soak.jq").write_text("if .note then empty else . end\n", encoding="utf-8")
    file = service.home / "sharehook.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('scheme = "standard', 'map = "soak.jq"\nscheme = "standard'), encoding="utf-8")


def settle(service: Service, sandbox: Sandbox, clock: Clock) -> None:
    """Ends all failures, and waits until every lease and every short share has expired."""
    http_call(f"{sandbox.url}/sandbox/faults", "DELETE")
    clock.set(2 * LARGEST_STEP)

    end = time.monotonic() + SETTLE_SECONDS
    while True:
        swept = service.command("sweep", "--json")
        entries = service.requests()
        unfinished = [entry["identity"] for entry in entries if entry["answer"]["status"] in ("pending", "planned")]
        if swept.returncode == 0 and not unfinished and not json.loads(swept.stdout)["revoked"]:
            return
        left = {"unfinished": unfinished, "the sweep": swept.stdout + swept.stderr}
        check(time.monotonic() < end, "every request to end and every short share to be taken back", left)
        time.sleep(2)


def grants(service: Service) -> list:
    return json.loads(service.command("grants", "--json").stdout)


def balance(service: Service, sandbox: Sandbox, books: Books) -> None:
    """Compares the senders' answers, the journal and the cloud."""
    equal(books.flaws, [], "answers that contradict each other or the contract")
    entries = {entry["identity"].removeprefix("native/"): entry for entry in service.requests()}
    missing = sorted(set(books.accepted) - set(entries))
    equal(missing, [], "accepted deliveries that the journal does not have")
    wrong = sorted(set(entries) & books.refused)
    equal(wrong, [], "requests of deliveries that were refused")
    step(f"{len(books.accepted)} accepted deliveries are in the journal, each once and ended; {len(books.refused)} "
         "forged, ignored and invalid ones are not")
    for name, content in books.final.items():
        equal(outcome(entries[name]["answer"]), content, f"the recorded answer of {name}, as its sender was told")
    step(f"{len(books.final)} senders were told what is recorded")
    ends = collections.Counter(entry["answer"]["status"] for entry in entries.values())
    lines = {(grant.get("blueprint") or grant["image"], grant["to"]) for grant in grants(service)}
    held = {(image, account) for image, account in lines if account.isdigit()}
    equal(sorted(held ^ sandbox.shares()), [], "the difference of the journal's grants and the cloud's shares")
    strange = [account for _, account in held if account.startswith("6")]
    equal(strange, [], "accounts of denied, conflicting and forged deliveries")
    step(f"outcomes: {dict(ends)}; the {len(held)} grants of the journal are the shares of the cloud")
    equal(findings(service, set(books.accepted)), [], "what audit verify finds")
    done = service.command("drift")
    equal(done.returncode, 0, f"the exit code of drift; it said {done.stdout}{done.stderr}")
    step("audit verify and drift find nothing")


def soak(minutes: float, seed: str, mounts: bool) -> None:
    with staged() as stage:
        sandbox, clock = Sandbox(stage), Clock(stage.directory)
        home = stage.directory / "home"
        disk = Disk(home) if mounts else None
        service = Service(stage, home, sandbox.url, seconds=4, variables=clock.variables)
        try:
            run(minutes, seed, service, sandbox, clock, disk)
        except Failed:
            stage.stop()
            kept = pathlib.Path(tempfile.mkdtemp(prefix="sharehook-soak-"))
            shutil.copytree(stage.directory, kept, dirs_exist_ok=True)
            print(f"the folder and the logs are kept in {kept}", file=sys.stderr)
            raise
        finally:
            stage.stop()
            if disk:
                disk.unmount()


def run(minutes: float, seed: str, service: Service, sandbox: Sandbox, clock: Clock, disk: Disk | None) -> None:
    configured(service)
    service.start()
    books, stop = Books(), threading.Event()
    chaos = Chaos(random.Random(seed), service, sandbox, clock, disk, books)
    senders = [Sender(number, seed, service, clock, books, stop) for number in range(SENDERS)]
    with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
        sending = [pool.submit(sender.run) for sender in senders]
        try:
            chaos.run_until(time.monotonic() + minutes * 60)
        finally:
            stop.set()
        for one in sending:
            one.result()
    step(f"sent: {dict(books.counts)}")
    step(f"done to the service: {dict(chaos.counts)}")
    settle(service, sandbox, clock)
    balance(service, sandbox, books)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "target" / "release" / "sharehook"))
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--hour", action="store_const", const=60, dest="minutes", help="as --minutes 60")
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(10**6)))
    options = parser.parse_args()
    os.environ["SHAREHOOK_BIN"] = os.path.abspath(options.program)
    mounts = namespace()
    print(f"soak of {options.minutes:g} minutes, seed {options.seed}"
          + ("" if mounts else "; this machine permits no mounts: without a full and a read-only disk"), flush=True)
    try:
        soak(options.minutes, options.seed, mounts)
    except Failed as error:
        sys.exit(f"soak.py: FAILED with seed {options.seed}\n{error}")
    print("soak.py: ok")


if __name__ == "__main__":
    main()
