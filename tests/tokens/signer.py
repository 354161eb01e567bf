"""A service that signs: PyJWT, with the key and the key ID that its task has. GET /token/ES256"""

import os
import sys
import time
from pathlib import Path

import jwt

from serving import serve

PORT, LIFE = int(os.environ["PORT"]), int(os.environ["TTL"])
SECRETS = Path("/run/secrets")


def pair(name):
    try:
        key, kid = (SECRETS / f"{name}.key").read_bytes(), (SECRETS / f"{name}.kid").read_text()
    except FileNotFoundError:
        return None
    return kid, key


# A task's secrets never change.
PAIRS = {algorithm: pair(algorithm.lower()) for algorithm in ("RS256", "PS256", "ES256", "EdDSA")}


def answer(path):
    algorithm = path.rsplit("/", 1)[-1]
    if not PAIRS.get(algorithm):
        return 503, {"why": "no key yet"}
    kid, key = PAIRS[algorithm]
    now = int(time.time())
    claims = {"iss": "tests", "sub": "someone", "iat": now, "exp": now + LIFE}
    return 200, {"token": jwt.encode(claims, key, algorithm, {"kid": kid}), "kid": kid, "exp": claims["exp"]}


sys.exit(serve(PORT, answer))
