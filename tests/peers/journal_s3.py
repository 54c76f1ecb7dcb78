#!/usr/bin/env python3
"""The journal on S3, here ministack's: two processes on one bucket, and a store that throttles, fails and loses answers.

Shows that fifty identical concurrent deliveries to two processes act once and get the same answer; that no write is lost
or repeated if it is throttled, answered with 5xx, cut off, or stored without an answer; that the journal there is sealed,
verified and proven; that a removed or altered object is found; and that an old request is retired.
"""

import concurrent.futures
import contextlib
import json
import subprocess
import urllib.error

from fault_proxy import BROKEN, BROKEN_AFTER, CUT, LOST, THROTTLED, FaultProxy
from ministack import REGION, Aws
from support import EVENTS, Sandbox, Stage, aged, binary, check, environment, equal, free_port, http_call
from support import local_configuration, local_variables, run, signed, step, wait_for

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # (that of the AWS environment)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

BUCKET, PREFIX = "share-journal", "prod/eu"
IMAGE, CHAIN, CHAINED = "lhbp-6jc6l8yb", "img-xkd784jw", "lhbp-su83x02a"
ACCOUNTS = ["700000164995", "1038493875"]


def share(name: str, image: str = IMAGE, **more) -> tuple:
    """Returns body and headers of the delivery of a native request."""
    return signed({"id": name, "action": "share", "image": image, "region": "ap-singapore", "accounts": ACCOUNTS,
                   "requester": "alice@example.com", "approvers": ["bob@example.com"], "ticket": name,
                   "reason": "the base image of July", "expires_in": "30d", **more})


class Place:
    """A bucket, and the processes whose journal is in it."""

    def __init__(self, stage: Stage, sandbox: Sandbox, aws: Aws):
        self.stage, self.sandbox, self.objects = stage, sandbox, aws.client("s3")
        self.objects.create_bucket(Bucket=BUCKET)
        self.objects.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        self.proxy = FaultProxy(aws.url)
        self.services: list[subprocess.Popen] = []
        self.home = stage.directory / "home"
        self.home.mkdir()
        config = local_configuration(self.home)
        # A short budget makes a short lease, so the next delivery need not wait long for the lease of a failed one.
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace("\n[cloud]", "\n[limits]\nseconds = 2\n\n[cloud]", 1), encoding="utf-8")

    def variables(self) -> dict:
        return {**local_variables(self.sandbox.url, f"s3://{BUCKET}/{PREFIX}"), "AWS_REGION": REGION,
                "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret-key",
                "AWS_ENDPOINT_URL_S3": self.proxy.url}

    def serve(self, name: str) -> str:
        port = free_port()
        argv = [binary(), "serve", "--listen", f"127.0.0.1:{port}"]
        self.services.append(self.stage.start(name, argv, self.variables(), cwd=self.home))
        self.stage.await_http(name, f"http://127.0.0.1:{port}/healthz")
        return f"http://127.0.0.1:{port}"

    def end_services(self) -> None:
        """Ends the services, so that their sweeps do not write while the test reads the objects."""
        for service in self.services:
            service.terminate()
            service.wait(15)

    def command(self, *arguments: str) -> tuple:
        """Runs one command. Returns (exit code, standard output)."""
        done = subprocess.run([binary(), *arguments], cwd=self.home, env=environment(self.variables()),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + (done.stderr if done.returncode else "")

    def whole(self, what: str) -> dict:
        """Checks that `audit verify` finds nothing, and returns its counts."""
        code, text = self.command("--json", "audit", "verify")
        equal(code, 0, f"the exit code of audit verify {what}; it said {text}")
        return json.loads(text)["counts"]

    def written_once(self) -> int:
        """Returns the journal's objects. Fails if one of them was written twice."""
        pages = self.objects.get_paginator("list_object_versions").paginate(Bucket=BUCKET, Prefix=f"{PREFIX}/")
        keys = [entry["Key"] for page in pages for entry in page.get("Versions", [])
                if not entry["Key"].endswith("/log/checkpoint")]
        equal(sorted(keys), sorted(set(keys)), "the versions of the journal's objects, one each,")
        return len(keys)


def deliver(url: str, delivery: tuple) -> tuple:
    """Sends one delivery. Returns (status, answer), or (0, error) if the connection was closed."""
    try:
        status, text = http_call(f"{url}/hooks/native", "POST", *delivery)
        return status, json.loads(text)
    except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
        return 0, repr(error)


def until_done(url: str, name: str, **request) -> dict:
    """Repeats a delivery until it is accepted, as a sender does. Returns the last answer."""
    def probe():
        status, answer = deliver(url, share(name, **request))
        check(status in (0, 200, 202, 207) or status >= 500, f"{name} to be taken or put off", [status, answer])
        return answer if status == 200 else None
    return wait_for(f"{name} to be answered 200", probe, 90, 0.5)


def content(answer: dict) -> dict:
    """Returns an answer without the fields that differ between a first answer and a repeated one."""
    return {name: value for name, value in answer.items() if name != "duplicate"}


def at_once(place: Place, services: list) -> None:
    """Sends fifty identical deliveries to two processes."""
    delivery = share("CHG50")
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: deliver(services[n % 2], delivery), range(50)))
    check(all(status in (200, 202) for status, _ in answers), "each of the fifty to be answered 200 or 202", answers)
    settled = content(until_done(services[0], "CHG50"))
    equal(settled["status"], "completed", "the request's status")
    status, again = deliver(services[1], share("CHG50"))
    equal((status, again.get("duplicate"), content(again)), (200, True, settled), "what the other process answers")
    for status, answer in answers:
        equal(answer["id"], "CHG50", "the id of each answer")
        if status == 200:
            equal(content(answer), settled, "each finished answer's content")
    place.sandbox.shared_once({(IMAGE, account) for account in ACCOUNTS})
    counts = place.whole("after fifty deliveries at once")
    equal(counts["streams"], 1, "the requests in the journal")
    step(f"fifty identical deliveries over two processes share once and are answered alike "
         f"({sum(status == 200 for status, _ in answers)} finished, the others told to wait)")


