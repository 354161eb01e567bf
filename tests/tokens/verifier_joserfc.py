"""A verifier by joserfc: public keys in PEM from files, read once; no key has a name, so each is tried. GET /check/TOKEN"""

import os
import re
import sys
from pathlib import Path

from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from serving import serve

PORT, SKEW, FOLDER = int(os.environ["PORT"]), int(os.environ["SKEW"]), Path("/etc/api")
KINDS = {"rs256": RSAKey, "ps256": RSAKey, "es256": ECKey, "eddsa": OKPKey}
NAMES = {"rs256": "RS256", "ps256": "PS256", "es256": "ES256", "eddsa": "EdDSA"}
BLOCK = re.compile("-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----\n", re.DOTALL)

KEYS = {
    NAMES[file.stem]: [KINDS[file.stem].import_key(block) for block in BLOCK.findall(file.read_text())]
    for file in FOLDER.glob("*.pem")
}
CLAIMS = jwt.JWTClaimsRegistry(leeway=SKEW, iss={"essential": True, "value": "tests"}, exp={"essential": True})


def check(token):
    for algorithm, keys in KEYS.items():
        for key in keys:
            try:
                decoded = jwt.decode(token, key, algorithms=[algorithm])
            except (BadSignatureError, JoseError):
                continue
            CLAIMS.validate(decoded.claims)
            return
    raise BadSignatureError()


def answer(path):
    try:
        check(path.rsplit("/", 1)[-1])
    except JoseError as error:
        return 401, {"why": str(error)}
    return 200, {"ok": True}


sys.exit(serve(PORT, answer))
