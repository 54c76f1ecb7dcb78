#!/usr/bin/env python3
"""The senders' own libraries sign fresh deliveries that a running `sharehook serve --sandbox` accepts.

Standard Webhooks, Svix and Slack with their official Python libraries; Standard Webhooks, Svix and GitHub with those of
npm. The server accepts each delivery unchanged, and refuses it with one changed byte, with another secret, and when it
is old. Then the test mutates deliveries at random. The server must refuse each delivery that the Python library
refuses. The server also refuses some kinds of mutation that the library accepts; the code gives the reason for each kind.
"""

import datetime
import json
import pathlib
import random
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
    """Returns a native request of an unlisted person. A verified delivery of it is denied (403); an unverified one gets 401."""
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
    """Returns a function that signs with the npm package of this name."""
    def sign(secret: str, data: bytes, when: int) -> dict:
        script = ROOT / "tests" / "peers" / "senders.mjs"
        done = subprocess.run(["node", script, library, secret, data.decode(), str(when)], check=False, timeout=30,
                              env=environment({"SHAREHOOK_NODE_MODULES": PEERS / "senders" / "node_modules"}),
                              capture_output=True, text=True)
        check(done.returncode == 0, f"{library} of npm to sign", done.stdout + done.stderr)
        return json.loads(done.stdout)
    return sign


# These senders receive 200 even for a denial.
ACCEPTED = ("gitlab", "slack")

# Source and scheme, signing function, origin of that function, secret, another secret, whether the
# time is signed.
SENDERS = [
    ("standard-webhooks", by_standard_webhooks, "Python", WHSEC, OTHER_WHSEC, True),
    ("gitlab", by_standard_webhooks, "Python", WHSEC, OTHER_WHSEC, True),
    ("svix", by_svix, "Python", WHSEC, OTHER_WHSEC, True),
    ("slack", by_slack, "Python", SLACK, OTHER_SLACK, True),
    ("standard-webhooks", by_npm("standardwebhooks"), "npm", WHSEC, OTHER_WHSEC, True),
    ("svix", by_npm("svix"), "npm", WHSEC, OTHER_WHSEC, True),
    ("github", by_npm("octokit"), "npm", SLACK, OTHER_SLACK, False),
]


def believed_by(library):
    """Returns whether the library accepts a delivery."""
    def verify(secret: str, data: bytes, headers: dict) -> bool:
        try:
            library(secret).verify(data, headers)
        except json.JSONDecodeError:
            return True  # The server reads this only after it has verified the signature.
        except Exception:  # pylint: disable=broad-exception-caught
            return False
        return True
    return verify


def believed_by_slack(secret: str, data: bytes, headers: dict) -> bool:
    """Returns whether Slack's library accepts a delivery."""
    try:
        return SignatureVerifier(secret).is_valid_request(data, headers)
    except Exception:  # pylint: disable=broad-exception-caught
        return False


def changed_text(text: str, dice: random.Random) -> str:
    """Changes the case of one character, or replaces, adds or removes one character."""
    at = dice.randrange(len(text))
    return dice.choice([
        text[:at] + text[at].swapcase() + text[at + 1:],
        text[:at] + dice.choice("aA0/+-_=.,: v1") + text[at + 1:],
        text[:at] + text[at + 1:],
        text[:at] + dice.choice("aA0/+-_=.,: v1") + text[at:],
    ])


# The mutations that only the server refuses. The time must consist of digits (Python's int also accepts blanks, signs
# and underscores). An id has at most 256 characters. Base64 must be canonical (RFC 4648, 3.5).
STRICTER = {"the time is written otherwise", "a character of the signature differs", "a character of the time differs", "the id is long"}


