// Shows and steers the player: the bar, the queue, play buttons in pages, media keys. Before: player.js.

import { opinionOf, showOpinion, trackOf } from "./feedback.js";
import { addressOf, player } from "./player.js";
import { startRadio } from "./radio.js";
import { read, write } from "./storage.js";
import { toast } from "./toast.js";

export const SEEK_SECONDS = 5;
const bar = document.querySelector("[data-player-bar]");
const queuePanel = document.getElementById("queue");
const part = (name) => document.querySelector(`[data-player="${name}"]`);

export const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

/** Marks what plays in the page, after each change and each navigation. */
export function showPlaying() {
  const id = player.track?.id;
  for (const element of document.querySelectorAll("main [data-track]")) {
    const isNow = element.dataset.track === id;
    element.classList.toggle("is-current", isNow);
    element.classList.toggle("is-playing", isNow && player.isPlaying);
    const label = element.querySelector("[data-play-label]");
    if (label) label.textContent = isNow && player.isPlaying ? "Pause" : "Play";
  }
}

function showTrack() {
  const { track } = player;
  if (!track || !bar) return;
  bar.hidden = false;
  document.body.classList.add("has-player");
  bar.dataset.track = track.id;
  bar.dataset.title = track.title;
  bar.dataset.recommendation = track.recommendation ?? "";
  bar.dataset.position = track.position ?? "";
  Object.assign(bar.dataset, { liked: false, disliked: false, rating: 0, ...track.opinion }); // not those of the track before
  part("cover").replaceChildren(...pictureOf(track));
  part("title").textContent = track.title;
  part("title").href = `/tracks/${track.id}/`;
  part("subtitle").textContent = track.subtitle;
  showOpinion(bar, opinionOf(track.id));
  showTime();
  showQueue();
  showPlaying();
  describeToSystem(track);
}

/** The cover was drawn by this server's templates; parsing it anew gives nodes of its own. */
function pictureOf(track) {
  return [...new DOMParser().parseFromString(track.cover, "text/html").body.children];
}

function showState() {
  bar?.classList.toggle("is-playing", player.isPlaying);
  part("toggle")?.setAttribute("aria-label", player.isPlaying ? "Pause" : "Play");
  if ("mediaSession" in navigator) navigator.mediaSession.playbackState = player.isPlaying ? "playing" : "paused";
  showPlaying();
}

function showTime() {
  const seek = part("seek");
  if (!seek) return;
  seek.max = player.length || 1;
  if (!seek.matches(":active")) seek.value = player.seconds;
  seek.setAttribute("aria-valuetext", `${clock(player.seconds)} of ${clock(player.length)}`);
  part("now").textContent = clock(player.seconds);
  part("length").textContent = clock(player.length);
  if (player.length > 0) navigator.mediaSession?.setPositionState?.({ duration: player.length, position: Math.min(player.seconds, player.length) });
}

function showQueue() {
  const list = part("list");
  if (!list) return;
  list.replaceChildren(
    ...player.queue.map((track, place) => {
      const entry = document.createElement("li");
      if (place === player.index) entry.setAttribute("aria-current", "true");
      const jump = document.createElement("button");
      jump.type = "button";
      jump.className = "queue-jump";
      const title = document.createElement("span");
      title.textContent = track.title;
      jump.append(...pictureOf(track), title);
      jump.addEventListener("click", () => player.jumpTo(place));
      entry.append(jump);
      if (place !== player.index) entry.append(removeButton(track, place));
      return entry;
    }),
  );
}

function removeButton(track, place) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "icon-button";
  button.setAttribute("aria-label", `Take ${track.title} out of the queue`);
  button.append(document.querySelector('template[data-icon="close"]').content.cloneNode(true));
  button.addEventListener("click", () => player.remove(place));
  return button;
}

