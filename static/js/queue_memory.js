// Brings the queue back after a reload: what plays, where it was, what follows. Before: player.js. After: the next load.

import { player } from "./player.js";
import { radioAt } from "./radio.js";
import { read, write } from "./storage.js";

const SAVE_EVERY_SECONDS = 3;
const MOST_TRACKS_KEPT = 200;
const KEPT_MS = 7 * 24 * 3600 * 1000;

let savedSeconds = 0;

function save() {
  if (!player.track) return;
  savedSeconds = player.seconds;
  const first = Math.max(0, player.index - MOST_TRACKS_KEPT / 2);
  write("queue", {
    saved: Date.now(),
    tracks: player.queue.slice(first, first + MOST_TRACKS_KEPT),
    index: player.index - first,
    seconds: Math.round(player.seconds * 10) / 10,
    radio: player.refill?.address ?? null,
  });
}

/** Shows the queue of the last visit, silent and where it was; nothing sounds before somebody presses play. */
export function restoreQueue() {
  const kept = read("queue", null);
  if (!document.body.dataset.account || !kept?.tracks?.[kept.index] || Date.now() - kept.saved > KEPT_MS) return;
  player.restore(kept.tracks, kept.index, kept.seconds, kept.radio ? radioAt(kept.radio) : null);
}

for (const name of ["track", "queue", "state"]) player.addEventListener(name, save);
player.addEventListener("time", () => Math.abs(player.seconds - savedSeconds) >= SAVE_EVERY_SECONDS && save());
addEventListener("pagehide", save);
