#!/usr/bin/env python3
"""The packaged bootstrap on a local AWS, deployed from template.yaml: queue, dead letters, API, function URL, journal, alarms.

In: target/package/bootstrap.zip of scripts/package, .aws-sam/build of `sam build`. Shows that the template deploys with either ingress
and with secrets of either kind, also by `sam deploy`; that a rotated secret works without a deployment; that only the bad message of a
batch ends in the dead-letter queue; that each good one is shared once, however often it arrives; that the journal is in the bucket, each
object written once; and that alarms change their state. The local AWS checks no signatures, permissions, rate limits or locks of a
stack's bucket, attaches no layers, and writes no access log. So this test does not cover them. A stand-in replaces AWS's extension for
secrets.
"""

import datetime
import hashlib
import hmac
import http.server
import json
import platform
import subprocess
import threading
import time
import urllib.parse

from support import LOCAL, PEERS, ROOT, SECRET_ENDINGS, Failed, Sandbox, Stage, check, environment, equal, event, free_port, http_call
from support import local_configuration, run, step, use_environment, wait_for

use_environment("aws")

import boto3  # noqa: E402  (only the environment above has it)
from alarms import Alarms  # noqa: E402
from botocore.config import Config  # noqa: E402

REGION = "us-east-1"
PACKAGE = ROOT / "target" / "package" / "bootstrap.zip"
# The template retries a message after six minutes, up to five times. That is too long for a test.
VISIBILITY_SECONDS = 5
RECEIVES = 2
# An Ed25519 seed, like the output of `openssl rand -base64 32`.
SEAL_KEY = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="
EXTENSION_ARN = "arn:aws:lambda:us-east-1:177933569100:layer:AWS-Parameters-and-Secrets-Lambda-Extension:11"
ROTATED = "rotated-jira-secret-of-a-test-0123456789"


class Aws:
    """Runs ministack on a free port, and creates clients for it."""

    def __init__(self, stage: Stage):
        self.stage = stage
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        scratch = stage.directory / "aws"
        scratch.mkdir()
        # Without BIND_HOST it would listen on every interface, and without IOT_MTLS_ENABLED on MQTT's port too.
        stage.start("ministack", [PEERS / "aws" / "bin" / "ministack"], {
            "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": self.port, "TMPDIR": scratch, "HOME": scratch,
            "IOT_MTLS_ENABLED": "0",
            # The token that Lambda gives a function, which the function sends to the extension for secrets.
            "AWS_SESSION_TOKEN": "test",
        }, cwd=scratch)
        stage.await_http("ministack", f"{self.url}/_ministack/health")

        objects = self.client("s3")
        objects.create_bucket(Bucket="packages")
        objects.upload_file(str(PACKAGE), "packages", "bootstrap.zip")
        self.secret = self.client("secretsmanager").create_secret(
            Name="sharehook", SecretString=json.dumps({**LOCAL, "SHAREHOOK_SEAL_KEY": SEAL_KEY}))["ARN"]

    def client(self, service: str):
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, aws_access_key_id="test",
                            aws_secret_access_key="test", config=Config(retries={"max_attempts": 1}))


def extension(aws: Aws) -> int:
    """Starts a stand-in for AWS's extension, which asks the local Secrets Manager and caches nothing. Returns its port."""
    secrets = aws.client("secretsmanager")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked = urllib.parse.urlparse(self.path)
            right = asked.path == "/secretsmanager/get" and self.headers["x-aws-parameters-secrets-token"]
            name = urllib.parse.parse_qs(asked.query)["secretId"][0]
            answer = secrets.get_secret_value(SecretId=name) if right else {}
            body = json.dumps({key: answer.get(key) for key in ("SecretString", "VersionId")}).encode()
            self.send_response(200 if right else 400)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


