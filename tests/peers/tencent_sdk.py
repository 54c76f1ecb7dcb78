#!/usr/bin/env python3
"""Tests the stand-in cloud with the vendor's Python SDK, which signs and reads answers independently of our code.

Shows that the stand-in accepts the signatures of the vendor's signer and refuses others. So a request of ours that the
stand-in accepts follows the vendor's rules. The SDK and `crates/tc3` make the same signatures for random requests. Then
the test sends signed tickets to `sharehook serve`, and compares its answers with the sandbox's state as the vendor's
client and `tccli` show it.
"""

import base64
import hashlib
import hmac
import json
import random
import subprocess
import sys
import time
import unittest.mock

from support import (LOCAL, ROOT, Failed, Sandbox, Stage, binary, check, environment, equal, free_port, http_call,
                     local_configuration, local_variables, run, step, use_environment)

use_environment("tencent")

from tencentcloud.common import abstract_client  # noqa: E402
from tencentcloud.common.http.request import RequestInternal  # noqa: E402
from tencentcloud.common.credential import Credential  # noqa: E402  (only the environment above has it)
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException  # noqa: E402
from tencentcloud.common.profile.client_profile import ClientProfile  # noqa: E402
from tencentcloud.common.profile.http_profile import HttpProfile  # noqa: E402
from tencentcloud.cvm.v20170312 import cvm_client, models as cvm  # noqa: E402
from tencentcloud.lighthouse.v20200324 import lighthouse_client, models as lighthouse  # noqa: E402

SECRET_ID, SECRET_KEY = LOCAL["TENCENTCLOUD_SECRET_ID"], LOCAL["TENCENTCLOUD_SECRET_KEY"]
REGION = "ap-singapore"
BLUEPRINT, IMAGE, CHAINED = "lhbp-6jc6l8yb", "img-6pb6lrmy", "img-xkd784jw"
ACCOUNTS = ["700000164995", "1038493875"]


# The installed command line, changed to use plain HTTP, for which it has no option.
TCCLI = """
import sys
from functools import partialmethod
from tencentcloud.common.profile.http_profile import HttpProfile
HttpProfile.__init__ = partialmethod(HttpProfile.__init__, "http")
from tccli.main import main
sys.exit(main())
"""


class Cloud:
    """SDK clients for the sandbox, with any key pair."""

    def __init__(self, sandbox: Sandbox):
        self.endpoint = sandbox.url.removeprefix("http://")

    def client(self, kind, secret_id: str = SECRET_ID, secret_key: str = SECRET_KEY):
        http = HttpProfile(protocol="http", endpoint=self.endpoint, reqTimeout=10)
        profile = ClientProfile(httpProfile=http, signMethod="TC3-HMAC-SHA256")
        return kind(Credential(secret_id, secret_key), REGION, profile)

    def lighthouse(self, **keys):
        return self.client(lighthouse_client.LighthouseClient, **keys)

    def cvm(self, **keys):
        return self.client(cvm_client.CvmClient, **keys)


    def tccli(self, stage: Stage, service: str, action: str, **arguments) -> dict:
        """Runs `tccli SERVICE ACTION`, and returns its output."""
        options = [text for name, value in arguments.items()
                   for text in (f"--{name}", value if isinstance(value, str) else json.dumps(value))]
        argv = [sys.executable, "-c", TCCLI, service, action, *options, "--region", REGION, "--endpoint", self.endpoint]
        # Its own home, so that it reads and writes no profile of the user.
        keys = {"TENCENTCLOUD_SECRET_ID": SECRET_ID, "TENCENTCLOUD_SECRET_KEY": SECRET_KEY,
                "TCCLI_PROFILE": "default", "HOME": stage.directory}
        ended = subprocess.run(argv, env=environment(keys), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                               timeout=60, check=False)
        equal(ended.returncode, 0, f"the status of tccli {service} {action} ({ended.stdout}{ended.stderr})")
        return json.loads(ended.stdout)


def filled(request, **fields):
    """Returns an SDK request with these fields."""
    for name, value in fields.items():
        check(hasattr(request, name), f"the SDK's {type(request).__name__} to have the field {name}")
        setattr(request, name, value)
    return request


def answered(answer, action: str):
    """Returns the answer, which must have a request id."""
    check(bool(answer.RequestId), f"a RequestId in the answer to {action}", str(answer))
    return answer


