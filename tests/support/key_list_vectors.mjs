// Judges the cases of docs/key-list-vectors.json as docs/events.md says, with what Node.js has of its own.
// Prints one JSON list of [verdict, keys]. Usage: node key_list_vectors.mjs VECTORS
import { readFileSync } from "node:fs";
import { createPublicKey, verify } from "node:crypto";

const ID = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const AHEAD = 300;
// The points of small order, whose keys fit forged signatures (RFC 8032) or give a shared secret of zeros (RFC 7748).
const P = 2n ** 255n - 19n;
const SMALL = [
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
];
const SMALL_X = [
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
];

class Reject extends Error {}

function require(condition, reason = "malformed") {
  if (!condition) throw new Reject(reason);
}

function little(bytes) {
  return (BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`) & (2n ** 255n - 1n)) % P;
}

function weak(points) {
  return [0n, 1n, P - 1n, ...points.map((point) => little(Buffer.from(point, "hex")))];
}

// JSON.parse takes the last of two equal keys, and 7.0 for 7: this reads objects as maps, and integers only.
function parse(text) {
  let at = 0;
  const skip = () => {
    while (" \t\r\n".includes(text[at] ?? "x")) at += 1;
  };
  const take = (pattern) => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    require(match !== null);
    at += match[0].length;
    return match[0];
  };
  const items = (end, one) => {
    at += 1;
    skip();
    if (text[at] === end) return void (at += 1);
    for (;;) {
      one();
      skip();
      if (take(/[,\]}]/y) !== ",") break;
      skip();
    }
    require(text[at - 1] === end);
  };
  const string = () => JSON.parse(take(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y));
  const value = (depth) => {
    require(depth < 900);
    skip();
    if (text[at] === "{") {
      const found = new Map();
      items("}", () => {
        const key = string();
        require(!found.has(key));
        skip();
        take(/:/y);
        found.set(key, value(depth + 1));
      });
      return found;
    }
    if (text[at] === "[") {
      const found = [];
      items("]", () => found.push(value(depth + 1)));
      return found;
    }
    if (text[at] === '"') return string();
    return JSON.parse(take(/null|true|false|-?(?:0|[1-9][0-9]{0,16})(?![0-9.eE])/y));
  };
  const whole = value(0);
  skip();
  require(at === text.length && whole instanceof Map);
  return whole;
}

function fields(value, names) {
  require(value instanceof Map && value.size === names.length && names.every((name) => value.has(name)));
  return names.map((name) => value.get(name));
}

function ids(value, most) {
  require(Array.isArray(value) && value.length <= most && new Set(value).size === value.length);
  require(value.every((one) => typeof one === "string" && ID.test(one)));
  return value;
}

function key(value, points) {
  const [kid, text] = fields(value, ["kid", "key"]);
  ids([kid], 1);
  require(typeof text === "string");
  const bytes = Buffer.from(text, "base64");
  require(bytes.length === 32 && bytes.toString("base64") === text && !weak(points).includes(little(bytes)));
  return [kid, text];
}

function decoded(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Reject("malformed");
  }
}

function opened(bytes, owners) {
  const [payload, kid, alg, sig] = fields(parse(decoded(bytes)), ["payload", "kid", "alg", "sig"]);
  require([payload, kid, alg, sig].every((one) => typeof one === "string"));
  require(Object.hasOwn(owners, kid), "unknown_owner");
  require(alg === "ed25519", "algorithm");
  const signature = Buffer.from(sig, "base64");
  require(payload.isWellFormed() && signature.toString("base64") === sig);
  const x = Buffer.from(owners[kid], "base64").toString("base64url");
  const owner = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  require(verify(null, Buffer.from(payload), owner, signature), "signature");
  return parse(payload);
}

function judge(state, bytes, owners) {
  require(bytes.length <= 12000, "too_large");
  const names = ["v", "number", "issued", "expires", "devices", "revoked"];
  const [v, number, issued, expires, devices, revoked] = fields(opened(bytes, owners), names);
  require(v === 1);
  require([number, issued, expires].every((one) => Number.isSafeInteger(one) && one > 0));
  require(expires <= 253402300799 && expires > issued && expires - issued <= 366 * 86400);
  require(Array.isArray(devices) && devices.length <= 32);
  ids(revoked, 64);
  const all = [];
  const here = {};
  for (const one of devices) {
    const [device, signing, sealing, doors] = fields(one, ["device", "signing", "sealing", "doors"]);
    ids([device], 1);
    require(Array.isArray(signing) && signing.length > 0 && signing.length <= 4);
    ids(doors, 16);
    if (sealing !== null) key(sealing, SMALL_X);
    for (const [kid, text] of signing.map((it) => key(it, SMALL))) {
      all.push(kid);
      if (doors.length === 0 || doors.includes(state.door)) here[kid] = text;
    }
  }
  require(new Set(devices.map((one) => one.get("device"))).size === devices.length);
  require(new Set(all).size === all.length && !all.some((kid) => revoked.includes(kid)));
  require(number >= state.seen, "older");
  const same = state.seen_envelope !== null && Buffer.from(state.seen_envelope).equals(bytes);
  require(number > state.seen || same, "conflict");
  require(issued <= state.now + AHEAD, "not_yet");
  require(state.now < expires, "expired");
  return here;
}

const vectors = JSON.parse(readFileSync(process.argv[2], "utf-8"));
const verdicts = vectors.cases.map((state) => {
  const bytes = Object.hasOwn(state, "envelope")
    ? Buffer.from(state.envelope)
    : Buffer.from(state.envelope_base64, "base64");
  try {
    return ["accept", judge(state, bytes, vectors.owners)];
  } catch (error) {
    if (!(error instanceof Reject)) throw error;
    return [error.message, null];
  }
});
console.log(JSON.stringify(verdicts));
