#!/usr/bin/env python3
"""Approval systems' own libraries encrypt, or accept, the events that a running `sharehook serve --sandbox` accepts.

WeCom: wechatpy encrypts and signs. Feishu: lark-oapi cannot encrypt, so this file encrypts, and lark-oapi's dispatcher
verifies and decrypts each event before the server gets it. DingTalk: its envelope is WeCom's with JSON inside, so
wechatpy encrypts the events and reads the encrypted answers. The server refuses each event with one changed byte, with
another key, and when it is old.
"""

import base64
import hashlib
import json
import os
import subprocess
import time
import urllib.parse
import xml.etree.ElementTree

from support import Stage, binary, check, equal, free_port, http_call, run, step, use_environment

use_environment("senders")

import lark_oapi  # noqa: E402  (only the environment above has them)
from Crypto.Cipher import AES  # noqa: E402
from lark_oapi.core.model import RawRequest  # noqa: E402
from wechatpy.crypto import WeChatCrypto  # noqa: E402

KEY, TOKEN = "peer-encrypt-key-for-tests-only-01", "aVerificationToken00000000000001"
PAIR_TOKEN, AES_KEY = "aTokenForPeers000001", "0123456789abcdefghijklmnopqrstuvwxyzABCDEFH"
OTHER_KEY = "9123456789abcdefghijklmnopqrstuvwxyzABCDEFH"
RECEIVERS = {"feishu": "cli_a1", "dingtalk": "dingpeer1", "wecom": "wwpeer1"}


def lark_accepts(headers: dict, body: bytes, key: str = KEY) -> None:
    """Checks that lark-oapi verifies and decrypts the event."""
    request = RawRequest()
    request.uri, request.headers, request.body = "/hooks/feishu", headers, body
    seen = []
    handler = lark_oapi.EventDispatcherHandler.builder(key, TOKEN)
    handler = handler.register_p1_customized_event("approval_instance", seen.append).build()
    answer = handler.do(request)
    check(answer.status_code == 200 and len(seen) == 1, "lark-oapi to accept the event", str(answer.content))


def by_lark(event: dict, when: int, key: str = KEY) -> tuple:
    """Returns path, headers and body of a Feishu event that lark-oapi accepts."""
    plain = json.dumps(event, ensure_ascii=False).encode()
    padding = 16 - len(plain) % 16
    iv = os.urandom(16)
    cipher = AES.new(hashlib.sha256(key.encode()).digest(), AES.MODE_CBC, iv)
    text = base64.b64encode(iv + cipher.encrypt(plain + bytes([padding]) * padding)).decode()
    body = json.dumps({"encrypt": text}).encode()
    headers = {"X-Lark-Request-Timestamp": str(when), "X-Lark-Request-Nonce": "950646929"}
    signed = (str(when) + "950646929" + key).encode() + body
    headers["X-Lark-Signature"] = hashlib.sha256(signed).hexdigest()
    lark_accepts(headers, body, key)
    return "/hooks/feishu", {"content-type": "application/json", **headers}, body


def by_wechatpy(source: str, plain: str, when: str, key: str = AES_KEY) -> tuple:
    """Returns path, headers and body of an event that wechatpy encrypts and signs."""
    crypto = WeChatCrypto(PAIR_TOKEN, key, RECEIVERS[source])
    made = xml.etree.ElementTree.fromstring(crypto.encrypt_message(plain, "nonce1", when))
    text, signature = made.find("Encrypt").text, made.find("MsgSignature").text
    query = urllib.parse.urlencode({"msg_signature": signature, "timestamp": when, "nonce": "nonce1"})
    if source == "wecom":
        body = f"<xml><ToUserName>x</ToUserName><Encrypt><![CDATA[{text}]]></Encrypt></xml>"
        return f"/hooks/wecom?{query}", {"content-type": "text/xml"}, body.encode()
    return f"/hooks/dingtalk?{query}", {"content-type": "application/json"}, json.dumps({"encrypt": text}).encode()


