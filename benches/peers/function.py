"""A Python function that does sharehook's job, as a careful engineer would write it with the vendor's SDK.

In: a Jira webhook, by a function URL (`handler`) or by WSGI (`application`). Out: the answer. Verifies the signature in
constant time, compares the ticket with a list in memory, and calls the cloud. It keeps no journal, so a crash loses the
request: the benchmarks compare with the least that such a function must do.
"""

import base64
import hashlib
import hmac
import json
import os

from aws_lambda_powertools import Logger
from tencentcloud.common import credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.cvm.v20170312 import cvm_client
from tencentcloud.lighthouse.v20200324 import lighthouse_client, models

logger = Logger(service="share")
SECRET = os.environ["JIRA_WEBHOOK_SECRET"].encode()
IMAGE_FIELD, ACCOUNTS_FIELD = "customfield_10101", "customfield_10103"
GOLDEN = {"lhbp-6jc6l8yb", "img-6pb6lrmy"}
STAGING = {"700000164995", "909619400", "1038493875"}
KEYS = credential.Credential(os.environ["TENCENTCLOUD_SECRET_ID"], os.environ["TENCENTCLOUD_SECRET_KEY"])
REGION = "ap-singapore"
# The address of a stand-in cloud on loopback. If it is not set, the calls go to the real cloud.
ENDPOINT = os.environ.get("CLOUD_ENDPOINT")
HTTP = HttpProfile(protocol="http" if ENDPOINT else "https", endpoint=ENDPOINT, keepAlive=True)
PROFILE = ClientProfile(httpProfile=HTTP)
LIGHTHOUSE = lighthouse_client.LighthouseClient(KEYS, REGION, PROFILE)
CVM = cvm_client.CvmClient(KEYS, REGION, PROFILE)


def answer(body: bytes, signature: str) -> tuple[int, dict]:
    wanted = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted, signature):
        return 401, {"status": "unauthorized"}
    event = json.loads(body)
    changes = event.get("changelog", {}).get("items", [])
    if not any(change["field"] == "status" and change["toString"] == "Approved" for change in changes):
        return 200, {"status": "ignored"}
    fields = event["issue"]["fields"]
    image, accounts = fields[IMAGE_FIELD], fields[ACCOUNTS_FIELD].replace(",", " ").split()
    if image not in GOLDEN or not set(accounts) <= STAGING:
        logger.info("denied", extra={"issue": event["issue"]["key"]})
        return 403, {"status": "denied"}
    request = models.ShareBlueprintAcrossAccountsRequest()
    request.BlueprintId, request.AccountIds = image, accounts
    LIGHTHOUSE.ShareBlueprintAcrossAccounts(request)
    logger.info("shared", extra={"issue": event["issue"]["key"]})
    return 200, {"status": "completed"}


def handler(event, context):
    body = event.get("body") or ""
    raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    status, told = answer(raw, event.get("headers", {}).get("x-hub-signature", ""))
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(told)}


def application(environ, start_response):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    status, told = answer(environ["wsgi.input"].read(length), environ.get("HTTP_X_HUB_SIGNATURE", ""))
    start_response(f"{status} ", [("content-type", "application/json")])
    return [json.dumps(told).encode()]
