// Measures what was really heard: seconds that sounded, not seconds jumped over. Before: player.js. After: outbox.js.

import { post } from "./outbox.js";
import { keys, read, uuid, write } from "./storage.js";

const LARGEST_STEP_SECONDS = 2; // `timeupdate` comes four times a second; a larger step is a jump
const SAVE_EVERY_SECONDS = 2;
const ABANDONED_MS = 180000; // a hidden tab's timers run once a minute

const tab = uuid();
let releaseLock = null;
if (navigator.locks) {
  // The lock lives as long as the tab: the next load tells a crashed tab from a paused one.
  navigator.locks.request(`encore-tab-${tab}`, () => new Promise((release) => (releaseLock = release)));
}

/** One play of one track, from its start to its end. */
export class Play {
  constructor(track) {
    this.row = {
      client_id: uuid(),
      kind: "play",
      track: Number(track.id),
      ...(track.recommendation ? { recommendation: Number(track.recommendation), position: Number(track.position) } : {}),
    };
    this.heardSeconds = 0;
    this.savedSeconds = 0;
    this.last = null;
    this.isOver = false;
  }

  /** Called at each `timeupdate` while it sounds. */
  advance(seconds) {
    const step = this.last === null ? 0 : seconds - this.last;
    if (step > 0 && step <= LARGEST_STEP_SECONDS) this.heardSeconds += step;
    this.last = seconds;
    if (this.heardSeconds - this.savedSeconds >= SAVE_EVERY_SECONDS) this.save();
  }

  /** Called when the listener jumps: what lies between was not heard. */
  jump() {
    this.last = null;
  }

  /** Keeps the open play, so that a crash loses at most two seconds of it. */
  save() {
    if (this.isOver) return;
    this.savedSeconds = this.heardSeconds;
    write(`playing.${tab}`, { tab, saved: Date.now(), row: this.asRow() });
  }

  asRow() {
    return {
      ...this.row,
      value: Math.round(this.heardSeconds * 100) / 100,
      track_position_seconds: Math.round((this.last ?? 0) * 100) / 100,
      occurred_at: new Date().toISOString(),
    };
  }

  /** The play is over: finished, left, or the page goes away. */
  end() {
    if (this.isOver) return;
    this.isOver = true;
    write(`playing.${tab}`, null);
    if (this.heardSeconds > 0) post(this.asRow());
  }
}

/** Sends plays that a crashed tab left open. */
export async function sendAbandonedPlays() {
  const held = navigator.locks ? (await navigator.locks.query()).held.map((lock) => lock.name) : null;
  for (const key of keys("playing.")) {
    const left = read(key, null);
    if (!left || left.tab === tab) continue;
    const isAlive = held ? held.includes(`encore-tab-${left.tab}`) : Date.now() - left.saved < ABANDONED_MS;
    if (isAlive) continue;
    write(key, null);
    if (left.row.value > 0) post(left.row);
  }
}