def refused(call, code: str, what: str) -> None:
    """Fails unless the call ends with this error code."""
    try:
        got = call()
    except TencentCloudSDKException as error:
        equal(error.get_code(), code, f"the error code for {what}")
        check(bool(error.get_request_id()), f"a RequestId with the refusal of {what}")
        return
    raise Failed(f"expected: {code} for {what}\n     got: {got}")


def operations(cloud: Cloud, sandbox: Sandbox) -> None:
    """Calls the five operations with the SDK's typed requests."""
    light, machines = cloud.lighthouse(), cloud.cvm()

    answered(light.ShareBlueprintAcrossAccounts(
        filled(lighthouse.ShareBlueprintAcrossAccountsRequest(), BlueprintId=BLUEPRINT, AccountIds=ACCOUNTS)), "share")
    answered(machines.ModifyImageSharePermission(
        filled(cvm.ModifyImageSharePermissionRequest(), ImageId=IMAGE, AccountIds=ACCOUNTS[:1],
               Permission="SHARE")), "share")
    sandbox.shared_once({(BLUEPRINT, ACCOUNTS[0]), (BLUEPRINT, ACCOUNTS[1]), (IMAGE, ACCOUNTS[0])})
    step("a blueprint and a CVM image are shared with accounts")

    answered(light.CancelShareBlueprintAcrossAccounts(
        filled(lighthouse.CancelShareBlueprintAcrossAccountsRequest(), BlueprintId=BLUEPRINT,
               AccountIds=ACCOUNTS[1:])), "cancel")
    answered(machines.ModifyImageSharePermission(
        filled(cvm.ModifyImageSharePermissionRequest(), ImageId=IMAGE, AccountIds=ACCOUNTS[:1],
               Permission="CANCEL")), "cancel")
    equal(sorted(sandbox.shares()), [(BLUEPRINT, ACCOUNTS[0])], "the shares after two cancellations")
    step("both are cancelled, and only what was named")

    listed = answered(light.DescribeImagesToShare(filled(
        lighthouse.DescribeImagesToShareRequest(), Offset=0, Limit=100)), "DescribeImagesToShare")
    equal(listed.TotalCount, len(listed.ImageSet), "the TotalCount of one page that holds all")
    check(IMAGE in [image.ImageId for image in listed.ImageSet], f"{IMAGE} among the images to share", str(listed))
    available = answered(light.ModifyImageSharePermission(filled(
        lighthouse.ModifyImageSharePermissionRequest(), ImageId=IMAGE, Permission="SHARE")), "to Lighthouse")
    check(str(available.BlueprintId).startswith("lhbp-"), "a blueprint id for the image in Lighthouse", str(available))
    answered(light.ModifyImageSharePermission(filled(
        lighthouse.ModifyImageSharePermissionRequest(), ImageId=IMAGE, Permission="CANCEL")), "from Lighthouse")
    step("an image is listed, made available in Lighthouse and taken back")


def refusals(cloud: Cloud, sandbox: Sandbox) -> None:
    """Checks that wrong calls get the vendor's error codes and share nothing."""
    def share(client):
        return lambda: client.ShareBlueprintAcrossAccounts(filled(
            lighthouse.ShareBlueprintAcrossAccountsRequest(), BlueprintId=BLUEPRINT, AccountIds=ACCOUNTS[1:]))
    before = sandbox.shares()
    refused(share(cloud.lighthouse(secret_key="not-the-key")), "AuthFailure.SignatureFailure", "a wrong key")
    stranger = cloud.lighthouse(secret_id="AKIDNOBODY" + "0" * 26)
    refused(share(stranger), "AuthFailure.SecretIdNotFound", "an unknown id")
    refused(share(Tampering.of(cloud)), "AuthFailure.SignatureFailure", "a body changed after signing")
    refused(share(Late.of(cloud)), "AuthFailure.SignatureExpire", "a request signed ten minutes ago")
    equal(sorted(sandbox.shares()), sorted(before), "the shares after the refusals")
    step("a wrong key, an unknown id, a changed body and an old signature are refused")


class Tampering(lighthouse_client.LighthouseClient):
    """Signs with the SDK, then changes an account, as an attacker between client and cloud would."""

    @classmethod
    def of(cls, cloud: Cloud):
        return cloud.client(cls)

    def _build_req_with_tc3_signature(self, *arguments, **options):
        super()._build_req_with_tc3_signature(*arguments, **options)
        request = next(a for a in (*arguments, *options.values()) if hasattr(a, "data"))
        body = request.data if isinstance(request.data, str) else request.data.decode()
        check(ACCOUNTS[1] in body, "the account in the signed body", body)
        request.data = body.replace(ACCOUNTS[1], ACCOUNTS[1][::-1])


