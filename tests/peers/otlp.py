#!/usr/bin/env python3
"""A stand-in for an OpenTelemetry collector reads traces and metrics as the official protobuf messages.

Needs a binary with the feature `otlp` (`cargo build --features otlp`). Shows that the spans of a webhook, its cloud call and its
notification are one trace; that a slow, absent or refusing collector delays no delivery; that lost spans are counted; and that a
function sends its spans before its host may freeze it.
"""

import base64
import contextlib
import http.server
import json
import threading
import time

from support import LOCAL, SECRET_ENDINGS, Runtime, Sandbox, Stage, binary, check, equal, event, free_port, http_call, local_configuration
from support import local_variables, run, signed, step, use_environment, wait_for

use_environment("metrics")

from google.protobuf import json_format  # noqa: E402  (only the environment above has it)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest  # noqa: E402
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: E402
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status  # noqa: E402

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
KEY = "collector-key-of-a-test-0123456789"
# The steps of the straight line for a new share.
STEPS = {"verify", "map", "decide", "observe", "record", "plan", "call", "notify"}
TIMED = 21
# Each delivery has two spans, so these deliveries have more spans than the queue holds.
STRANGERS = 1_100


def hexed(value):
    """Converts ids from hexadecimal, as in OTLP's JSON, to base64, as in protobuf's JSON."""
    if isinstance(value, list):
        return [hexed(item) for item in value]
    if isinstance(value, dict):
        return {name: base64.b64encode(bytes.fromhex(item)).decode() if name in ("traceId", "spanId", "parentSpanId") else hexed(item)
                for name, item in value.items()}
    return value


class Collector:
    """A collector that fails if a message contains a secret. `mode` is `takes`, `slow`, `refuses` or `busy`."""

    def __init__(self):
        self.mode, self.spans, self.metrics, self.resources = "takes", [], {}, set()
        self.freed = threading.Event()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if collector.mode == "slow":
                    collector.freed.wait(60)
                status = {"refuses": 400, "busy": 503}.get(collector.mode, 200)
                if status == 200:
                    collector.take(self.path, self.headers, body)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", "2")
                self.end_headers()
                with contextlib.suppress(BrokenPipeError):
                    self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path: str, headers, body: bytes) -> None:
        """Reads a message. Fails at an unknown field."""
        equal(headers["content-type"], "application/json", "the content type")
        equal(headers["api-key"], KEY, "the header of OTEL_EXPORTER_OTLP_HEADERS")
        for secret in (text for name, text in LOCAL.items() if name.endswith(SECRET_ENDINGS)):
            check(secret.removeprefix("whsec_").encode() not in body, "no secret in a message to the collector")
        message = json.dumps(hexed(json.loads(body)))
        if path == "/v1/traces":
            for of_resource in json_format.Parse(message, ExportTraceServiceRequest()).resource_spans:
                self.resources |= {(a.key, a.value.string_value) for a in of_resource.resource.attributes}
                self.spans += [span for of_scope in of_resource.scope_spans for span in of_scope.spans]
        else:
            equal(path, "/v1/metrics", "the path of a message")
            for of_resource in json_format.Parse(message, ExportMetricsServiceRequest()).resource_metrics:
                self.metrics = {metric.name: metric for of_scope in of_resource.scope_metrics for metric in of_scope.metrics}

    def of_trace(self, trace: str) -> dict:
        """Returns the spans of a trace by their ids."""
        return {span.span_id.hex(): span for span in list(self.spans) if span.trace_id.hex() == trace}


def attributes(span) -> dict:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


def deliver(url: str, name: str, trace: str, sampled: bool = True, **fields) -> float:
    """Sends a signed delivery with the sender's trace. Returns the seconds until its answer."""
    body, headers = signed({**event("invoke-native.json"), "id": name, **fields})
    headers["traceparent"] = f"00-{trace}-{PARENT}-{'01' if sampled else '00'}"
    began = time.monotonic()
    status, text = http_call(f"{url}/hooks/native", "POST", body, headers)
    equal(status, 200, f"the status of {name}, {text}")
    return time.monotonic() - began