class Gone(http.server.BaseHTTPRequestHandler):
    """Answers every notification with 410."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(410)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Deployed:
    """The complete stack of template.yaml."""

    def __init__(self, aws: Aws, sandbox: Sandbox, ingress: str):
        self.aws, self.name = aws, f"sharehook-{ingress}"
        self.at_run_time = ingress == "http-api"
        self.functions, self.queues, self.objects = aws.client("lambda"), aws.client("sqs"), aws.client("s3")
        self._create(sandbox, ingress)
        self.parts = {part["LogicalResourceId"]: part["PhysicalResourceId"] for part in
                      aws.client("cloudformation").describe_stack_resources(StackName=self.name)["StackResources"]}
        self.function = self.parts["Function"]
        self.queue, self.dead_letters = self.parts["RequestQueue"], self.parts["DeadLetterQueue"]
        self._quicken()

    def _create(self, sandbox: Sandbox, ingress: str) -> None:
        template = (ROOT / "template.yaml").read_text(encoding="utf-8")
        local = "CodeUri: deploy/aws"
        check(local in template, f"template.yaml to say {local!r}")
        machine = {"arm64": "arm64", "aarch64": "arm64"}.get(platform.machine(), "x86_64")
        parameters = {"SecretArn": self.aws.secret, "Ingress": ingress, "CloudEndpoint": sandbox.url, "Architecture": machine,
                      "JournalRetentionDays": "1", "SecretsExtensionArn": EXTENSION_ARN if self.at_run_time else "none"}
        stacks = self.aws.client("cloudformation")
        stacks.create_stack(
            StackName=self.name, TemplateBody=template.replace(local, "CodeUri: s3://packages/bootstrap.zip"),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()])

        def settled():
            stack = stacks.describe_stacks(StackName=self.name)["Stacks"][0]
            return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack
        stack = wait_for("the stack to settle", settled, 60)
        if stack["StackStatus"] != "CREATE_COMPLETE":
            events = stacks.describe_stack_events(StackName=self.name)["StackEvents"]
            raise Failed(f"the stack ended as {stack['StackStatus']}:\n" + "\n".join(
                f"{e['LogicalResourceId']}: {e['ResourceStatus']} {e.get('ResourceStatusReason', '')}" for e in events))
        self.outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}

    def _quicken(self) -> None:
        """Makes the function use the local S3 and a configuration that notifies, and shortens the queue's timeouts."""
        configuration = self.functions.get_function_configuration(FunctionName=self.function)
        variables = configuration["Environment"]["Variables"]
        reference = f"aws-secretsmanager:{self.aws.secret}#JIRA_WEBHOOK_SECRET"
        equal(variables["JIRA_WEBHOOK_SECRET"], reference if self.at_run_time else LOCAL["JIRA_WEBHOOK_SECRET"],
              "the variable with a secret")
        self.functions.update_function_configuration(
            FunctionName=self.function, Timeout=VISIBILITY_SECONDS,
            Environment={"Variables": {**variables, "AWS_ENDPOINT_URL": self.aws.url,
                                       "SHAREHOOK_CONFIG": str(self._notifying()),
                                       "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": str(extension(self.aws)),
                                       "NOTIFY_SECRET": LOCAL["NATIVE_WEBHOOK_SECRET"]}})
        target = self.queues.get_queue_attributes(QueueUrl=self.dead_letters, AttributeNames=["QueueArn"])
        self.queues.set_queue_attributes(QueueUrl=self.queue, Attributes={
            "VisibilityTimeout": str(VISIBILITY_SECONDS),
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": target["Attributes"]["QueueArn"],
                                         "maxReceiveCount": RECEIVES})})

    def _notifying(self):
        """Returns the deployed configuration, with a notification target that answers 410. After this status, no notification is repeated."""
        folder = self.aws.stage.directory / self.name
        folder.mkdir()
        target = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gone)
        threading.Thread(target=target.serve_forever, daemon=True).start()
        written = local_configuration(folder)
        written.write_text((ROOT / "sharehook.toml").read_text(encoding="utf-8") + f"""
[[notify]]
name = "gone"
preset = "webhook"
url = "http://127.0.0.1:{target.server_port}"
secret = "env:NOTIFY_SECRET"
""", encoding="utf-8")
        return written

    def invoke(self, payload: dict):
        """Invokes the function and returns its answer. Fails if the function reports an error."""
        answer = self.functions.invoke(FunctionName=self.function, Payload=json.dumps(payload).encode())
        text = answer["Payload"].read().decode()
        check("FunctionError" not in answer, f"the function to answer {json.dumps(payload)[:80]}", text)
        return json.loads(text)

    def post(self, name: str, secret: str | None = None):
        """Sends an event file's delivery to the API or the function URL, signed with `secret`. Returns (status, answer)."""
        delivery = event(name)
        if secret:
            mac = hmac.new(secret.encode(), delivery["body"].encode(), hashlib.sha256).hexdigest()
            delivery["headers"]["x-hub-signature"] = f"sha256={mac}"
        host = self.outputs["HookUrl"].split("//")[1].split("/")[0]
        # The local AWS recognises an API only by this host name.
        if ".execute-api." in host:
            host = host.split(".")[0] + ".execute-api.localhost"
        headers = {k: v for k, v in delivery["headers"].items() if k not in ("host", "content-length")}
        status, text = http_call(self.aws.url + delivery["rawPath"], "POST", delivery["body"].encode(),
                                 {**headers, "Host": host})
        return status, text

    def pause(self, paused: bool) -> None:
        """Stops or starts the queue's trigger. While it is stopped, messages collect for one batch."""
        mapping = self.functions.list_event_source_mappings(FunctionName=self.function)["EventSourceMappings"][0]
        equal(mapping["FunctionResponseTypes"], ["ReportBatchItemFailures"], "the trigger's FunctionResponseTypes")
        self.functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=not paused)

    def send(self, bodies: list) -> None:
        """Sends messages to the request queue as one batch."""
        self.pause(True)
        for body in bodies:
            self.queues.send_message(QueueUrl=self.queue, MessageBody=body)
        self.pause(False)

    def depth(self, queue: str) -> int:
        """Returns the number of messages in a queue, including those in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counted = self.queues.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return sum(map(int, counted.values()))

    def dead(self) -> list:
        """Returns the bodies of the messages in the dead-letter queue."""
        answer = self.queues.receive_message(QueueUrl=self.dead_letters, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [message["Body"] for message in answer.get("Messages", [])]

    def journal(self) -> list:
        """Returns the keys of all versions of the journal's objects."""
        bucket, prefix = self.outputs["Journal"].removeprefix("s3://").split("/", 1)
        answer = self.objects.list_object_versions(Bucket=bucket, Prefix=f"{prefix}/")
        return [entry["Key"] for entry in answer.get("Versions", [])]