def mutation(names: dict, headers: dict, data: bytes, dice: random.Random) -> tuple:
    """Returns the name of a mutation, and the mutated delivery."""
    signature, when = headers[names["signature"]], headers[names["time"]]
    flipped = bytearray(data)
    flipped[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    kinds = {
        "nothing differs": ({}, data),
        "a bit of the body differs": ({}, bytes(flipped)),
        "the body is longer": ({}, data + dice.choice([b" ", b"\n", b"\0", b"{}"])),
        "the body is shorter": ({}, data[:dice.randrange(1, len(data))]),
        "a character of the signature differs": ({names["signature"]: changed_text(signature, dice)}, data),
        "two signatures": ({names["signature"]: dice.choice([f"{signature} v1,AAAA", f"v1,AAAA {signature}",
                                                              f"{signature} {signature}", f"v2,AAAA {signature}",
                                                              f"{signature},v1,AAAA"])}, data),
        "no signature": ({names["signature"]: dice.choice(["", "v1", "v1,", "v0=", ",", " "])}, data),
        "a character of the time differs": ({names["time"]: changed_text(when, dice)}, data),
        "the time is written otherwise": ({names["time"]: dice.choice([f" {when}", f"+{when}", f"0{when}", f"{when}.0",
                                                                        f"{when[:2]}_{when[2:]}", f"{when} "])}, data),
    }
    if "id" in names:
        kinds["a character of the id differs"] = ({names["id"]: changed_text(headers[names["id"]], dice)}, data)
    kind = dice.choice(sorted(kinds))
    change, data = kinds[kind]
    return kind, {**headers, **change}, data


def mutations(name: str, url: str, sign, verify, secret: str, dice: random.Random, seed: int, count: int = 300) -> None:
    """Mutates deliveries at random, and compares the server's decision with the library's."""
    accepted = stricter = 0
    for _ in range(count):
        data, now = body(), int(time.time()) + dice.choice([0, 0, 0, -200, 200, -400, 400])
        headers = sign(secret, data, now)
        families = {"time": "timestamp", "signature": "signature", "id": "-id"}
        names = {part: header for part, end in families.items() for header in headers if header.endswith(end)}
        kind, sent, data = mutation(names, headers, data, dice)
        ours = http_call(url, "POST", data, {"content-type": "application/json", **sent})[0] != 401
        # Blanks around a header's value do not belong to it (RFC 9110, 5.5).
        theirs = verify(secret, data, {header: value.strip(" ") for header, value in sent.items()})
        told = f"seed {seed}: {name}, {kind}: {json.dumps(sent)} {data!r}"
        check(theirs or not ours, "the server to refuse what the library refuses", told)
        check(ours or not theirs or kind in STRICTER, "the server to accept what the library accepts", told)
        accepted += ours
        stricter += theirs and not ours
    check(accepted > count // 20, "some mutations to be accepted", accepted)
    step(f"{name}: {count} random mutations (seed {seed}): {accepted} accepted by both, {stricter} refused by the server alone")


def test(stage: Stage) -> None:
    text = CONFIG
    for name, secret in {name: secret for name, _, _, secret, _, _ in SENDERS}.items():
        (stage.directory / f"{name}.secret").write_text(secret, encoding="utf-8")
        text += f'[[source]]\nname = "{name}"\nscheme = "{name}"\nsecrets = ["file:{name}.secret"]\n'
    config = stage.directory / "sharehook.toml"
    config.write_text(text, encoding="utf-8")
    url = f"http://127.0.0.1:{free_port()}"
    stage.start("serve", [binary(), "serve", "--sandbox=127.0.0.1:0", "--listen", url.removeprefix("http://"), "--config", config])
    stage.await_http("serve", f"{url}/healthz")
    for name, sign, where, secret, other, timed in SENDERS:
        def post(data: bytes, headers: dict) -> int:
            return http_call(f"{url}/hooks/{name}", "POST", data, {"content-type": "application/json", **headers})[0]

        data, now = body(), int(time.time())
        headers = sign(secret, data, now)
        denied = 200 if name in ACCEPTED else 403
        equal(post(data, headers), denied, f"the status of what {name}'s library signed (verified, then denied)")
        equal(post(data.replace(b"REQ-1", b"REQ-2"), headers), 401, f"the status of {name} with one byte changed")
        equal(post(data, sign(other, data, now)), 401, f"the status of {name} under another secret")
        for away in (-310, 310) if timed else ():
            equal(post(data, sign(secret, data, now + away)), 401, f"the status of {name} {away} s away")
        refused = "changed, forged, stale and early" if timed else "changed and forged"
        step(f"{name}: its {where} library's delivery is accepted; {refused} ones are refused")
    seed = random.SystemRandom().randrange(1_000_000)
    for name, sign, verify, secret in (
        ("standard-webhooks", by_standard_webhooks, believed_by(StandardWebhook), WHSEC),
        ("svix", by_svix, believed_by(SvixWebhook), WHSEC),
        ("slack", by_slack, believed_by_slack, SLACK),
    ):
        mutations(name, f"{url}/hooks/{name}", sign, verify, secret, random.Random(f"{seed} {name}"), seed)


if __name__ == "__main__":
    run(test)
