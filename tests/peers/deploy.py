#!/usr/bin/env python3
"""Runs a linter on each file for another host, and on the workflows: hadolint, kubernetes-validate, systemd-analyze, checkov, zizmor,
an HCL parser.

Shows that the files are valid for these tools. Does not run them on a host.
"""

import re
import shutil
import subprocess

from support import PEERS, ROOT, Stage, check, run, step, use_environment

use_environment("deploy")

import hcl2  # noqa: E402  (only the environment above has it)

DEPLOY = ROOT / "deploy"
# The exposure of a unit as systemd measures it, in tenths: 100 is a unit without restrictions.
MAX_EXPOSURE = 15
# A reference to a declaration of the module: var.name, local.name, data.kind.name, kind.name.
REFERENCE = re.compile(r"(?<![\w.-])(?:var\.\w+|local\.\w+|data\.\w+\.\w+|(?:aws|tencentcloud)_\w+\.\w+)")


def tool(*argv) -> str:
    """Runs a linter, which must find nothing. Returns its output."""
    done = subprocess.run([str(a) for a in argv], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    check(done.returncode == 0, f"{argv[0]} to find nothing", done.stdout + done.stderr)
    return done.stdout


def container() -> None:
    tool(PEERS / "deploy" / "bin" / "hadolint", DEPLOY / "container" / "Dockerfile")
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    check({".git", "target", "**/*.env", "**/seal.key"} <= set(ignored), "the image's build to see no secrets", ignored)
    step("hadolint accepts the Dockerfile")


def kubernetes() -> None:
    tool(PEERS / "deploy" / "bin" / "kubernetes-validate", "--strict", DEPLOY / "kubernetes" / "sharehook.yaml")
    step("kubernetes-validate accepts the manifests")


def policies() -> None:
    checkov = PEERS / "policy" / "bin" / "checkov"
    tool(checkov, "--config-file", DEPLOY / "checkov.yaml", "--file", "template.yaml", "deploy/kubernetes/sharehook.yaml",
         "deploy/container/Dockerfile", ".github/workflows/ci.yml", ".github/workflows/release.yml")
    tool(PEERS / "deploy" / "bin" / "zizmor", "--offline", "--config", ".github/zizmor.yml", ".github/workflows")
    step("checkov accepts template, manifests, Dockerfile and workflows; zizmor the workflows")


def systemd(stage: Stage) -> None:
    if shutil.which("systemd-analyze") is None:
        step("no systemd-analyze here: the units are NOT checked")
        return
    units = []
    for unit in sorted((DEPLOY / "systemd").glob("sharehook*")):
        # The analysis needs an existing program; any will do.
        text = unit.read_text(encoding="utf-8").replace("/usr/local/bin/sharehook", "/bin/true")
        units.append(stage.directory / unit.name)
        units[-1].write_text(text, encoding="utf-8")
    said = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    check(said.returncode == 0 and not said.stderr, "systemd-analyze verify to find nothing", said.stderr)
    for unit in (unit for unit in units if unit.suffix == ".service"):
        tool("systemd-analyze", "security", "--offline=true", f"--threshold={MAX_EXPOSURE}", unit)
    step(f"systemd-analyze accepts {len(units)} units, with an exposure below {MAX_EXPOSURE / 10}")


def terraform() -> None:
    """Checks that each module parses, and refers only to its own declarations."""
    for module in sorted({path.parent for path in DEPLOY.glob("**/*.tf")}):
        parts = [hcl2.loads(path.read_text(encoding="utf-8")) for path in sorted(module.glob("*.tf"))]
        declared = set()
        for part in parts:
            declared |= {f"var.{name.strip(chr(34))}" for block in part.get("variable", []) for name in block
                         if not name.startswith("__")}
            for kind, prefix in (("resource", ""), ("data", "data.")):
                declared |= {f"{prefix}{a.strip(chr(34))}.{b.strip(chr(34))}" for block in part.get(kind, [])
                             for a, named in block.items() for b in named}
            declared |= {f"local.{name}" for block in part.get("locals", []) for name in block if not name.startswith("__")}
        text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(module.glob("*.tf")))
        used = set(REFERENCE.findall(text))
        check(used <= declared, f"every reference of {module.name} to be declared", sorted(used - declared))
        unused = {name for name in declared if name.startswith(("var.", "local.")) and name not in used}
        check(not unused, f"every variable of {module.name} to be used", sorted(unused))
        step(f"the module {module.relative_to(ROOT)} parses, and declares the {len(used)} names that it uses")


def test(stage: Stage) -> None:
    container()
    kubernetes()
    systemd(stage)
    terraform()
    policies()


if __name__ == "__main__":
    run(test)