def queue(stack: Deployed, sandbox: Sandbox) -> None:
    """Sends a batch of a good, a bad and a good message, then the good ones again."""
    good, bad, other = [record["body"] for record in event("sqs-three-requests.json")["Records"]]
    stack.send([good, bad, other])
    wait_for("the bad message in the dead-letter queue", lambda: stack.depth(stack.dead_letters), 60)
    equal(stack.dead(), [bad], "the dead letters")
    equal(stack.depth(stack.queue), 0, "the messages left in the request queue")
    wanted = {("lhbp-6jc6l8yb", "909619400"), ("img-6pb6lrmy", "1038493875")}
    sandbox.shared_once(wanted)
    step("of a batch of three the bad message ends as a dead letter, the good ones are shared once")

    stack.send([good, other])
    wait_for("the repeated messages to be taken", lambda: stack.depth(stack.queue) == 0, 30)
    sandbox.shared_once(wanted)
    equal(stack.dead(), [bad], "the dead letters after the repetition")
    step("the good messages sent again share nothing")


def hooks(stack: Deployed, sandbox: Sandbox) -> None:
    """Sends signed and forged deliveries to the HTTP API."""
    equal(stack.post("http-jira-forged.json")[0], 401, "the status for a forged signature")
    status, text = stack.post("http-jira-approved.json")
    equal(status, 200, f"the status for an approved ticket ({text})")
    equal(json.loads(text)["status"], "completed", "the approved ticket's status")
    sandbox.shared_once({("lhbp-6jc6l8yb", "909619400"), ("img-6pb6lrmy", "1038493875"),
                         ("lhbp-6jc6l8yb", "700000164995"), ("lhbp-6jc6l8yb", "1038493875")})
    step("a signed delivery to the HTTP API is shared, a forged one is not")


