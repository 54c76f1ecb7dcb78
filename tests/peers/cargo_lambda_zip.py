#!/usr/bin/env python3
"""Starts the zip that `cargo lambda build` makes from the settings in Cargo.toml, as Lambda does.

Shows that the package has the files that the function reads at its start, and that the function answers an event. scripts/package
uses the same settings. If it was run before, nothing is compiled again.
"""

import os
import subprocess
import zipfile

from support import PEERS, ROOT, Runtime, Sandbox, Stage, check, environment, equal, event, local_variables, run, step

CARGO_LAMBDA = PEERS / "lambda" / "bin" / "cargo-lambda"
# `dev` is faster, to test this test.
PROFILE = os.environ.get("SHAREHOOK_PROFILE", "release")


def test(stage: Stage) -> None:
    options = ["--profile", PROFILE, "--locked", "--compiler", "cargo", "--output-format", "zip"]
    done = subprocess.run([CARGO_LAMBDA, "lambda", "build", "--bin", "sharehook", *options], cwd=ROOT, env=environment({}),
                          capture_output=True, text=True, check=False, timeout=1200)
    check(done.returncode == 0, "cargo lambda build to succeed", done.stdout + done.stderr)
    function = stage.directory / "function"
    with zipfile.ZipFile(ROOT / "target" / "lambda" / "sharehook" / "bootstrap.zip") as package:
        names = set(package.namelist())
        package.extractall(function)
    check({"bootstrap", "sharehook.toml", "policy/schema.cedarschema"} <= names, "binary, configuration and policy", sorted(names))
    (function / "bootstrap").chmod(0o755)
    step(f"the package of cargo-lambda has {len(names)} files")

    sandbox = Sandbox(stage)
    runtime = Runtime(event("http-jira-approved.json"))
    variables = local_variables(sandbox.url, f"file:{stage.directory / 'journal'}")
    stage.start("function", [function / "bootstrap"], {**variables, **runtime.variables}, cwd=function)
    equal(runtime.answered()["statusCode"], 200, "the status of an approved ticket")
    check(len(sandbox.shares()) == 2, "two shares", sorted(sandbox.shares()))
    step("the function starts from it and shares what an approved ticket asks for")


if __name__ == "__main__":
    run(test)
