#!/usr/bin/env python3
"""Runs the function in cargo-lambda's local Lambda, as a developer does, and checks its answers and shares.

Shows that an HTTP delivery is answered, that only the bad record of a batch fails, and that each share is made once.
Does not test the queue, because cargo-lambda does not redeliver messages. tests/peers/ministack.py does.
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess

from support import EVENTS, PEERS, ROOT, Sandbox, Stage, check, environment, equal, event, free_port, http_call
from support import local_configuration, local_variables, run, step

CARGO_LAMBDA = PEERS / "lambda" / "bin" / "cargo-lambda"
# The package whose function runs. The variable can name another one, to test this test.
PACKAGE = pathlib.Path(os.environ.get("SHAREHOOK_PACKAGE", ROOT))

# The first invocation waits for the compiler, which has nothing to do after scripts/package.
COMPILE_SECONDS = 900
# The profile that scripts/package builds. `dev` is faster, to test this test.
PROFILE = os.environ.get("SHAREHOOK_PROFILE", "release")
VERSION = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
HOST = next(line.removeprefix("host: ") for line in VERSION.splitlines() if line.startswith("host: "))


class Local:
    """Runs `cargo lambda watch` on a free port, and invokes the function with `cargo lambda invoke`."""

    def __init__(self, stage: Stage, variables: dict):
        self.stage = stage
        self.port = free_port()
        # Name 127.0.0.1 on both sides: with IPv6, their default addresses differ.
        # Four concurrent invocations are four processes, as on Lambda. Only the journal coordinates them.
        argv = [CARGO_LAMBDA, "lambda", "watch", "-A", "127.0.0.1", "-P", self.port, "--ignore-changes",
                "--concurrency", "4", "--profile", PROFILE, "--no-default-features", "--locked", "--bin", "sharehook",
                # As `cargo lambda build` does, or everything would be compiled again.
                "--target", HOST]
        stage.start("watch", argv, variables, cwd=PACKAGE)
        stage.await_port("watch", self.port)

    def at_once(self, name: str, times: int) -> list:
        """Sends the same event `times` times concurrently, and returns the answers."""
        url = f"http://127.0.0.1:{self.port}/2015-03-31/functions/sharehook/invocations"
        payload = (EVENTS / name).read_bytes()
        with concurrent.futures.ThreadPoolExecutor(times) as pool:
            return [json.loads(text) for _, text in pool.map(lambda _: http_call(url, "POST", payload), range(times))]

    def invoke(self, name: str):
        argv = [CARGO_LAMBDA, "lambda", "invoke", "-A", "127.0.0.1", "-P", str(self.port), "sharehook",
                "--data-file", str(EVENTS / name)]
        done = subprocess.run(argv, check=False, cwd=PACKAGE, env=environment({}), capture_output=True, text=True,
                              timeout=COMPILE_SECONDS)
        check(done.returncode == 0, f"cargo lambda invoke {name} to succeed", done.stdout + done.stderr)
        return json.loads(done.stdout)


def answer(response: dict, status: int) -> dict:
    """Checks the status of an HTTP answer, and returns its JSON body."""
    equal(response.get("statusCode"), status, "the answer's statusCode")
    return json.loads(response["body"])


def test(stage: Stage) -> None:
    sandbox = Sandbox(stage)
    variables = local_variables(sandbox.url, f"file:{stage.directory / 'journal'}")
    variables["SHAREHOOK_CONFIG"] = local_configuration(stage.directory)
    local = Local(stage, variables)

    equal(local.invoke("http-jira-forged.json").get("statusCode"), 401, "the statusCode for a forged signature")
    first = answer(local.invoke("http-jira-approved.json"), 200)
    equal(first["status"], "completed", "the approved ticket's status")
    equal({r["account"]: r["result"] for r in first["results"]},
          {"700000164995": "shared", "1038493875": "shared"}, "the approved ticket's results")
    step("an approved Jira ticket is shared, a forged one before it is not")

    again = answer(local.invoke("http-jira-approved.json"), 200)
    equal((again["status"], again.get("duplicate")), ("completed", True), "the second delivery's answer")
    equal(answer(local.invoke("http-jira-edited.json"), 200)["status"], "ignored", "a later edit's status")
    equal(answer(local.invoke("http-jira-denied.json"), 403)["status"], "denied", "the status for a foreign account")
    for trigger in ("rest", "alb", "alb-multi"):
        again = answer(local.invoke(f"http-jira-approved-{trigger}.json"), 200)
        equal((again["status"], again.get("duplicate")), ("completed", True), f"the answer to the ticket by {trigger}")
    step("its second delivery, by any HTTP trigger, a later edit and a foreign account share nothing")

    records = event("sqs-three-requests.json")["Records"]
    bad = [{"itemIdentifier": records[1]["messageId"]}]
    equal(local.invoke("sqs-three-requests.json"), {"batchItemFailures": bad}, "the batch's answer")
    step("a batch of three loses only the bad one")

    local.at_once("invoke-native.json", 4)
    # A duplicate that arrived during the work may have been answered as pending. The work has ended by now.
    native = local.invoke("invoke-native.json")
    equal((native.get("status"), native.get("duplicate")), ("completed", True), "the direct invocation's answer")
    equal(local.invoke("schedule-rule.json"), local.invoke("schedule-sweep.json"), "a rule's sweep")
    step("a direct invocation, sent to four processes at once, is shared; a sweep runs")

    # The path of a function URL reaches the function as on AWS.
    status, text = http_call(f"http://127.0.0.1:{local.port}/lambda-url/sharehook/healthz")
    equal(status, 200, f"the status of /healthz ({text!r})")

    sandbox.shared_once({
        ("lhbp-6jc6l8yb", "700000164995"), ("lhbp-6jc6l8yb", "1038493875"),
        ("lhbp-6jc6l8yb", "909619400"), ("img-6pb6lrmy", "1038493875"), ("img-xkd784jw", "909619400"),
    })
    step("the cloud has exactly these shares, each made by one call")


if __name__ == "__main__":
    run(test)