def one_trace(url: str, collector: Collector, sandbox: Sandbox) -> None:
    """Checks that the request, the cloud calls and the notification of a delivery are in one trace."""
    deliver(url, "CHG-1", TRACE)
    wait_for("the spans of the notification", lambda: any(s.name == "notify" for s in collector.of_trace(TRACE).values()), 20)
    spans = collector.of_trace(TRACE)
    names = {span.name for span in spans.values()}
    equal(sorted(names), sorted(STEPS | {"request"}), "the names of the spans")
    roots = [span for span in spans.values() if span.parent_span_id.hex() == PARENT]
    equal([span.name for span in roots], ["request"], "the span below the sender's")
    for span in spans.values():
        check(span.parent_span_id.hex() in {*spans, PARENT}, f"{span.name} to be below a span of the trace", str(span))
        check(0 < span.start_time_unix_nano <= span.end_time_unix_nano, f"{span.name} to end after it began", str(span))
    root, call = roots[0], next(span for span in spans.values() if span.name == "call")
    equal(root.kind, Span.SPAN_KIND_SERVER, "the kind of a request")
    equal(call.kind, Span.SPAN_KIND_CLIENT, "the kind of a call")
    said = attributes(call)
    check("ModifyImageSharePermission" in said["action"] and said["code"] == "OK" and said["cloud_request_id"],
          "the call to name its action, the code and the cloud's id", said)
    check(root.start_time_unix_nano <= call.start_time_unix_nano and call.end_time_unix_nano <= root.end_time_unix_nano,
          "the call to lie within the request")
    check({("service.name", "sharehook"), ("team", "images")} <= collector.resources, "the resource", sorted(collector.resources))
    step(f"{len(spans)} spans of one trace, from the webhook to the cloud's call and the notification")

    letter = sandbox.ask("inbox")["letters"][-1]
    notified = next(span for span in spans.values() if span.name == "notify")
    equal(letter["headers"]["traceparent"], f"00-{TRACE}-{notified.span_id.hex()}-01", "the target's traceparent")
    step("the target of a notification is below the span that notifies it")


def failures(url: str, collector: Collector, sandbox: Sandbox) -> None:
    """Checks the spans of a refused cloud call, and a trace that the sender does not record."""
    sandbox.fail("cvm.ModifyImageSharePermission:error-before:InvalidParameter@1")
    failed = "a" * 32
    deliver(url, "CHG-2", failed, accounts=["1038493875"])
    wait_for("the failed call", lambda: any(s.name == "call" for s in collector.of_trace(failed).values()), 20)
    call = next(span for span in collector.of_trace(failed).values() if span.name == "call")
    equal((call.status.code, attributes(call)["code"]), (Status.STATUS_CODE_ERROR, "InvalidParameter"), "the end of a refused call")
    unrecorded = "b" * 32
    deliver(url, "CHG-3", unrecorded, sampled=False)
    deliver(url, "CHG-4", "c" * 32)
    wait_for("a later trace", lambda: collector.of_trace("c" * 32), 20)
    equal(len(collector.of_trace(unrecorded)), 0, "the spans of a trace that its sender does not record")
    step("a refused call is an error; a trace that its sender does not record is not recorded")


def metrics(collector: Collector) -> None:
    """Checks the metrics that the collector receives."""
    read = wait_for("metrics", lambda: "sharehook_cloud_calls_total" in collector.metrics and collector.metrics, 20)
    sums = read["sharehook_deliveries_total"].sum
    check(sums.is_monotonic and sums.aggregation_temporality == 2, "a counter to be a cumulative, monotonic sum", str(sums)[:200])
    points = {tuple(sorted(attributes(p).items())): p for p in sums.data_points}
    point = points[(("result", "completed"), ("source", "native"))]
    check(point.as_double >= 1 and 0 < point.start_time_unix_nano < point.time_unix_nano, "completed deliveries", str(point))
    equal(read["sharehook_grants_active"].WhichOneof("data"), "gauge", "the kind of a gauge")
    times = read["sharehook_delivery_duration_seconds"]
    histogram = next(p for p in times.histogram.data_points if attributes(p) == {"source": "native"})
    equal(times.unit, "s", "the unit of a duration")
    equal((len(histogram.bucket_counts), sum(histogram.bucket_counts)), (len(histogram.explicit_bounds) + 1, histogram.count),
          "the buckets")
    step(f"{len(read)} metrics, with their kinds and units")


def dropped(url: str) -> float:
    text = http_call(f"{url}/metrics")[1]
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith("sharehook_spans_dropped_total ")))