def hold(place: Place, services: list) -> None:
    """Applies each kind of failure to each of the first writes of a request, then a long series of all kinds."""
    wanted = {(IMAGE, account) for account in ACCOUNTS}
    for number, fault in enumerate([THROTTLED, BROKEN, BROKEN_AFTER, LOST, CUT]):
        for nth in range(2):
            name = f"FAULT-{number}-{nth}"
            # The first request shares the image, so the others make no call and only need records.
            place.proxy.inject([None] * nth + [fault])
            answer = until_done(services[nth % 2], name)
            equal(answer["status"], "completed", f"the status of {name} ({fault} at write {nth})")
            place.proxy.drained()
    place.sandbox.shared_once(wanted)
    step(f"throttling, 5xx, cut and lost answers at each write of a request lose and double nothing: "
         f"{dict(place.proxy.met)}")

    # A delivery survives three failures of one write. After a longer series of failures it fails,
    # and the next delivery continues its work.
    before = place.proxy.met.total()
    place.proxy.inject([THROTTLED, CUT, LOST, None] * 2 + [LOST, THROTTLED, BROKEN, BROKEN_AFTER, CUT])
    answer = until_done(services[0], "STORM", image=CHAIN, lighthouse=True)
    equal(answer["status"], "completed", "the status of the request in the storm")
    place.proxy.drained()
    place.sandbox.shared_once(wanted | {(CHAINED, account) for account in ACCOUNTS})
    step(f"a longer request gets through {place.proxy.met.total() - before} disturbed writes, its effects once")
    place.whole("after all faults")


def outage(place: Place, services: list) -> None:
    """While the store refuses every write, the program must not change the cloud. Afterwards the delivery succeeds."""
    before = place.sandbox.shares()
    place.proxy.inject([THROTTLED] * 200)
    status, answer = deliver(services[0], share("OUTAGE"))
    check(status >= 500, "a delivery that cannot be recorded to be put off", [status, answer])
    equal(place.sandbox.shares(), before, "the shares in the cloud while nothing can be recorded")
    with place.proxy.lock:
        place.proxy.waiting.clear()
    equal(until_done(services[1], "OUTAGE")["status"], "completed", "the status once the store is back")
    place.whole("after the outage")
    step("while nothing can be written nothing is called; afterwards the same delivery is carried out")


def published(place: Place) -> None:
    """Checks that the command writes the report as an object, and that a scheduled sweep does so if there is none."""
    command, sweep = "reports/shares.html", "reports/swept.html"
    code, text = place.command("report", "--to", f"s3://{BUCKET}/{command}")
    equal(code, 0, f"the exit code of report; it said {text}")
    config = place.home / "sharehook.toml"
    before = config.read_text(encoding="utf-8")
    # A sweep needs more time than the deliveries of this test have.
    longer = before.replace("\nseconds = 2\n", "\nseconds = 20\n")
    config.write_text(f'{longer}\n[report]\nto = "s3://{BUCKET}/{sweep}"\n', encoding="utf-8")
    for _ in range(2):
        code, text = place.command("invoke", str(EVENTS / "schedule-sweep.json"))
        equal(code, 0, f"the exit code of a scheduled sweep; it said {text}")
    config.write_text(before, encoding="utf-8")
    for key in (command, sweep):
        found = place.objects.get_object(Bucket=BUCKET, Key=key)
        equal(found["ContentType"], "text/html; charset=utf-8", f"the content type of {key}")
        check(b"<title>Image shares</title>" in found["Body"].read(), f"{key} to be the report")
    versions = place.objects.list_object_versions(Bucket=BUCKET, Prefix=sweep)["Versions"]
    equal(len(versions), 1, "the pages that two sweeps published within a day")
    step("the report is an object with its content type; a sweep publishes it once a day")


