// A verifier by jose, in another language with arithmetic of its own: JWK Sets by HTTP from Keyturn, each kept for exactly
// jwks_max_age and never asked for in between, not even for a key it does not know. GET /check/TOKEN
const { createServer } = require('node:http');
const jose = require(`${process.env.MODULES}/jose`);

const { PORT, SKEW, MAX_AGE, JWKS } = process.env;
const kept = { cacheMaxAge: MAX_AGE * 1000, cooldownDuration: 1e9 };
const sets = Object.fromEntries(
  ['RS256', 'PS256', 'ES256', 'EdDSA'].map((algorithm) => [
    algorithm,
    jose.createRemoteJWKSet(new URL(`${JWKS}/${algorithm.toLowerCase()}`), kept),
  ]),
);

async function check(token) {
  const { alg } = jose.decodeProtectedHeader(token);
  const options = { algorithms: [alg], clockTolerance: Number(SKEW), issuer: 'tests', requiredClaims: ['exp'] };
  await jose.jwtVerify(token, sets[alg], options);
}

const server = createServer(async (request, response) => {
  let status = 200;
  let content = { ok: true };
  try {
    await check(request.url.split('/').pop());
  } catch (error) {
    status = 401;
    content = { why: `${error.code}: ${error.message}` };
  }
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  response.end(JSON.stringify(content));
});
server.listen(Number(PORT), '127.0.0.1');
process.on('SIGTERM', () => server.close());
