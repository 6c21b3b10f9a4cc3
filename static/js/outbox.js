// Feedback on its way: kept until the server has acknowledged it. Before: feedback.js, listening.js. After: /api/v1/feedback/.

import { keys, read, uuid, write } from "./storage.js";
import { toast } from "./toast.js";

const ADDRESS = "/api/v1/feedback/";
const LARGEST_BATCH = 200; // a request that outlives the page may carry 64 kB
const FIRST_RETRY_MS = 2000;
const LONGEST_RETRY_MS = 60000;

let sending = null;
let retryMs = FIRST_RETRY_MS;
let timer = 0;

// One key per row, so that two tabs never write over each other's rows.
const rowsKept = () =>
  keys("outbox.")
    .map((key) => read(key, null))
    .filter(Boolean);

/** Keeps a row and sends it. The client id makes a repetition harmless. */
export function post(row) {
  const whole = { client_id: uuid(), occurred_at: new Date().toISOString(), ...row };
  write(`outbox.${whole.client_id}`, whole);
  flush();
  return whole.client_id;
}

/** Whether something still waits for its acknowledgement. */
export const isWaiting = () => rowsKept().length > 0;

/** Sends what is kept, in batches; resolves when there is nothing more to send or the network failed. */
export function flush() {
  sending ??= sendAll().finally(() => {
    sending = null;
  });
  return sending;
}

async function sendAll() {
  clearTimeout(timer);
  while (document.body.dataset.account) {
    const batch = rowsKept().slice(0, LARGEST_BATCH);
    if (batch.length === 0) return;
    if (!(await send(batch))) {
      timer = setTimeout(flush, retryMs);
      retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
      return;
    }
    retryMs = FIRST_RETRY_MS;
  }
}

async function send(batch) {
  let response;
  try {
    response = await fetch(ADDRESS, {
      method: "POST",
      keepalive: true,
      credentials: "same-origin",
      headers: { "Content-Type": "application/json", "X-CSRFToken": csrf() },
      body: JSON.stringify({ feedback: batch }),
    });
  } catch {
    return false;
  }
  if (response.status === 400) return sendSingly(batch);
  if (!response.ok) return false;
  const { results } = await response.json();
  for (const result of results) write(`outbox.${result.client_id}`, null);
  const refused = results.find((result) => result.status === "refused");
  if (refused) toast(`This was not kept: ${refused.error?.message ?? "refused"}`);
  return true;
}

/** One row that the server can't read must not hold back the others. */
async function sendSingly(batch) {
  if (batch.length === 1) {
    write(`outbox.${batch[0].client_id}`, null);
    return true;
  }
  for (const row of batch) if (!(await send([row]))) return false;
  return true;
}

export const csrf = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";

addEventListener("online", flush);
// The page goes away: what is kept leaves now, beside a request that may be under way. A repetition is harmless.
addEventListener("pagehide", () => {
  const batch = rowsKept().slice(0, LARGEST_BATCH);
  if (batch.length && document.body.dataset.account) send(batch);
});
