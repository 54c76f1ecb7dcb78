#!/usr/bin/env python3
"""The senders' own libraries sign fresh deliveries that a running `sharehook serve --sandbox` accepts.

Standard Webhooks, Svix and Slack by their official Python libraries; Standard Webhooks, Svix and GitHub by those of npm. Each delivery is accepted as it was signed, and
refused with one byte changed, with another secret, and when it is old.
"""

import datetime
import json
import pathlib
import subprocess
import time

from support import PEERS, Stage, binary, check, environment, equal, free_port, http_call, run, step, use_environment

use_environment("senders")

from slack_sdk.signature import SignatureVerifier  # noqa: E402  (only the environment above has them)
from standardwebhooks.webhooks import Webhook as StandardWebhook  # noqa: E402
from svix.webhooks import Webhook as SvixWebhook  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
WHSEC = "whsec_cGVlci1zZWNyZXQtZm9yLXRlc3RzLW9ubHktMDAwMQ=="
OTHER_WHSEC = "whsec_cGVlci1zZWNyZXQtZm9yLXRlc3RzLW9ubHktOTk5OQ=="
SLACK = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
OTHER_SLACK = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"

CONFIG = f"""
journal = "memory:"
policy = "{ROOT}/policy"
[cloud]
site = "intl"
"""


def body() -> bytes:
    """A native request of somebody whom no policy knows: a verified delivery is denied (403), a stranger gets 401."""
    return json.dumps({
        "id": "REQ-1", "action": "share", "image": "lhbp-6jc6l8yb", "region": "ap-singapore",
        "accounts": ["700000164995"], "requester": "nobody@example.com", "approvers": ["bob@example.com"],
    }).encode()


def by_standard_webhooks(secret: str, data: bytes, when: int) -> dict:
    at = datetime.datetime.fromtimestamp(when, datetime.timezone.utc)
    signature = StandardWebhook(secret).sign("msg_peer1", at, data.decode())
    return {"webhook-id": "msg_peer1", "webhook-timestamp": str(when), "webhook-signature": signature}


def by_svix(secret: str, data: bytes, when: int) -> dict:
    at = datetime.datetime.fromtimestamp(when, datetime.timezone.utc)
    signature = SvixWebhook(secret).sign("msg_peer2", at, data.decode())
    return {"svix-id": "msg_peer2", "svix-timestamp": str(when), "svix-signature": signature}


def by_slack(secret: str, data: bytes, when: int) -> dict:
    signature = SignatureVerifier(secret).generate_signature(timestamp=str(when), body=data)
    return {"x-slack-request-timestamp": str(when), "x-slack-signature": signature}


def by_npm(library: str):
    """How the npm package of that name signs."""
    def sign(secret: str, data: bytes, when: int) -> dict:
        script = ROOT / "tests" / "peers" / "senders.mjs"
        done = subprocess.run(["node", script, library, secret, data.decode(), str(when)], check=False, timeout=30,
                              env=environment({"SHAREHOOK_NODE_MODULES": PEERS / "senders" / "node_modules"}),
                              capture_output=True, text=True)
        check(done.returncode == 0, f"{library} of npm to sign", done.stdout + done.stderr)
        return json.loads(done.stdout)
    return sign


# source and scheme, how its library signs and where it is from, secret, another secret, whether the time is signed
SENDERS = [
    ("standard-webhooks", by_standard_webhooks, "Python", WHSEC, OTHER_WHSEC, True),
    ("gitlab", by_standard_webhooks, "Python", WHSEC, OTHER_WHSEC, True),
    ("svix", by_svix, "Python", WHSEC, OTHER_WHSEC, True),
    ("slack", by_slack, "Python", SLACK, OTHER_SLACK, True),
    ("standard-webhooks", by_npm("standardwebhooks"), "npm", WHSEC, OTHER_WHSEC, True),
    ("svix", by_npm("svix"), "npm", WHSEC, OTHER_WHSEC, True),
    ("github", by_npm("octokit"), "npm", SLACK, OTHER_SLACK, False),
]


def test(stage: Stage) -> None:
    text = CONFIG
    for name, secret in {name: secret for name, _, _, secret, _, _ in SENDERS}.items():
        (stage.directory / f"{name}.secret").write_text(secret, encoding="utf-8")
        text += f'[[source]]\nname = "{name}"\nscheme = "{name}"\nsecrets = ["file:{name}.secret"]\n'
    config = stage.directory / "sharehook.toml"
    config.write_text(text, encoding="utf-8")
    url = f"http://127.0.0.1:{free_port()}"
    stage.start("serve", [binary(), "serve", "--sandbox", "--listen", url.removeprefix("http://"), "--config", config])
    stage.await_http("serve", f"{url}/healthz")
    for name, sign, where, secret, other, timed in SENDERS:
        def post(data: bytes, headers: dict) -> int:
            return http_call(f"{url}/hooks/{name}", "POST", data, {"content-type": "application/json", **headers})[0]

        data, now = body(), int(time.time())
        headers = sign(secret, data, now)
        equal(post(data, headers), 403, f"the status of what {name}'s library signed (verified, then denied)")
        equal(post(data.replace(b"REQ-1", b"REQ-2"), headers), 401, f"the status of {name} with one byte changed")
        equal(post(data, sign(other, data, now)), 401, f"the status of {name} under another secret")
        for away in (-310, 310) if timed else ():
            equal(post(data, sign(secret, data, now + away)), 401, f"the status of {name} {away} s away")
        refused = "changed, forged, stale and early" if timed else "changed and forged"
        step(f"{name}: its {where} library's delivery is accepted; {refused} ones are refused")


if __name__ == "__main__":
    run(test)
