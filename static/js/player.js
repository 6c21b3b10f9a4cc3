// Plays a queue of tracks without gaps and measures what is heard. Before: cards, rows, radio. After: player_bar.js, follow.js.

import { post } from "./outbox.js";
import { Play } from "./listening.js";

const PRELOAD_BEFORE_END_SECONDS = 20;
const SKIP_BEFORE_END_SECONDS = 3; // “next” in the last seconds is no skip
const RESTART_AFTER_SECONDS = 4; // “previous” later than this starts the track again

const suffix = new Audio().canPlayType('audio/ogg; codecs="opus"') ? "audio.opus" : "audio.mp3";
export const addressOf = (id) => `/api/v1/tracks/${id}/${suffix}`;

/** The queue, its two audio elements and the open play. Tells of changes by events. */
class Player extends EventTarget {
  queue = [];
  index = -1;
  play = null;
  refill = null; // asks for the next track of an endless queue

  constructor() {
    super();
    this.audio = this.#makeAudio();
    this.spare = this.#makeAudio();
  }

  get track() {
    return this.queue[this.index] ?? null;
  }

  get isPlaying() {
    return Boolean(this.track) && !this.audio.paused;
  }

  get seconds() {
    return this.audio.currentTime || 0;
  }

  get length() {
    return Number.isFinite(this.audio.duration) ? this.audio.duration : (this.track?.seconds ?? 0);
  }

  /** Plays these tracks from one of them on; replaces the queue. */
  start(tracks, index = 0, refill = null) {
    this.queue = [...tracks];
    this.refill = refill;
    this.#go(index);
  }

  /** Shows a queue of before without a sound, ready to go on where it was. */
  restore(tracks, index, seconds, refill = null) {
    this.queue = [...tracks];
    this.refill = refill;
    this.index = index;
    this.audio.preload = "none"; // most visits don't go on with it
    this.audio.src = this.audio.dataset.address = addressOf(this.track.id);
    this.audio.addEventListener("loadedmetadata", () => (this.audio.preload = "auto"), { once: true });
    this.audio.currentTime = seconds;
    this.#tell("track");
  }

  /** Puts a track after the one that plays. */
  playNext(track) {
    this.queue.splice(this.index + 1, 0, track);
    if (this.index < 0) this.#go(0);
    else this.#tell("queue");
  }

  /** Adds to the end of the queue. */
  append(tracks) {
    this.queue.push(...tracks);
    this.#tell("queue");
  }

  /** Takes one track out of the queue. */
  remove(place) {
    if (place === this.index) return;
    this.queue.splice(place, 1);
    if (place < this.index) this.index -= 1;
    this.#tell("queue");
  }

  /** Forgets everything after the track that plays. */
  clear() {
    this.queue.length = this.index + 1;
    this.refill = null;
    this.#tell("queue");
  }

  /** Keeps what was said about a track with its entries, so that it is still known when their page is gone. */
  keepOpinion(id, { like, dislike, rating }) {
    for (const track of this.queue) {
      if (track.id === id) track.opinion = { liked: like, disliked: dislike, rating };
    }
  }

  /** Forgets a track wherever it waits; the one that plays gives way to the next. */
  setAside(id) {
    const isNow = this.track?.id === id;
    const kept = (track, place) => track.id !== id || place === this.index;
    const before = this.queue.slice(0, this.index).filter((track) => track.id !== id).length;
    this.queue = this.queue.filter(kept);
    this.index = Math.min(before, this.queue.length - 1);
    this.#tell("queue");
    if (isNow) this.next({ isSkip: false });
  }

  toggle() {
    if (!this.track) return;
    if (this.audio.paused) this.#sound();
    else this.audio.pause();
  }

  /** On to the next track. Pressed by a person before the end, it is a skip. */
  async next({ isSkip = true } = {}) {
    if (!this.track) return;
    if (isSkip && this.play && this.length - this.seconds > SKIP_BEFORE_END_SECONDS) this.#postSkip();
    if (this.index + 1 >= this.queue.length) await this.#fill();
    if (this.index + 1 < this.queue.length) this.#go(this.index + 1);
    else this.#stop();
  }