def evidence(place: Place) -> None:
    """Seals under faults, verifies and proves. Then finds altered and removed objects."""
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (place.home / "seal.key").write_bytes(key)
    place.proxy.inject([LOST])
    code, text = place.command("--json", "audit", "seal")
    equal(code, 0, f"the exit code of audit seal, whose write's answer was lost; it said {text}")
    place.proxy.drained()
    sealed, counts = json.loads(text), place.whole("after sealing")
    equal((counts["seals"], counts["sealed"]), (1, counts["records"]), "the seals, and the records they cover")
    checkpoint = place.home / "checkpoint"
    checkpoint.write_text(sealed["checkpoint"], encoding="utf-8")
    equal(place.command("audit", "verify", "--checkpoint", str(checkpoint))[0], 0, "audit verify with a checkpoint")
    code, proof = place.command("audit", "prove", "native/CHG50")
    equal(code, 0, f"the exit code of audit prove; it said {proof}")
    file = place.home / "proof"
    file.write_text(proof, encoding="utf-8")
    key = place.command("audit", "key")[1].strip()
    equal(place.command("audit", "check-proof", str(file), "--key", key)[0], 0, "the exit code of audit check-proof")
    step(f"{counts['records']} records are sealed, verified against a kept checkpoint and proven on S3")
    published(place)
    objects = place.written_once()
    for key, flaw in tampered(place):
        code, text = place.command("--json", "audit", "verify", "--checkpoint", str(checkpoint))
        equal(code, 1, f"the exit code of audit verify when {key} is {flaw}")
        findings = json.loads(text)["findings"]
        check(any(key.endswith(found["path"]) for found in findings), f"{key} to be named", findings)
    place.whole("after everything was put back")
    step(f"each of {objects} objects was written once; one that is removed or altered is named by audit verify")


def retention(place: Place) -> None:
    """Retires a denied request of another year, under faults. A duplicate still gets its answer."""
    known = {entry["Key"] for entry in place.objects.list_objects_v2(Bucket=BUCKET, Prefix=f"{PREFIX}/")["Contents"]}
    event = place.home / "old.json"
    event.write_text(json.dumps({"id": "OLD", "action": "share", "image": IMAGE, "region": "ap-singapore",
                                 "accounts": ["123456789012"], "requester": "alice@example.com",
                                 "approvers": ["bob@example.com"], "ticket": "OLD"}), encoding="utf-8")
    equal(place.command("invoke", str(event))[0], 2, "the exit code of a denied request")
    listed = place.objects.list_objects_v2(Bucket=BUCKET, Prefix=f"{PREFIX}/requests/")["Contents"]
    (first,) = {entry["Key"] for entry in listed} - known
    old = aged(place.objects.get_object(Bucket=BUCKET, Key=first)["Body"].read())
    place.objects.put_object(Bucket=BUCKET, Key=first, Body=old)
    retire = ["--json", "audit", "retire", "--older-than", "365d"]

    def retired(**wanted) -> None:
        code, text = place.command(*retire)
        equal(code, 0, f"the exit code of audit retire; it said {text}")
        report = json.loads(text)
        equal({name: report[name] for name in wanted}, wanted, "what audit retire reports")

    retired(retired=0, unsealed=1)
    equal(place.command("audit", "seal")[0], 0, "the exit code of audit seal")
    place.proxy.inject([LOST, THROTTLED, CUT])
    retired(retired=1, unsealed=0)
    place.proxy.drained()
    retired(retired=0, unsealed=0)
    now = {entry["Key"] for entry in place.objects.list_objects_v2(Bucket=BUCKET, Prefix=f"{PREFIX}/")["Contents"]}
    named = first.rsplit("/", 1)[0] + "/retired"
    check({first, named} <= now, "record 0 and what names its segment", sorted(now - known))
    place.whole("after retiring")
    code, text = place.command("invoke", str(event))
    check(code == 2 and '"duplicate":true' in text.replace(" ", ""), "the recorded answer", [code, text])
    step("an old request is retired under faults, verified, and still answers")


def tampered(place: Place):
    """Removes, alters and restores a first record, a last record, and a part of the log, one after the other."""
    listed = place.objects.list_objects_v2(Bucket=BUCKET, Prefix=f"{PREFIX}/")["Contents"]
    # Findings about empty files of the index have tests elsewhere.
    keys = sorted(entry["Key"] for entry in listed if "/requests/" in entry["Key"])
    segment = next(entry["Key"] for entry in listed if "/log/segments/" in entry["Key"])
    for key in (keys[0], keys[-1], segment):
        bytes_ = place.objects.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        place.objects.delete_object(Bucket=BUCKET, Key=key)
        yield key, "removed"
        middle = len(bytes_) // 2
        place.objects.put_object(Bucket=BUCKET, Key=key,
                                 Body=bytes_[:middle] + bytes([bytes_[middle] ^ 1]) + bytes_[middle + 1:])
        yield key, "altered"
        place.objects.put_object(Bucket=BUCKET, Key=key, Body=bytes_)


def test(stage: Stage) -> None:
    sandbox = Sandbox(stage)
    place = Place(stage, sandbox, Aws(stage))
    with contextlib.ExitStack() as stack:
        stack.callback(place.proxy.stop)
        services = [place.serve("first"), place.serve("second")]
        at_once(place, services)
        hold(place, services)
        outage(place, services)
        place.end_services()
        evidence(place)
        retention(place)


if __name__ == "__main__":
    run(test)