def rotation(stack: Deployed) -> None:
    """Changes the value of a secret without a deployment."""
    equal(stack.post("http-jira-approved.json", ROTATED)[0], 401, "the status for the next secret before it is in force")
    before = json.loads(stack.aws.client("secretsmanager").get_secret_value(SecretId=stack.aws.secret)["SecretString"])
    stack.aws.client("secretsmanager").put_secret_value(
        SecretId=stack.aws.secret, SecretString=json.dumps({**before, "JIRA_WEBHOOK_SECRET": ROTATED}))
    # After an unknown signature the function reads its secrets again, but at most once in ten seconds.
    wait_for("the rotated secret to count", lambda: stack.post("http-jira-approved.json", ROTATED)[0] == 200, 30, every=2)
    equal(stack.post("http-jira-approved.json")[0], 401, "the status for the secret that was replaced")
    stack.aws.client("secretsmanager").put_secret_value(SecretId=stack.aws.secret, SecretString=json.dumps(before))
    step("a rotated secret counts without a deployment, and the replaced one no longer")


def function_url(aws: Aws, sandbox: Sandbox) -> None:
    """Tests the function URL, which is the other ingress, in its own stack."""
    stack = Deployed(aws, sandbox, "function-url")
    check("HttpApi" not in stack.parts and "FunctionUrl" in stack.parts, "a function URL and no API", sorted(stack.parts))
    equal(stack.post("http-jira-forged.json")[0], 401, "the function URL's status for a forged signature")
    equal(stack.post("http-jira-denied.json")[0], 403, "the function URL's status for a foreign account")
    step("with Ingress=function-url the same deliveries arrive without an API")


def alarms(stack: Deployed, sandbox: Sandbox) -> None:
    """Checks the state of the alarms after an overdue share, an undelivered notification, a stopped schedule, and dead letters."""
    watch = Alarms(stack.aws, stack.parts)
    watch.publish()
    for part in ("OverdueAlarm", "SweepAlarm"):
        equal(watch.state(part), "OK", f"the state of {part} before")
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)
    stack.invoke({**event("invoke-native.json"), "id": "CHG-overdue", "expires_in": None,
                  "expires_at": soon.isoformat(timespec="seconds").replace("+00:00", "Z")})
    # A key without this permission cannot revoke the share.
    sandbox.fail("cvm.ModifyImageSharePermission:error-before:UnauthorizedOperation.PermissionDenied@100")
    # After the share's expiry, and after the five seconds for which the function caches its counts of the index.
    time.sleep(6)
    answer = stack.functions.invoke(FunctionName=stack.function, Payload=json.dumps(event("schedule-sweep.json")).encode())
    said = answer["Payload"].read().decode()
    check("FunctionError" in answer and "CHG-overdue" in said, "the sweep to fail and to name the overdue share", said)
    check(watch.publish() > 0, "lines with metrics in the function's log", stack.aws.stage.logs())
    waiting = stack.depth(stack.dead_letters)
    queue_name = stack.dead_letters.rsplit("/", 1)[-1]
    watch.put("AWS/SQS", "ApproximateNumberOfMessagesVisible", ("QueueName", queue_name), waiting)
    for part in ("OverdueAlarm", "NotificationAlarm", "DeadLetterAlarm"):
        equal(watch.state(part), "ALARM", f"the state of {part} after")
        equal(watch.definition(part)["StateValue"], "ALARM", f"the state of {part} in the local AWS")
    equal(watch.state("SweepAlarm"), "OK", "the state of SweepAlarm after a sweep")
    equal(watch.state("SweepAlarm", minutes_later=20), "ALARM", "the state of SweepAlarm when no sweep follows")
    step("alarms change their state: overdue share, dead schedule, dead letter, notification given up")