def bad_collectors(url: str, collector: Collector) -> None:
    """Sends deliveries while the collector hangs, is busy, and refuses."""
    def median() -> float:
        return sorted(deliver(url, "CHG-1", "d" * 32) for _ in range(TIMED))[TIMED // 2]
    usual = median()
    collector.mode = "slow"
    for _ in range(STRANGERS):
        headers = {"traceparent": f"00-{'e' * 32}-{PARENT}-01"}
        equal(http_call(f"{url}/hooks/native", "POST", b"{}", headers)[0], 401, "the status of a stranger")
    lost = wait_for("spans without room to be counted", lambda: dropped(url), 20)
    hanging = median()
    check(hanging < 3 * usual + 0.02, "deliveries as fast as before while the collector hangs", f"{hanging:.4f} s; before {usual:.4f} s")
    step(f"a collector that hangs delays nothing: {hanging * 1000:.0f} ms, before {usual * 1000:.0f} ms; {lost:.0f} spans are counted as dropped")
    collector.mode = "busy"
    collector.freed.set()
    time.sleep(6)
    equal(len(collector.of_trace("e" * 32)), 0, "the spans that a busy collector took")
    collector.mode = "takes"
    wait_for("the spans that waited", lambda: len(collector.of_trace("e" * 32)) > 1500, 30)
    step("a collector that was busy gets the spans that waited")
    collector.mode = "refuses"
    before = dropped(url)
    deliver(url, "CHG-1", "f" * 32)
    wait_for("the refused spans to be counted", lambda: dropped(url) > before, 20)
    collector.mode = "takes"
    step("what a collector refuses is counted")


def function(stage: Stage, sandbox: Sandbox, configuration) -> None:
    """Invokes a function in a trace of X-Ray."""
    collector = Collector()
    xray = f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={PARENT};Sampled=1"
    seen = []
    runtime = Runtime({**event("invoke-native.json"), "id": "CHG-lambda"}, xray,
                      lambda: seen.append((len(collector.of_trace(TRACE)), set(collector.metrics))))
    stage.start("lambda", [binary(), "--config", configuration], {**variables(collector, sandbox, stage), **runtime.variables})
    equal(runtime.answered()["status"], "completed", "the function's answer")
    spans, counted = seen[0]
    check(spans >= len(STEPS) and "sharehook_deliveries_total" in counted, "spans and metrics to arrive before the answer", str(seen))
    root = next(span for span in collector.of_trace(TRACE).values() if span.parent_span_id.hex() == PARENT)
    equal(root.name, "invocation", "the span below X-Ray's")
    letter = sandbox.ask("inbox")["letters"][-1]["headers"]["traceparent"]
    equal(letter.split("-")[1], TRACE, "the trace that the notification names")
    step(f"a function sends its {spans} spans, in X-Ray's trace, before it answers")


def function_and_slow_collector(stage: Stage, sandbox: Sandbox, configuration) -> None:
    """Invokes a function while the collector does not answer."""
    collector = Collector()
    collector.mode = "slow"
    runtime = Runtime({**event("invoke-native.json"), "id": "CHG-slow"})
    stage.start("slow", [binary(), "--config", configuration], {**variables(collector, sandbox, stage), **runtime.variables})
    runtime.answered()
    collector.freed.set()
    check(runtime.seconds < 2.5, "an answer although the collector hangs", f"after {runtime.seconds:.1f} s")
    step(f"a function answers after {runtime.seconds:.1f} s while the collector hangs")


def variables(collector: Collector, sandbox: Sandbox, stage: Stage) -> dict:
    return {**local_variables(sandbox.url, f"file:{stage.directory / 'journal'}"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_HEADERS": f"api-key={KEY}",
            "OTEL_METRIC_EXPORT_INTERVAL": "1000", "OTEL_RESOURCE_ATTRIBUTES": "team=images", "COLLECTOR_KEY": KEY,
            "NOTIFY_SECRET": LOCAL["NATIVE_WEBHOOK_SECRET"]}


def test(stage: Stage) -> None:
    sandbox, collector = Sandbox(stage), Collector()
    configuration = local_configuration(stage.directory)
    with configuration.open("a", encoding="utf-8") as written:
        written.write(f'\n[[notify]]\nname = "desk"\npreset = "webhook"\nurl = "{sandbox.url}/inbox"\nsecret = "env:NOTIFY_SECRET"\n')
    url = f"http://127.0.0.1:{free_port()}"
    stage.start("serve", [binary(), "--config", configuration, "serve", "--listen", url.removeprefix("http://")],
                variables(collector, sandbox, stage))
    stage.await_http("serve", f"{url}/healthz")
    check("has no effect" not in stage.log("serve").read_text(encoding="utf-8"), "a binary with the feature `otlp`")
    one_trace(url, collector, sandbox)
    failures(url, collector, sandbox)
    metrics(collector)
    bad_collectors(url, collector)
    function(stage, sandbox, configuration)
    function_and_slow_collector(stage, sandbox, configuration)


if __name__ == "__main__":
    run(test)
