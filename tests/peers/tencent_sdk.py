#!/usr/bin/env python3
"""The vendor's own Python SDK against the stand-in cloud: an independent signer and an independent reader of answers.

Shows that what the stand-in takes for valid is what the vendor's signer makes, and that it refuses what is not: so a
request of ours that it accepts is one that the vendor's rules accept.
"""

import time

from support import LOCAL, Failed, Sandbox, Stage, check, equal, run, step, use_environment

use_environment("tencent")

from tencentcloud.common.credential import Credential  # noqa: E402  (only the environment above has it)
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException  # noqa: E402
from tencentcloud.common.profile.client_profile import ClientProfile  # noqa: E402
from tencentcloud.common.profile.http_profile import HttpProfile  # noqa: E402
from tencentcloud.cvm.v20170312 import cvm_client, models as cvm  # noqa: E402
from tencentcloud.lighthouse.v20200324 import lighthouse_client, models as lighthouse  # noqa: E402

SECRET_ID, SECRET_KEY = LOCAL["TENCENTCLOUD_SECRET_ID"], LOCAL["TENCENTCLOUD_SECRET_KEY"]
REGION = "ap-singapore"
BLUEPRINT, IMAGE = "lhbp-6jc6l8yb", "img-6pb6lrmy"
ACCOUNTS = ["700000164995", "1038493875"]


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


def filled(request, **fields):
    """An SDK request with these fields."""
    for name, value in fields.items():
        check(hasattr(request, name), f"the SDK's {type(request).__name__} to have the field {name}")
        setattr(request, name, value)
    return request


def answered(answer, action: str):
    """The answer, which must carry the request's id."""
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
    """The five operations through the SDK's own typed requests."""
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
    """What a wrong caller gets: the vendor's codes, and no share."""
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
    """Signs as the SDK does, then changes an account, as somebody between the two would."""

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
    """Signs as the SDK does, with a clock that is ten minutes slow."""

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


def test(stage: Stage) -> None:
    sandbox = Sandbox(stage)
    cloud = Cloud(sandbox)
    operations(cloud, sandbox)
    refusals(cloud, sandbox)


if __name__ == "__main__":
    run(test)