class Late(lighthouse_client.LighthouseClient):
    """Signs with the SDK, with a clock that is ten minutes slow."""

    @classmethod
    def of(cls, cloud: Cloud):
        return cloud.client(cls)

    def _build_req_with_tc3_signature(self, *arguments, **options):
        real = time.time
        time.time = lambda: real() - 600
        try:
            super()._build_req_with_tc3_signature(*arguments, **options)
        finally:
            time.time = real


class Service:
    """`sharehook serve` with the sandbox as its cloud, and tickets signed as standardwebhooks.com says."""

    def __init__(self, stage: Stage, sandbox: Sandbox):
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        variables = local_variables(sandbox.url, f"file:{stage.directory / 'journal'}")
        argv = [binary(), "serve", "--listen", address, "--config", local_configuration(stage.directory)]
        stage.start("serve", argv, variables, stage.directory)
        stage.await_http("serve", f"{self.url}/readyz")

    def ticket(self, name: str, action: str, image: str, accounts: list, **more) -> dict:
        """Sends one signed ticket, which must be completed. Returns the answer."""
        request = {"id": name, "action": action, "image": image, "region": REGION, "accounts": accounts,
                   "requester": "alice@example.com", "approvers": ["bob@example.com"], "ticket": name, **more}
        body, at = json.dumps(request).encode(), str(int(time.time()))
        key = base64.b64decode(LOCAL["NATIVE_WEBHOOK_SECRET"].removeprefix("whsec_"))
        mac = hmac.new(key, f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
        headers = {"content-type": "application/json", "webhook-id": name, "webhook-timestamp": at,
                   "webhook-signature": "v1," + base64.b64encode(mac).decode()}
        status, text = http_call(f"{self.url}/hooks/native", "POST", body, headers)
        equal(status, 200, f"the status of {name} ({text})")
        answer = json.loads(text)
        equal(answer["status"], "completed", f"the answer's status for {name}")
        return answer


def told(answer: dict, *kinds: str) -> list:
    """Returns the sorted accounts of an answer whose result is one of the given results."""
    return sorted(result["account"] for result in answer["results"]
                  if "account" in result and result["result"] in kinds)


def reports(cloud: Cloud, service: Service) -> None:
    """Compares sharehook's answers with what the vendor's client reads."""
    light, machines = cloud.lighthouse(), cloud.cvm()

    def of_blueprint(blueprint: str) -> list:
        read = light.DescribeBlueprintsShareAcrossAccountInfos(filled(
            lighthouse.DescribeBlueprintsShareAcrossAccountInfosRequest(), BlueprintIds=[blueprint], Limit=100))
        return sorted(share.AccountId for share in read.BlueprintShareAcrossAccountInfoSet)

    def of_image(image: str) -> list:
        read = machines.DescribeImageSharePermission(filled(
            cvm.DescribeImageSharePermissionRequest(), ImageId=image))
        return sorted(share.AccountId for share in read.SharePermissionSet)

    for image, read in ((BLUEPRINT, of_blueprint), (IMAGE, of_image)):
        had = read(image)
        answer = service.ticket(f"{image}-share", "share", image, ACCOUNTS)
        equal(told(answer, "already_shared"), had, f"the accounts that had {image} before, as answered")
        equal(read(image), told(answer, "shared", "already_shared"), f"the accounts that have {image}, as the SDK reads")
        answer = service.ticket(f"{image}-cancel", "cancel", image, ACCOUNTS[:1])
        equal(told(answer, "cancelled"), ACCOUNTS[:1], f"the accounts that lost {image}, as answered")
        equal(read(image), ACCOUNTS[1:], f"the accounts that have {image} after it, as the SDK reads")
    step("signed tickets through `serve`: the SDK lists exactly the accounts that the answers name")

    answer = service.ticket("chain", "share", CHAINED, ACCOUNTS, lighthouse=True)
    blueprint = next(result["blueprint"] for result in answer["results"] if result["result"] == "available")
    listed = light.DescribeBlueprints(filled(lighthouse.DescribeBlueprintsRequest(), BlueprintIds=[blueprint]))
    equal([found.ImageId for found in listed.BlueprintSet], [CHAINED], f"the image of {blueprint}, as the SDK reads")
    equal(of_blueprint(blueprint), told(answer, "shared"), f"the accounts that have {blueprint}, as the SDK reads")
    step("the chain: the SDK finds the blueprint that the answer names, with its accounts")


def command_line(cloud: Cloud, stage: Stage, service: Service) -> None:
    """Compares the output of `tccli` after signed tickets with their answers."""
    def of_blueprint(blueprint: str) -> list:
        read = cloud.tccli(stage, "lighthouse", "DescribeBlueprintsShareAcrossAccountInfos", BlueprintIds=[blueprint])
        return sorted(share["AccountId"] for share in read["BlueprintShareAcrossAccountInfoSet"])

    def of_image(image: str) -> list:
        read = cloud.tccli(stage, "cvm", "DescribeImageSharePermission", ImageId=image)
        return sorted(share["AccountId"] for share in read["SharePermissionSet"])

    for image, read in ((BLUEPRINT, of_blueprint), (IMAGE, of_image)):
        answer = service.ticket(f"tccli-{image}", "share", image, ACCOUNTS)
        equal(read(image), told(answer, "shared", "already_shared"), f"the accounts that have {image}, as tccli prints")
        answer = service.ticket(f"tccli-{image}-cancel", "cancel", image, ACCOUNTS)
        equal(told(answer, "cancelled"), sorted(ACCOUNTS), f"the accounts that lost {image}, as answered")
        equal(read(image), [], f"the accounts that have {image} after it, as tccli prints")
    step("`tccli` prints exactly the accounts that the answers name")


def signatures(count: int = 500) -> None:
    """Signs random requests with the SDK's client and with `crates/tc3`, and compares."""
    seed = random.SystemRandom().randrange(1_000_000)
    dice = random.Random(seed)

    def text(least: int, most: int, alphabet: str) -> str:
        return "".join(dice.choice(alphabet) for _ in range(dice.randint(least, most)))

    plain = "abcXYZ0189-_."
    anything = plain + " \t\n\"\\/%&=+;:<>{}[]~*'\u00e9\u4e1c\U0001f44d\u202e\u0000"
    requests, wanted = [], []
    for _ in range(count):
        method = dice.choice(["POST", "POST", "GET"])
        host, service = f"{text(1, 20, plain)}.example.com", text(1, 12, "abcdefgh")
        unsigned = method == "POST" and dice.random() < 0.1
        profile = ClientProfile(httpProfile=HttpProfile(reqMethod=method, endpoint=host))
        profile.unsignedPayload = unsigned
        secret_id, secret_key = text(1, 40, plain), text(1, 40, anything)
        # The SDK refuses keys with invisible characters before it signs anything.
        keys = unittest.mock.Mock(get_credential_info=lambda keys=(secret_id, secret_key, None): keys)
        client = abstract_client.AbstractClient(keys, REGION, profile)
        client._service, client._apiVersion, client._endpoint = service, "2020-01-01", host
        parameters = {text(1, 9, plain): text(0, 60, anything) for _ in range(dice.randint(0, 6))}
        request = RequestInternal(host, method, "/")
        at = dice.randrange(0, 4_000_000_000)
        with unittest.mock.patch.object(abstract_client.time, "time", lambda at=at: at):
            client._build_req_with_tc3_signature("DoIt", parameters, request)
        wanted.append(request.header["Authorization"])
        requests.append(json.dumps({
            "secret_id": secret_id, "secret_key": secret_key, "service": service, "timestamp": at, "method": method,
            "query": request.data if method == "GET" else "", "content_type": request.header["Content-Type"], "host": host,
            "payload": "" if method == "GET" else "UNSIGNED-PAYLOAD" if unsigned else request.data,
        }))
    command = ["cargo", "run", "--quiet", "--locked", "--package", "tc3", "--example", "sign"]
    ended = subprocess.run(command, input="\n".join(requests), capture_output=True, text=True, timeout=300, check=False, cwd=ROOT)
    equal(ended.returncode, 0, f"the status of the signer ({ended.stderr})")
    for request, ours, sdks in zip(requests, ended.stdout.splitlines(), wanted, strict=True):
        equal(ours, sdks, f"seed {seed}: the signature of {request}")
    step(f"{count} random requests (seed {seed}) have the SDK's signatures")


def test(stage: Stage) -> None:
    signatures()
    sandbox = Sandbox(stage)
    cloud = Cloud(sandbox)
    operations(cloud, sandbox)
    refusals(cloud, sandbox)
    service = Service(stage, sandbox)
    reports(cloud, service)
    command_line(cloud, stage, service)


if __name__ == "__main__":
    run(test)