  previous() {
    if (!this.track) return;
    if (this.seconds > RESTART_AFTER_SECONDS || this.index === 0) this.seek(0);
    else this.#go(this.index - 1);
  }

  jumpTo(place) {
    this.#go(place);
  }

  seek(seconds) {
    if (!this.track) return;
    this.play?.jump();
    this.audio.currentTime = Math.min(Math.max(seconds, 0), Math.max(this.length - 0.05, 0));
    this.#tell("time");
  }

  setVolume(share) {
    this.audio.volume = this.spare.volume = share;
  }

  /** Ends the open play: the page goes away. */
  leave() {
    this.play?.end();
    this.play = null;
  }

  #makeAudio() {
    const audio = new Audio();
    audio.preload = "auto";
    const isMain = () => audio === this.audio;
    audio.addEventListener("timeupdate", () => isMain() && this.#onTime());
    audio.addEventListener("seeking", () => isMain() && this.play?.jump());
    audio.addEventListener("ended", () => isMain() && this.#onEnded());
    for (const name of ["play", "pause"]) audio.addEventListener(name, () => isMain() && this.#tell("state"));
    audio.addEventListener("loadedmetadata", () => isMain() && this.#tell("time"));
    audio.addEventListener("error", () => isMain() && this.track && this.#tell("failed"));
    return audio;
  }

  #go(index) {
    this.leave();
    this.index = index;
    const address = addressOf(this.track.id);
    if (this.spare.dataset.address === address) {
      this.audio.pause();
      [this.audio, this.spare] = [this.spare, this.audio];
    } else {
      this.audio.src = this.audio.dataset.address = address;
    }
    this.audio.currentTime = 0;
    this.#release(this.spare);
    this.#tell("track");
    this.#sound();
  }

  #sound() {
    this.play ??= new Play(this.track);
    this.audio.play().catch((error) => {
      if (error.name !== "AbortError") this.#tell("state");
    });
  }

  #release(audio) {
    audio.pause();
    audio.removeAttribute("src");
    delete audio.dataset.address;
  }

  #onTime() {
    if (!this.audio.paused && !this.audio.seeking) {
      this.play ??= new Play(this.track);
      this.play.advance(this.seconds);
    }
    if (this.length - this.seconds < PRELOAD_BEFORE_END_SECONDS) this.#preload();
    this.#tell("time");
  }

  #preload() {
    if (this.index + 1 >= this.queue.length) this.#fill();
    const next = this.queue[this.index + 1];
    if (next && this.spare.dataset.address !== addressOf(next.id)) {
      this.spare.src = this.spare.dataset.address = addressOf(next.id);
      this.spare.load();
    }
  }

  #onEnded() {
    this.play?.advance(this.length);
    this.next({ isSkip: false });
  }

  #stop() {
    this.leave();
    this.audio.pause();
    this.audio.currentTime = 0;
    this.#tell("state");
  }

  #fill() {
    if (!this.refill) return Promise.resolve();
    this.filling ??= this.refill()
      .then((tracks) => this.append(tracks))
      .catch(() => this.#tell("failed"))
      .finally(() => (this.filling = null));
    return this.filling;
  }

  #postSkip() {
    const { id, recommendation, position } = this.track;
    const slate = recommendation ? { recommendation: Number(recommendation), position: Number(position) } : {};
    post({ kind: "skip", track: Number(id), track_position_seconds: Math.round(this.seconds * 100) / 100, ...slate });
  }

  #tell(name) {
    this.dispatchEvent(new Event(name));
  }
}

export const player = new Player();

addEventListener("pagehide", () => player.leave());
document.addEventListener("encore:opinion", (event) => player.keepOpinion(event.detail.id, event.detail.opinion));
document.addEventListener("encore:set-aside", (event) => player.setAside(event.detail.id));
