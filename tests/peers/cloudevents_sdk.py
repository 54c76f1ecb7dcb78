#!/usr/bin/env python3
"""The CloudEvents SDKs of Python and JavaScript send events to POST /events, in each of their modes.

Shows that the bearer token authenticates each request, that the same event in another mode is the same request, and
that attributes have the same value although the two SDKs encode them differently.
"""

import json
import os
import subprocess

from support import PEERS, Sandbox, Stage, binary, check, environment, equal, free_port, http_call
from support import local_configuration, local_variables, run, step, use_environment

use_environment("cloudevents")

from cloudevents.core.bindings.http import to_binary_event, to_structured_event  # noqa: E402
from cloudevents.core.v1.event import CloudEvent  # noqa: E402

TOKEN = "local-events-token-for-a-laptop-only-0001"
SOURCE = "https://desk.example.com/approvals"
# The map refuses an event whose attribute did not arrive unchanged. The SDKs encode these characters differently.
SUBJECT = 'é "q" 100%'
ACCOUNT = "909619400"
REQUEST = {"action": "share", "image": "lhbp-6jc6l8yb", "region": "ap-singapore", "accounts": [ACCOUNT],
           "requester": "alice@example.com", "approvers": ["bob@example.com"], "ticket": "EV-1"}

JAVASCRIPT = """
const { CloudEvent, HTTP } = require("cloudevents");
const http = require("http");
const [url, token, mode, fields, data] = process.argv.slice(1);
const event = new CloudEvent({ ...JSON.parse(fields), datacontenttype: "application/json", data: JSON.parse(data) });
const message = HTTP[mode](event);
const headers = { ...message.headers, authorization: `Bearer ${token}`, prefer: "reply" };
const request = http.request(url, { method: "POST", headers }, (answer) => {
  let text = "";
  answer.on("data", (part) => (text += part));
  answer.on("end", () => console.log(JSON.stringify([answer.statusCode, text])));
});
request.end(typeof message.body === "string" ? message.body : JSON.stringify(message.body));
"""


def configure(stage: Stage):
    """Writes the laptop's configuration with a source `desk` that sends events, and a policy that allows its requests."""
    configuration = local_configuration(stage.directory)
    with open(configuration, "a", encoding="utf-8") as text:
        text.write(f'\n[[source]]\nname = "desk"\nscheme = "bearer"\nsecrets = ["file:token"]\n'
                   f'events = ["{SOURCE}"]\nmap = "desk.jq"\n')
    wanted = json.dumps(SUBJECT, ensure_ascii=False)
    (stage.directory / "desk.jq").write_text(
        f'if .subject == {wanted} then .data else error("the subject is " + (.subject | tojson)) end', encoding="utf-8")
    (stage.directory / "token").write_text(TOKEN, encoding="utf-8")
    path = stage.directory / "policy" / "entities.json"
    entities = json.loads(path.read_text(encoding="utf-8"))
    source = {"type": "Share::Source", "id": "desk"}
    entities.append({"uid": source, "attrs": {"scheme": "bearer", "signed": False}, "parents": []})
    entities.append({"uid": {"type": "Share::Requester", "id": "desk/alice@example.com"},
                     "attrs": {"source": {"__entity": source}, "email": "alice@example.com"},
                     "parents": [{"type": "Share::Team", "id": "platform"}]})
    entities.append({"uid": {"type": "Share::Requester", "id": "desk/bob@example.com"},
                     "attrs": {"source": {"__entity": source}, "email": "bob@example.com"},
                     "parents": [{"type": "Share::Team", "id": "approvers"}]})
    for entity in entities:
        if entity["uid"] == {"type": "Share::Account", "id": ACCOUNT}:
            entity["parents"].append({"type": "Share::AccountGroup", "id": "sandbox-accounts"})
    path.write_text(json.dumps(entities), encoding="utf-8")
    return configuration


def python(url: str, mode: str, event_id: str, token: str = TOKEN, prefer: str = "reply"):
    """Sends an event that the Python SDK wrote. Returns (status, answer); the answer is None if the body is empty."""
    attributes = {"id": event_id, "source": SOURCE, "type": "com.example.approved", "subject": SUBJECT,
                  "datacontenttype": "application/json"}
    event = CloudEvent(attributes=attributes, data=REQUEST)
    message = {"binary": to_binary_event, "structured": to_structured_event}[mode](event)
    body = message.body if isinstance(message.body, bytes) else message.body.encode()
    status, text = http_call(url, "POST", body, {**message.headers, "authorization": f"Bearer {token}", "prefer": prefer})
    return status, json.loads(text) if text else None


def javascript(url: str, mode: str, event_id: str):
    """Sends an event that the JavaScript SDK wrote. Returns (status, answer)."""
    fields = {"id": event_id, "source": SOURCE, "type": "com.example.approved", "subject": SUBJECT}
    modules = os.environ.get("SHAREHOOK_NODE_MODULES", str(PEERS / "cloudevents" / "node_modules"))
    done = subprocess.run(["node", "-e", JAVASCRIPT, url, TOKEN, mode, json.dumps(fields), json.dumps(REQUEST)],
                          check=False, env=environment({"NODE_PATH": modules}), capture_output=True, text=True, timeout=30)
    check(done.returncode == 0, "node to send the event", done.stdout + done.stderr)
    status, text = json.loads(done.stdout)
    return status, json.loads(text)


def test(stage: Stage) -> None:
    sandbox = Sandbox(stage)
    port = free_port()
    url = f"http://127.0.0.1:{port}/events"
    variables = local_variables(sandbox.url, f"file:{stage.directory / 'journal'}")
    stage.start("serve", [binary(), "serve", "--listen", f"127.0.0.1:{port}", "--config", configure(stage)], variables)
    stage.await_http("serve", f"http://127.0.0.1:{port}/healthz")

    equal(python(url, "structured", "p-1", token=TOKEN + "x")[0], 401, "the status for a wrong token")
    for send, name, event_id in ((python, "Python", "p-1"), (javascript, "JavaScript", "j-1")):
        status, first = send(url, "binary", event_id)
        equal((status, first.get("status"), first.get("duplicate")), (200, "completed", None), f"{name}'s binary event")
        status, again = send(url, "structured", event_id)
        equal((status, again.get("duplicate")), (200, True), f"{name}'s same event, structured")
        if send is python:
            equal(send(url, "binary", event_id, prefer="wait=1"), (200, None), "the answer without Prefer: reply")
        step(f"the {name} SDK's binary and structured event are one request")
    equal(sorted(sandbox.shares()), [("lhbp-6jc6l8yb", ACCOUNT)], "the shares in the sandbox")


if __name__ == "__main__":
    run(test)
