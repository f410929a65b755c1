// Judges the cases of docs/grant-vectors.json as docs/events.md says, with what Node.js has of its own.
// Prints one JSON list of the verdicts. Usage: node door_vectors.mjs VECTORS
import { readFileSync } from "node:fs";
import { createPublicKey, verify } from "node:crypto";

const LEVELS = ["low", "normal", "high"];
const CHECKS = { off: [], passive: ["passive"], challenge: ["challenge"], both: ["passive", "challenge"] };
const ID = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const SHAPES = {
  v: (x) => x === 1 || x === 2,
  aud: (x) => isText(x) && ID.test(x),
  device: (x) => isText(x) && ID.test(x),
  boot: (x) => isText(x) && /^[A-Za-z0-9_-]{1,64}$/.test(x),
  seq: (x) => Number.isSafeInteger(x) && x >= 0,
  nonce: (x) => isText(x) && /^[A-Za-z0-9_-]{22,128}$/.test(x),
  person: (x) => isText(x) && ID.test(x),
  score: (x) => Number.isSafeInteger(x) && x >= -10000 && x <= 10000,
  level: (x) => LEVELS.includes(x),
  age_ms: (x) => Number.isSafeInteger(x) && x >= 0,
  frames: (x) => Number.isSafeInteger(x) && x >= 0,
  liveness: (x) => x === "off" || x === "live",
};
const SECOND = {
  factor: (x) => ["none", "pin", "code", "card", "pass", "reader"].includes(x),
  liveness_kind: (x) => isText(x) && Object.hasOwn(CHECKS, x),
  level_basis: (x) => x === "measured" || x === "estimated",
};

class Reject extends Error {}

function isText(value) {
  return typeof value === "string";
}

function require(condition, reason) {
  if (!condition) throw new Reject(reason);
}

// JSON.parse takes the last of two equal keys, and 7.0 for 7: this reads one flat object of texts and integers.
function flat(text) {
  const found = new Map();
  let rest = text;
  const take = (pattern) => {
    const match = pattern.exec(rest);
    require(match !== null, "malformed");
    rest = rest.slice(match[0].length);
    return match[1];
  };
  const STRING = String.raw`"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"`;
  const key = new RegExp(String.raw`^[ \t\r\n]*(${STRING})[ \t\r\n]*:`);
  const value = new RegExp(String.raw`^[ \t\r\n]*(${STRING}|-?(?:0|[1-9][0-9]{0,16})(?![0-9.eE]))`);
  take(/^[ \t\r\n]*(\{)/);
  do {
    const name = JSON.parse(take(key));
    require(!found.has(name), "malformed");
    found.set(name, JSON.parse(take(value)));
  } while (take(/^[ \t\r\n]*([,}])/) === ",");
  require(/^[ \t\r\n]*$/.test(rest), "malformed");
  return found;
}

function hasKeys(found, names) {
  return found.size === names.length && names.every((name) => found.has(name));
}

function publicKey(base64) {
  const x = Buffer.from(base64, "base64").toString("base64url");
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
}

function decoded(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Reject("malformed");
  }
}

function signed(bytes, keys) {
  const outer = flat(decoded(bytes));
  require(hasKeys(outer, ["payload", "kid", "alg", "sig"]) && [...outer.values()].every(isText), "malformed");
  require(Object.hasOwn(keys, outer.get("kid")), "unknown_key");
  require(outer.get("alg") === "ed25519", "algorithm");
  const payload = outer.get("payload");
  const signature = Buffer.from(outer.get("sig"), "base64");
  require(payload.isWellFormed() && signature.toString("base64") === outer.get("sig"), "malformed");
  require(verify(null, Buffer.from(payload), publicKey(keys[outer.get("kid")]), signature), "signature");
  return payload;
}

function judge(state, bytes, keys) {
  require(!state.retained, "retained");
  require(bytes.length <= 8000, "too_large");
  require(!state.without_keys, "no_keys");
  require((state.keys_expire_in_ms ?? Infinity) > 0, "keys_expired");
  const grant = flat(signed(bytes, keys));
  const shapes = grant.get("v") === 2 ? { ...SHAPES, ...SECOND } : SHAPES;
  require(hasKeys(grant, Object.keys(shapes)), "malformed");
  for (const [name, value] of grant) require(shapes[name](value), "malformed");
  const get = (name) => grant.get(name);
  const live = get("liveness") === "live";
  const kind = grant.get("liveness_kind") ?? (live ? "passive" : "off");
  require(live === (kind !== "off"), "malformed");
  require(get("aud") === state.door, "audience");
  require(Object.hasOwn(state.nonces, get("nonce")), "nonce");
  require(!state.used.includes(get("nonce")), "replayed");
  const boots = Object.hasOwn(state.seen, get("device")) ? state.seen[get("device")] : [];
  const at = boots.findIndex(([boot]) => boot === get("boot"));
  require(at < 0 || (at === boots.length - 1 && get("seq") > boots[at][1]), "replayed");
  const nonce = state.nonces[get("nonce")];
  require(nonce >= 0 && nonce + get("age_ms") <= 3000, "stale");
  const least = state.minimum;
  const factor = grant.get("factor") ?? "none";
  const replaced = factor !== "none" && least.challenge_or_factor?.includes(factor);
  const passed = replaced ? [...CHECKS[kind], "challenge"] : CHECKS[kind];
  require(
    LEVELS.indexOf(get("level")) >= LEVELS.indexOf(least.level) &&
      get("frames") >= least.frames &&
      (least.liveness !== "live" || get("liveness") === "live") &&
      get("age_ms") <= least.age_ms &&
      get("score") >= least.score &&
      (least.people.length === 0 || least.people.includes(get("person"))) &&
      (!least.factor?.length || least.factor.includes(factor)) &&
      CHECKS[least.liveness_kind ?? "off"].every((one) => passed.includes(one)) &&
      (least.level_basis === "estimated" || grant.get("level_basis") !== "estimated"),
    "policy",
  );
}

const vectors = JSON.parse(readFileSync(process.argv[2], "utf-8"));
const verdicts = vectors.cases.map((state) => {
  const bytes = Object.hasOwn(state, "envelope")
    ? Buffer.from(state.envelope)
    : Buffer.from(state.envelope_base64, "base64");
  try {
    judge(state, bytes, vectors.keys);
    return "accept";
  } catch (error) {
    if (!(error instanceof Reject)) throw error;
    return error.message;
  }
});
console.log(JSON.stringify(verdicts));