def schedule(stack: Deployed) -> None:
    """Invokes the function with the inputs of the template's schedules."""
    schedules = stack.aws.client("scheduler")
    names = [entry["Name"] for entry in schedules.list_schedules()["Schedules"]]
    sent = [json.loads(schedules.get_schedule(Name=name)["Target"]["Input"]) for name in names]
    by_task = {one["task"]: one for one in sent}
    equal(by_task, {"sweep": event("schedule-sweep.json"), "drift": {"task": "drift"}}, "the inputs of the schedules")
    for one in by_task.values():
        stack.invoke(one)
    step("the schedules' own inputs run a sweep and a comparison")


def journal(stack: Deployed) -> None:
    """Checks the objects in the bucket, and that none was overwritten."""
    versions = stack.journal()
    check(len(versions) >= 3, "a journal object for each of the three requests", versions)
    equal(sorted(set(versions)), sorted(versions), "the keys, one version each,")
    versioning = stack.objects.get_bucket_versioning(Bucket=stack.parts["JournalBucket"])
    equal(versioning.get("Status"), "Enabled", "the bucket's versioning, which shows every overwriting")
    step(f"the journal holds {len(versions)} objects in its bucket, each written once")


def documented(aws: Aws, sandbox: Sandbox) -> None:
    """Deploys the package of `sam build` with `sam deploy`, as docs/hosts/lambda.md says."""
    built = ROOT / ".aws-sam" / "build" / "template.yaml"
    check(built.exists(), "the package of `sam build`; run it first")
    secrets = f"SecretArn={aws.secret}", "SecretsExtensionArn=none", f"CloudEndpoint={sandbox.url}"
    began = time.monotonic()
    done = subprocess.run(
        [PEERS / "lint" / "bin" / "sam", "deploy", "--template-file", built, "--stack-name", "documented", "--resolve-s3",
         "--no-confirm-changeset", "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND", "--parameter-overrides", *secrets],
        cwd=aws.stage.directory, capture_output=True, text=True, check=False, timeout=300,
        env=environment({"AWS_ENDPOINT_URL": aws.url, "AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": "test",
                         "AWS_SECRET_ACCESS_KEY": "test", "SAM_CLI_TELEMETRY": "0"}))
    check(done.returncode == 0, "sam deploy to succeed", done.stdout[-2000:] + done.stderr[-2000:])
    seconds = time.monotonic() - began
    parts = aws.client("cloudformation").describe_stack_resources(StackName="documented")["StackResources"]
    function = next(part["PhysicalResourceId"] for part in parts if part["LogicalResourceId"] == "Function")
    ask = event("http-jira-approved.json")
    ask["rawPath"], ask["requestContext"]["http"]["method"] = "/healthz", "GET"
    answer = aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(ask).encode())
    text = answer["Payload"].read().decode()
    equal(json.loads(text).get("statusCode"), 200, f"the health of the deployed function ({text})")
    step(f"sam deploy made the stack of sam build's package in {seconds:.0f} s, and the function answers")


def test(stage: Stage) -> None:
    check(PACKAGE.exists(), f"{PACKAGE.relative_to(ROOT)} to exist; run scripts/package")
    stage.secrets |= {text for name, text in LOCAL.items() if name.endswith(SECRET_ENDINGS) and len(text) >= 12}
    stage.secrets |= {SEAL_KEY, ROTATED}
    sandbox = Sandbox(stage)
    aws = Aws(stage)
    stack = Deployed(aws, sandbox, "http-api")
    step(f"template.yaml is deployed: {len(stack.parts)} resources")
    queue(stack, sandbox)
    hooks(stack, sandbox)
    schedule(stack)
    journal(stack)
    rotation(stack)
    alarms(stack, sandbox)
    function_url(aws, sandbox)
    documented(aws, sandbox)


if __name__ == "__main__":
    run(test)
