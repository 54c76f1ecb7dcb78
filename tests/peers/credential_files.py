#!/usr/bin/env python3
"""Records how Python's configparser, which the SDK uses, reads credential files.

Writes tests/vectors/credential-files.json: each text with the values of its section `default`, or with null if
configparser refuses the text. With --check, compares the file instead, and exits with code 1 if it differs.
"""

import configparser
import json
import pathlib
import sys

OUT = pathlib.Path(__file__).resolve().parents[1] / "vectors" / "credential-files.json"

PAIR = "secret_id = AKIDexample\nsecret_key = keyexample\n"
CASES = [
    "", "\n\n", "# nothing\n; at all\n", "[default]\n", f"[default]\n{PAIR}", f"[other]\n{PAIR}",
    # Delimiters: the first = or :, with or without blanks.
    "[default]\nsecret_id: AKIDexample\nsecret_key: keyexample\n",
    "[default]\nsecret_id:AKIDexample\nsecret_key=keyexample\n",
    "[default]\nsecret_key = a=b\nsecret_id = a:b\n", "[default]\nsecret_key : a=b\nsecret_id=a:b\n",
    "[default]\nsecret_id =\nsecret_key:\n", "[default]\n= nothing\n", "[default]\n: nothing\n",
    "[default]\nno delimiter\n", "[default]\nsecret_id\n",
    # Names: case is ignored, inner blanks are not.
    "[default]\nSECRET_ID = AKIDexample\nSecret_Key = keyexample\nTOKEN: t\n", "[default]\nsecret id = x\n",
    "[default]\nsecret_id = a\nSECRET_ID = b\n", "[default]\nsecret_id = a\nsecret_id = a\n",
    "[other]\nx = 1\nx = 2\n[default]\nsecret_id = a\n", "[other]\nsecret_id = b\n[default]\nsecret_id = a\n",
    # Sections: each once, except DEFAULT. Case matters. Text after the last ] is ignored.
    f"[DEFAULT]\n{PAIR}", f"[DEFAULT]\ntoken = t\n[default]\n{PAIR}", f"[DEFAULT]\nx=1\n[DEFAULT]\ny=2\n[default]\n{PAIR}",
    "[DEFAULT]\nx=1\n[DEFAULT]\nx=2\n", f"[Default]\n{PAIR}", f"[default]\n{PAIR}[default]\ntoken = t\n",
    f"[default]\n[other]\n[default]\n{PAIR}", f"[default] ; the one\n{PAIR}", f"[default]]\n{PAIR}", f"[default]x\n{PAIR}",
    f"[]\n{PAIR}", f"[default\n{PAIR}", PAIR, f"{PAIR}[default]\n", "[default]\n[unclosed\n", "[default]\n[odd = 1\nsecret_id = a\n",
    f" [default]\n{PAIR}", f"[default]\n{PAIR}  [other]\nx = 1\n",
    # Comments: only whole lines. After a value on the same line, the text belongs to the value.
    f"# first\n[default]\n; second\n{PAIR}", "[default]\nsecret_id = AKIDexample # mine\nsecret_key = keyexample ; mine\n",
    "[default]\nsecret_id = AKIDexample#mine\n", "[default]\n  # indented\nsecret_id = a\n", "[default]\nsecret_id = a\n  # indented\n  b\n",
    # Continuation: a line that is indented deeper than its option continues the value.
    "[default]\nsecret_id =\n  AKIDexample\nsecret_key =\n\tkeyexample\n", "[default]\nsecret_id = a\n b\n  c\nsecret_key = k\n",
    "[default]\nsecret_id = a\n secret_key = b\n", "[default]\n  secret_id = a\n  secret_key = b\n",
    "[default]\n  secret_id = a\n secret_key = b\n", "[default]\n secret_id = a\n   secret_key = b\n token = t\n",
    "[default]\nsecret_id = a\n\nsecret_key = b\n\n", "[default]\nsecret_id = a\n\n  b\nsecret_key = k\n",
    "[default]\nsecret_id =\n\n\n", "[default]\n  continues nothing\n", "  secret_id = a\n",
    "[default]\nsecret_id = a\n[default2]\n  x = 1\n",
    # Values: as written, without outer blanks. Nothing is interpolated, and quotes stay.
    "[default]\nsecret_key = %(secret_id)s%\nsecret_id = 100%\n", "[default]\nsecret_id = \"AKIDexample\"\nsecret_key = 'k'\n",
    "[default]\nsecret_id =   a  b  \n", "[default]\nsecret_id = ключ\n", "[default]\nsecret_id = a\\\n", "[default]\nsecret_id = [x]\n",
    # Line ends.
    "[default]\r\nsecret_id = a\r\nsecret_key = b\r\n", "[default]\rsecret_id = a\rsecret_key = b", "[default]\nsecret_id = a",
]


def default_of(text: str):
    parser = configparser.ConfigParser()
    try:
        # Like opening a file in text mode.
        parser.read_string(text.replace("\r\n", "\n").replace("\r", "\n"))
    except configparser.Error:
        return None
    # The SDK uses no interpolation and ignores [DEFAULT].
    return {name: (value or "").strip() for name, value in parser._sections.get("default", {}).items()}


def main() -> int:
    vectors = {"source": "tests/peers/credential_files.py: configparser.ConfigParser() of Python 3",
               "cases": [{"text": text, "default": default_of(text)} for text in CASES]}
    text = json.dumps(vectors, indent=1, ensure_ascii=False) + "\n"
    if "--check" not in sys.argv:
        OUT.write_text(text, encoding="utf-8")
        return 0
    if OUT.read_text(encoding="utf-8") != text:
        print(f"{OUT.name} differs from what this Python's configparser reads; run {sys.argv[0]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
