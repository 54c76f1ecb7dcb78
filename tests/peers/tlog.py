#!/usr/bin/env python3
"""Independent code verifies the log of a real journal. `tlog-scales` (https://c2sp.org/tlog-tiles) reads tiles and
entries, and checks inclusion and consistency. `cryptography` checks signatures (https://c2sp.org/signed-note).

Shows that every numbered checkpoint is signed and has the root of its tiles; that later ones continue older ones; that
every entry is proven and is the SHA-256 of its record; that this also holds after a change of the key; and that an
altered entry, tile or checkpoint is found.
"""

import base64
import hashlib
import itertools
import json
import pathlib
import shutil
import subprocess

from support import Sandbox, Stage, binary, check, environment, equal, event, local_configuration, local_variables, run
from support import step, use_environment

use_environment("tlog")

from cryptography.exceptions import InvalidSignature  # noqa: E402  (only the environment above has these)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: E402
from tlog_scales.backend import LocalBackend  # noqa: E402
from tlog_scales.reader import TilesReader  # noqa: E402
from tlog_scales.tiles import leaf_hash  # noqa: E402

SPAN = 300  # More entries than a tile has.


class Wrong(Exception):
    """A flaw of the log."""


def signed(note: str, vkey: str) -> list:
    """Checks a note's signature by `vkey` (name+hash+key), and returns the lines of its text."""
    text, signatures = note.rsplit("\n\n", 1)
    text += "\n"
    name, key_hash, key = vkey.split("+", 2)
    typed = base64.b64decode(key)
    if typed[0] != 1 or hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4].hex() != key_hash:
        raise Wrong("the key is not an Ed25519 key of that name")
    for line in signatures.splitlines():
        dash, signer, blob = line.split(" ")
        blob = base64.b64decode(blob)
        if (dash, signer, blob[:4].hex()) == ("—", name, key_hash):
            Ed25519PublicKey.from_public_bytes(typed[1:]).verify(blob[4:], text.encode())
            return text.splitlines()
    raise Wrong("the key has not signed it")


def checkpoints(log: pathlib.Path, vkey: str) -> list:
    """Returns (size, root) of every numbered checkpoint, oldest first. Begins with `vkey` and follows its successors."""
    found = []
    for file in sorted((log / "checkpoints").iterdir()):
        origin, size, root, _, *more = signed(file.read_text(encoding="utf-8"), vkey)
        if origin != vkey.split("+")[0]:
            raise Wrong(f"{file.name} has another origin")
        found.append((int(size), base64.b64decode(root)))
        for line in more:
            vkey = line.removeprefix("next key ").split(" ")[0]
            signed(file.read_text(encoding="utf-8"), vkey)
    return found


def verify(journal: pathlib.Path, vkey: str) -> int:
    """Verifies the whole log and each record in it. Returns the number of entries."""
    log = journal / "log"
    known = checkpoints(log, vkey)
    for size, root in known:
        reader = TilesReader(LocalBackend(log))
        reader.set_size(size)
        if reader.calculate_root_hash() != root:
            raise Wrong(f"the tiles of {size} entries do not have the root that was signed")
    newest, root = known[-1]
    for (old, old_root), (new, new_root) in itertools.combinations(known[::15] + known[-1:], 2):
        if old < new:
            reader.get_consistency_proof(old, new).check(old_root, new_root)
    for index in range(newest):
        entry = reader.get_entry(index)
        reader.get_inclusion_proof(index, newest).check(leaf_hash(entry), root)
        stream, seq, digest = entry.decode().split(" ")
        record = (journal / "requests" / stream / f"{int(seq):06}.json").read_bytes()
        if hashlib.sha256(record).hexdigest() != digest:
            raise Wrong(f"record {seq} of {stream} is not the one in the log")
    return newest


def refused(journal: pathlib.Path, vkey: str) -> bool:
    """Returns whether the verification fails."""
    try:
        verify(journal, vkey)
    except (Wrong, InvalidSignature, ValueError, RuntimeError):
        return True
    except Exception as error:  # tlog-scales has its own exception for each kind of proof.
        return type(error).__name__.endswith("ProofInvalid")
    return False


def test(stage: Stage) -> None:
    """Fills a journal, seals it four times, replaces the key, and verifies the log. Then checks that alterations are found."""
    journal = stage.directory / "journal"
    configuration = local_configuration(stage.directory)
    variables = local_variables(Sandbox(stage).url, f"file:{journal}")

    def sharehook(*arguments) -> str:
        done = subprocess.run([binary(), "--config", configuration, *arguments], env=environment(variables),
                              capture_output=True, text=True, timeout=120, check=False)
        check(done.returncode in (0, 2), f"{arguments} to succeed", done.stdout + done.stderr)
        return done.stdout

    good = event("invoke-native.json")
    file = stage.directory / "event.json"
    sharehook("audit", "seal")
    key = sharehook("audit", "key").strip()
    for number in range(SPAN):
        denied = {**good, "id": f"CHG{number}", "accounts": ["100000000001"]}
        file.write_text(json.dumps(denied), encoding="utf-8")
        sharehook("invoke", str(file))
        if number == 2:
            file.write_text(json.dumps(good), encoding="utf-8")
            sharehook("invoke", str(file))
    entries = verify(journal, key)
    check(entries > SPAN, f"more than {SPAN} entries", entries)
    step(f"other people's code reads and verifies {entries} entries and each checkpoint against each")
    check(refused(journal, key.replace("+", "+0", 1)), "another key to be refused")
    spoiled = stage.directory / "spoiled"
    for name in ("tile/entries/000", "tile/0/000", "checkpoints/000003"):
        shutil.rmtree(spoiled, ignore_errors=True)
        shutil.copytree(journal, spoiled)
        place = spoiled / "log" / name
        spoilt = bytearray(place.read_bytes())
        spoilt[len(spoilt) // 2] ^= 1
        place.write_bytes(bytes(spoilt))
        check(refused(spoiled, key), f"an altered {name} to be found")
    step("an altered entry, tile or checkpoint is found")
    sharehook("audit", "rotate-key", "--to", f"file:{stage.directory / 'next.key'}")
    equal(verify(journal, key), entries, "the entries after the key was exchanged, by the first key")
    step("a checkpoint that introduces a key is followed")


if __name__ == "__main__":
    run(test)