def made(source: str, when: int, wrong_key: bool = False) -> tuple:
    """Returns a new event of a source, signed at `when`."""
    if source == "feishu":
        event = {"uuid": f"e{when}", "token": TOKEN, "ts": f"{when}.123456", "type": "event_callback",
                 "event": {"app_id": "cli_a1", "type": "approval_instance", "status": "APPROVED", "approval_code": "A"}}
        return by_lark(event, when, "another-encrypt-key-for-tests-01" if wrong_key else KEY)
    key = OTHER_KEY if wrong_key else AES_KEY
    if source == "wecom":
        plain = (f"<xml><ToUserName><![CDATA[wwpeer1]]></ToUserName><CreateTime>{when}</CreateTime>"
                 "<MsgType><![CDATA[event]]></MsgType><SpName><![CDATA[镜像共享]]></SpName></xml>")
        return by_wechatpy(source, plain, str(when), key)
    plain = json.dumps({"EventType": "bpms_instance_change", "EventTime": when * 1000, "title": "镜像共享"}, ensure_ascii=False)
    return by_wechatpy(source, plain, f"{when}000", key)


def answered(source: str, body: str) -> None:
    """Checks that the system understands the answer as success."""
    if source == "feishu":
        return
    if source == "wecom":
        equal(body, "success", "WeCom's answer")
        return
    answer = json.loads(body)
    crypto = WeChatCrypto(PAIR_TOKEN, AES_KEY, RECEIVERS[source])
    parts = {"Encrypt": answer["encrypt"]}
    read = crypto.decrypt_message(parts, answer["msg_signature"], answer["timeStamp"], answer["nonce"])
    equal(read if isinstance(read, str) else read.decode(), "success", "what DingTalk's answer says")


def ours(source: str, config: str, body: str) -> None:
    """Checks that the system's library reads what `sharehook sign` encrypts."""
    command = [binary(), "--config", config, "sign", "--json", "--source", source, "--body", body]
    made = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if source == "feishu":
        names = ("X-Lark-Request-Timestamp", "X-Lark-Request-Nonce", "X-Lark-Signature")
        lark_accepts({name: made["headers"][name.lower()] for name in names}, made["body"].encode())
        return
    crypto, query = WeChatCrypto(PAIR_TOKEN, AES_KEY, RECEIVERS[source]), made["query"]
    parts = {"Encrypt": json.loads(made["body"])["encrypt"]}
    read = crypto.decrypt_message(parts, query["msg_signature"], query["timestamp"], query["nonce"])
    check("approved" in str(read), "wechatpy to read the event", str(read))


def test(stage: Stage) -> None:
    text = 'journal = "memory:"\npolicy = "policy"\n[cloud]\nsite = "intl"\n'
    (stage.directory / "policy").mkdir()
    for name in ("schema.cedarschema", "allow-list.cedar", "entities.json"):
        source = os.path.join(os.path.dirname(__file__), "..", "..", "policy", name)
        with open(source, encoding="utf-8") as file:
            (stage.directory / "policy" / name).write_text(file.read(), encoding="utf-8")
    for name, receiver in RECEIVERS.items():
        secret = f"{TOKEN}:{KEY}" if name == "feishu" else f"{PAIR_TOKEN}:{AES_KEY}"
        (stage.directory / f"{name}.secret").write_text(secret, encoding="utf-8")
        text += f'[[source]]\nname = "{name}"\nscheme = "{name}"\nsecrets = ["file:{name}.secret"]\nfrom = ["{receiver}"]\n'
    config = stage.directory / "sharehook.toml"
    config.write_text(text, encoding="utf-8")
    url = f"http://127.0.0.1:{free_port()}"
    stage.start("serve", [binary(), "serve", "--sandbox=127.0.0.1:0", "--listen", url.removeprefix("http://"), "--config", config])
    stage.await_http("serve", f"{url}/healthz")
    for name in RECEIVERS:
        now = int(time.time())
        path, headers, body = made(name, now)
        status, answer = http_call(f"{url}{path}", "POST", body, headers)[:2]
        equal(status, 200, f"the status of a fresh event of {name}")
        answered(name, answer)
        plain = stage.directory / f"{name}.json"
        plain.write_text('{"uuid": "approved", "type": "event_callback", "event": {"type": "approval_instance"}}', encoding="utf-8")
        ours(name, str(config), str(plain))
        at = body.index(b"=") - 8 if b"=" in body[-60:] else len(body) - 40
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]
        equal(http_call(f"{url}{path}", "POST", changed, headers)[0], 401, f"the status of {name} with one bit changed")
        for what, when, wrong in (("under another key", now, True), ("nine hours old", now - 32_400, False)):
            path, headers, body = made(name, when, wrong)
            equal(http_call(f"{url}{path}", "POST", body, headers)[0], 401, f"the status of {name} {what}")
        step(f"{name}: a fresh event is accepted and answered in its form, and its library reads ours; changed, forged and stale ones are refused")


if __name__ == "__main__":
    run(test)
