#!/usr/bin/env python3
"""Validates exported events against the published schema of OCSF 1.8.0 with an independent JSON Schema validator.

The schema in tests/vectors was made once with `ocsf-json-schema` 1.2.0 (class api_activity; profiles cloud, datetime,
security_control). The records come from runs against the stand-in cloud: a share, a denial, a duplicate with other
content, and a signed share that takes several calls. Every event must be valid. The validator must refuse events that the test has spoiled.
"""

import json
import subprocess

from support import ROOT, Sandbox, Stage, binary, check, environment, equal, event, free_port, http_call
from support import local_configuration, local_variables, run, signed, step, use_environment

use_environment("aws")

from jsonschema import Draft202012Validator  # noqa: E402  (only the environment above has it)

SCHEMA = ROOT / "tests" / "vectors" / "ocsf-1.8.0-api_activity.schema.json"
# src/journal/export/tests.rs exports exactly these events.
EXPECTED = ROOT / "tests" / "vectors" / "ocsf-export.json"


def exported(stage: Stage, sandbox: Sandbox) -> list:
    """Returns the events of a journal with a share, a denial, a conflict, and a signed chain."""
    configuration = local_configuration(stage.directory)
    variables = local_variables(sandbox.url, f"file:{stage.directory / 'journal'}")

    def sharehook(*arguments) -> subprocess.CompletedProcess:
        return subprocess.run([binary(), "--config", configuration, *arguments], env=environment(variables),
                              capture_output=True, text=True, timeout=60, check=False)

    good = event("invoke-native.json")
    for change, code in (({}, 0), ({"id": "no", "accounts": ["100000000001"]}, 2), ({"reason": "another"}, 1)):
        file = stage.directory / "event.json"
        file.write_text(json.dumps({**good, **change}), encoding="utf-8")
        done = sharehook("invoke", str(file))
        equal(done.returncode, code, f"the exit code with {change}: {done.stdout}{done.stderr}")
    chain = {**good, "id": "chain", "image": "img-xkd784jw", "lighthouse": True}
    url = f"http://127.0.0.1:{free_port()}"
    argv = [binary(), "--config", configuration, "serve", "--listen", url.removeprefix("http://")]
    stage.start("serve", argv, variables)
    stage.await_http("serve", f"{url}/healthz")
    status, answer = http_call(f"{url}/hooks/native", "POST", *signed(chain))
    equal(status, 200, f"the status of a signed delivery, which answers {answer}")
    done = sharehook("audit", "export", "--format", "ocsf")
    equal(done.returncode, 0, f"the export's exit code: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test(stage: Stage) -> None:
    """Validates every event, and checks that spoiled ones are invalid."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    events = exported(stage, Sandbox(stage))
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    check(len(expected) > 0, "events in the committed file")
    for one in events + expected:
        flaws = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(one)]
        equal(flaws, [], f"the flaws of {json.dumps(one)}")
    kinds = {one["metadata"]["event_code"] for one in events}
    check({"opened", "progress", "closed", "conflict"} <= kinds, "an event of each kind", sorted(kinds))
    step(f"{len(events)} events, and {len(expected)} of the committed file, are valid: {', '.join(sorted(kinds))}")
    for spoil in ({"ticket": "x"}, {"time": "today"}, {"activity_id": 77}, {"time_dt": "today"}):
        check(not validator.is_valid({**events[0], **spoil}), f"{spoil} to be found")
    step("spoiled events are refused")


if __name__ == "__main__":
    run(test)
