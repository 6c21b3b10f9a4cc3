// What this browser keeps for one account. Before: feedback.js and listening.js write. After: they read at the next load.

const account = () => document.body.dataset.account || "nobody";
const nameOf = (key) => `encore.${account()}.${key}`;

/** The kept value, or the fallback where there is none or storage is switched off. */
export function read(key, fallback) {
  try {
    const text = localStorage.getItem(nameOf(key));
    return text === null ? fallback : JSON.parse(text);
  } catch {
    return fallback;
  }
}

/** Keeps a value; null forgets it. */
export function write(key, value) {
  try {
    if (value === null) localStorage.removeItem(nameOf(key));
    else localStorage.setItem(nameOf(key), JSON.stringify(value));
  } catch {
    // Storage is full or switched off: the page goes on without it.
  }
}

/** Kept keys that begin with the prefix. */
export function keys(prefix) {
  try {
    const begin = nameOf(prefix);
    return Object.keys(localStorage)
      .filter((name) => name.startsWith(begin))
      .map((name) => name.slice(nameOf("").length));
  } catch {
    return [];
  }
}

/** A UUID of version 4; randomUUID exists only on https and localhost. */
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
