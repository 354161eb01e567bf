"""A verifier by PyJWT: JWK Sets from files, read once. GET /check/TOKEN, and /jwks/rs256.json as it has it"""

import os
import sys
from pathlib import Path

import jwt

from serving import serve

PORT, SKEW, FOLDER = int(os.environ["PORT"]), int(os.environ["SKEW"]), Path("/etc/api")

FILES = {file.name: file.read_bytes() for file in FOLDER.glob("*.json")}
SETS = {name: jwt.PyJWKSet.from_json(text.decode()) for name, text in FILES.items()}


def check(token):
    header = jwt.get_unverified_header(token)
    # One set an algorithm, and no set takes another's.
    algorithm = header["alg"]
    keys = SETS[f"{algorithm.lower()}.json"]
    key = next((key for key in keys.keys if key.key_id == header["kid"]), None)
    if key is None:
        raise jwt.InvalidTokenError("unknown kid")
    jwt.decode(token, key, algorithms=[algorithm], leeway=SKEW, issuer="tests", options={"require": ["exp"]})


def answer(path):
    kind, name = path.strip("/").split("/", 1)
    if kind == "jwks":
        return (200, FILES[name]) if name in FILES else (404, {})
    try:
        check(name)
    except (jwt.InvalidTokenError, KeyError) as error:
        return 401, {"why": f"{type(error).__name__}: {error}"}
    return 200, {"ok": True}


sys.exit(serve(PORT, answer))
