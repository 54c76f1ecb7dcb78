#!/usr/bin/env python3
"""Headless Chromium reads `/report` of a real server, after shares, refusals, drift and an overdue share.

Shows that the page loads nothing from other addresses; that a person can search, sort and read it on a phone, on a desktop, in print, in
light and dark, by keyboard and without its script, in English and in Chinese; and that axe finds nothing serious. `--screenshots DIR`
stores the pictures; those of the Chinese page need a font (Debian: fonts-noto-cjk).
Without an installed Chromium, the test only says so.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

from support import PEERS, ROOT, Sandbox, Stage, binary, check, environment, equal, free_port, http_call
from support import local_configuration, local_variables, run, signed, step

TOKEN = "peer-only-report-token-0123456789"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
IMAGES = ("img-6pb6lrmy", "lhbp-6jc6l8yb")


def request(number: int, **more) -> dict:
    """Returns a request that the sample policy allows. Each number stands for another account of the staging group."""
    return {"id": f"CHG00{30000 + number}", "ticket": f"CHG00{30000 + number}", "action": "share", "region": "ap-singapore",
            "image": IMAGES[number % 2], "accounts": [f"7000000000{number % 12 + 1:02}"], "requester": "alice@example.com",
            "approvers": ["bob@example.com"], "reason": "预发布环境需要七月的基础镜像", **more}


def deliver(url: str, asked: dict, status: int) -> None:
    body, headers = signed(asked)
    got, text = http_call(f"{url}/hooks/native", "POST", body, headers)
    equal(got, status, f"the status of {asked['id']}, which answers {text}")


def load(url: str, sandbox: Sandbox) -> None:
    """Sends shares with a near, a far and no expiry, denied requests, an invalid delivery, and a share that becomes overdue."""
    deliver(url, request(1, expires_in="3s"), 200)
    sandbox.fail("CancelShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation@90")
    for number, end in enumerate(("2d", "9d", "30d", "45d", "90d", "120d", None), start=2):
        more = {"expires_in": end} if end else {}
        deliver(url, request(number, **more), 200)
    for number in range(20, 24):
        deliver(url, request(number, requester="mallory@example.com", expires_in="30d"), 403)
    deliver(url, request(30, accounts=["100000000001"], expires_in="30d"), 403)
    deliver(url, request(31, image="<b>the July image</b>"), 422)


def browser() -> str | None:
    """Returns the path of an installed Chromium, or of SHAREHOOK_BROWSER."""
    named = os.environ.get("SHAREHOOK_BROWSER")
    return named or next(filter(None, map(shutil.which, BROWSERS)), None)


def serve(stage: Stage, sandbox: Sandbox, language: str) -> str:
    """Starts a server whose report is in this language. All servers use the same journal."""
    directory = stage.directory / language
    directory.mkdir()
    configuration = local_configuration(directory)
    with open(configuration, "a", encoding="utf-8") as file:
        file.write(f'\n[http]\nreport = "env:REPORT_TOKEN"\n\n[report]\nlanguage = "{language}"\n')
    address = f"127.0.0.1:{free_port()}"
    variables = {**local_variables(sandbox.url, f"file:{stage.directory / 'journal'}"), "REPORT_TOKEN": TOKEN}
    name = f"serve-{language}"
    stage.start(name, [binary(), "--config", configuration, "serve", "--listen", address], variables)
    stage.await_http(name, f"http://{address}/healthz")
    return f"http://{address}"


def read(url: str, language: str, pictures: pathlib.Path) -> None:
    """Opens the page in the browser."""
    done = subprocess.run(
        ["node", ROOT / "tests" / "peers" / "report.mjs", browser(), f"{url}/report", TOKEN, language, pictures],
        check=False, timeout=180, capture_output=True, text=True,
        env=environment({"SHAREHOOK_NODE_MODULES": PEERS / "browser" / "node_modules"}))
    check(done.returncode == 0, "the browser to find what it looks for", done.stdout + done.stderr)
    for line in json.loads(done.stdout.splitlines()[-1]):
        step(f"{language}: {line}")


def test(stage: Stage) -> None:
    """Starts the servers, sends the load, and opens the page in each language."""
    sandbox = Sandbox(stage)
    url = serve(stage, sandbox, "en")
    load(url, sandbox)
    # The share of three seconds expires, and the cloud refuses to revoke it.
    time.sleep(4)
    page = http_call(f"{url}/report", headers={"authorization": f"Bearer {TOKEN}"})[1]
    check("is still shared with" in page, "the overdue share in the report", page[:4000])
    step("the server shows a report with grants, refusals and an overdue share")
    pictures = stage.directory / "screenshots"
    if "--screenshots" in sys.argv:
        pictures = pathlib.Path(sys.argv[sys.argv.index("--screenshots") + 1]).resolve()
    pictures.mkdir(parents=True, exist_ok=True)
    read(url, "en", pictures)
    read(serve(stage, sandbox, "zh"), "zh", pictures)


if __name__ == "__main__":
    if browser() is None:
        print(f"report.py: SKIPPED: no browser is installed; looked for {', '.join(BROWSERS)} (Debian: apt-get install chromium)")
        sys.exit(0)
    if not (PEERS / "browser" / "node_modules").is_dir():
        sys.exit(".peers/browser is missing; run scripts/peers browser")
    run(test)
