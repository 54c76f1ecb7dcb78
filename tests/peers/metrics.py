#!/usr/bin/env python3
"""The official client library of Prometheus reads the metrics of a real server after a mixed load.

Shows that the library parses every line of `/metrics`, that each family has help and a type, that counters never decrease, and that a
histogram's buckets add up. Also shows that a parser of PromQL parses every query of deploy/observe/.
"""

import json

from support import LOCAL, ROOT, Sandbox, Stage, binary, check, equal, event, free_port, http_call, local_configuration
from support import local_variables, run, signed, step, use_environment

use_environment("metrics")

import promql_parser  # noqa: E402  (only the environment above has it)
from prometheus_client.parser import text_string_to_metric_families  # noqa: E402  (only the environment above has it)


def families(url: str) -> dict:
    """Parses the metrics with the library, and returns them by name."""
    status, text = http_call(f"{url}/metrics")
    equal(status, 200, "the status of /metrics")
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(read: dict, name: str, **labels) -> float:
    """Returns the value of a sample, or 0 if there is no such sample."""
    found = [sample.value for family in read.values() for sample in family.samples
             if sample.name == name and sample.labels == labels]
    return found[0] if found else 0.0


def queries() -> list:
    """Returns all queries of the alert rules and the dashboard."""
    folder = ROOT / "deploy" / "observe"
    rules = (folder / "alerts.yaml").read_text(encoding="utf-8").splitlines()
    panels = json.loads((folder / "grafana.json").read_text(encoding="utf-8"))["panels"]
    # Grafana replaces this variable by a duration.
    shown = [target["expr"].replace("$__rate_interval", "5m") for panel in panels for target in panel["targets"]]
    return [line.split("expr: ", 1)[1] for line in rules if "expr: " in line] + shown


def load(url: str) -> None:
    """Sends deliveries that are shared, repeated, denied, changed, unreadable, unsigned, or for an unknown source."""
    good = event("invoke-native.json")
    for number, request in enumerate([good, good, {**good, "id": "CHG-d", "accounts": ["100000000001"]},
                                      {**good, "reason": "another"}, {**good, "id": "CHG-i", "image": "none"}]):
        body, headers = signed(request)
        status, text = http_call(f"{url}/hooks/native", "POST", body, headers)
        equal(status, [200, 200, 403, 422, 422][number], f"the status of delivery {number}, {text}")
    equal(http_call(f"{url}/hooks/native", "POST", b"{}", {})[0], 401, "the status without a signature")
    equal(http_call(f"{url}/hooks/nobody", "POST", b"{}", {})[0], 404, "the status of no source")


def test(stage: Stage) -> None:
    """Starts a server, and reads its metrics after each of two loads."""
    configuration = local_configuration(stage.directory)
    address = f"127.0.0.1:{free_port()}"
    variables = local_variables(Sandbox(stage).url, f"file:{stage.directory / 'journal'}")
    stage.start("serve", [binary(), "--config", configuration, "serve", "--listen", address], variables)
    url = f"http://{address}"
    stage.await_http("serve", f"{url}/healthz")
    load(url)
    first = families(url)
    for name, family in first.items():
        check(family.documentation and family.type in ("counter", "gauge", "histogram"), f"{name} to have help and type",
              [family.documentation, family.type])
    step(f"the official parser reads {len(first)} families")
    for result, count in {"completed": 1, "duplicate": 1, "denied": 1, "conflict": 1, "invalid": 1, "unauthorised": 1}.items():
        got = value(first, "sharehook_deliveries_total", source="native", result=result)
        equal(got, count, f"the deliveries of native that ended as {result}")
    equal(value(first, "sharehook_deliveries_total", source="none", result="unauthorised"), 1, "those for no source")
    equal(value(first, "sharehook_grants_active"), 1, "the active grants")
    buckets = [sample.value for sample in first["sharehook_delivery_duration_seconds"].samples
               if sample.name.endswith("_bucket") and sample.labels["source"] == "native"]
    check(buckets == sorted(buckets) and buckets[-1] == 6, "buckets that grow to six deliveries", json.dumps(buckets))
    step("each delivery is counted once, by source and result")
    load_again = signed({**event("invoke-native.json"), "id": "CHG-2"})
    equal(http_call(f"{url}/hooks/native", "POST", *load_again)[0], 200, "the status of one more delivery")
    second = families(url)
    for name, family in first.items():
        for sample in family.samples if family.type == "counter" else []:
            check(value(second, sample.name, **sample.labels) >= sample.value, f"{name} not to go back")
    step("no counter goes back")
    text = http_call(f"{url}/metrics")[1]
    for secret in (text for name, text in LOCAL.items() if "SECRET" in name):
        check(secret not in text, "no secret in the metrics")
    for query in queries():
        try:
            promql_parser.parse(query)
        except ValueError as error:
            check(False, f"a query in PromQL: {query}", str(error))
    step(f"the {len(queries())} queries of deploy/observe are PromQL")


if __name__ == "__main__":
    run(test)