function describeToSystem(track) {
  if (!("mediaSession" in navigator)) return;
  const artwork = [{ src: document.querySelector('link[rel="icon"]').href, type: "image/svg+xml", sizes: "any" }];
  navigator.mediaSession.metadata = new MediaMetadata({ title: track.title, artist: track.subtitle, album: "Encore", artwork });
  const actions = {
    play: () => player.toggle(),
    pause: () => player.toggle(),
    nexttrack: () => player.next(),
    previoustrack: () => player.previous(),
    seekto: (details) => player.seek(details.seekTime),
    seekbackward: (details) => player.seek(player.seconds - (details.seekOffset ?? SEEK_SECONDS)),
    seekforward: (details) => player.seek(player.seconds + (details.seekOffset ?? SEEK_SECONDS)),
  };
  for (const [name, run] of Object.entries(actions)) navigator.mediaSession.setActionHandler(name, run);
}

export function toggleQueue() {
  queuePanel.hidden = !queuePanel.hidden;
  part("queue").setAttribute("aria-expanded", String(!queuePanel.hidden));
  if (!queuePanel.hidden) part("list").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
}

/** Closes the queue and goes back to its button; tells whether it was open. */
export function closeQueue() {
  if (!queuePanel || queuePanel.hidden) return false;
  const hadFocus = queuePanel.contains(document.activeElement);
  toggleQueue();
  if (hadFocus) part("queue").focus();
  return true;
}

function tracksIn(list) {
  const tracks = [...list.querySelectorAll("[data-track]")].map(trackOf);
  const own = list.closest("[data-track]");
  return tracks.length || !own ? tracks : [trackOf(own)];
}

function playFrom(button) {
  const track = trackOf(button);
  if (player.track?.id === track.id) return player.toggle();
  const list = button.closest("[data-tracks]");
  const tracks = list ? tracksIn(list) : [track];
  const entry = button.closest("[data-track]");
  const place = list ? [...list.querySelectorAll("[data-track]")].indexOf(entry) : 0;
  return player.start(tracks, Math.max(place, 0));
}

const sample = new Audio();
function playSample(button) {
  const isOn = button.getAttribute("aria-pressed") === "true";
  for (const other of document.querySelectorAll("[data-sample]")) {
    other.setAttribute("aria-pressed", "false");
    other.classList.remove("is-playing");
  }
  sample.pause();
  if (isOn) return;
  if (player.isPlaying) player.toggle();
  sample.src = addressOf(button.dataset.sample);
  sample.play().catch(() => {});
  button.setAttribute("aria-pressed", "true");
  button.classList.add("is-playing");
}
sample.addEventListener("ended", () => document.querySelector('[data-sample][aria-pressed="true"]')?.click());

const CLICKS = [
  ["[data-play]", playFrom],
  ["[data-play-all]", (button) => player.start(tracksIn(document.querySelector(button.dataset.playAll)))],
  ["[data-radio]", (button) => startRadio(button.dataset.radio)],
  ["[data-enqueue]", (button) => { player.playNext(trackOf(button)); toast("It plays next."); }],
  ["[data-sample]", playSample],
  ['[data-player="toggle"]', () => player.toggle()],
  ['[data-player="next"]', () => player.next()],
  ['[data-player="previous"]', () => player.previous()],
  ['[data-player="queue"]', toggleQueue],
  ['[data-player="clear"]', () => player.clear()],
];
document.addEventListener("click", (event) => {
  for (const [selector, run] of CLICKS) {
    const button = event.target.closest(selector);
    if (button) return run(button);
  }
});

part("seek")?.addEventListener("input", (event) => player.seek(Number(event.target.value)));
part("volume")?.addEventListener("input", (event) => {
  player.setVolume(Number(event.target.value));
  write("volume", Number(event.target.value));
});
const volume = read("volume", 1);
player.setVolume(volume);
if (part("volume")) part("volume").value = volume;

player.addEventListener("track", showTrack);
player.addEventListener("state", showState);
player.addEventListener("time", showTime);
player.addEventListener("queue", showQueue);
player.addEventListener("failed", () => toast("This track can't be played right now.", { label: "Next", run: () => player.next() }));
document.addEventListener("encore:opinion", (event) => {
  if (bar && event.detail.id === player.track?.id) showOpinion(bar, event.detail.opinion);
});
document.addEventListener("htmx:load", () => { if (!document.querySelector("[data-sample]")) sample.pause(); });
