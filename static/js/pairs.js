// Hears two pieces blind and says which: buttons, keys, seconds heard. Before: composer/pairs.html. After: the form is sent.

import { player } from "./player.js";

const HEARD_ENOUGH_SECONDS = 2; // of both, before an answer other than “skip” means something
const heard = new WeakMap(); // audio element → seconds
let last = null; // what the space bar plays and pauses

const pairOf = () => document.querySelector("[data-pair]");
const audioOf = (place) => pairOf()?.querySelector(`[data-side="${place}"] audio`);
const secondsOf = (place) => heard.get(audioOf(place)) ?? 0;

/** Puts own buttons in the place of the browser's controls. */
export function preparePair(root) {
  const pair = root.matches?.("[data-pair]") ? root : root.querySelector("[data-pair]");
  if (!pair) return;
  last = pair.querySelector("audio");
  for (const audio of pair.querySelectorAll("audio")) {
    const side = audio.closest("[data-side]");
    audio.controls = false;
    for (const part of side.querySelectorAll("[data-pair-play], [data-pair-progress], [data-pair-key]")) part.hidden = false;
    let before = null;
    audio.addEventListener("timeupdate", () => {
      const passed = before === null ? 0 : audio.currentTime - before;
      if (passed > 0 && passed < 2) heard.set(audio, (heard.get(audio) ?? 0) + passed);
      before = audio.currentTime;
      side.querySelector("[data-pair-progress]").value = audio.duration ? audio.currentTime / audio.duration : 0;
      showAnswers();
    });
    for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, () => showState(audio, side));
  }
  showAnswers();
}

function showState(audio, side) {
  const isPlaying = !audio.paused && !audio.ended;
  side.classList.toggle("is-playing", isPlaying);
  side.querySelector("[data-pair-play]").setAttribute("aria-label", `${isPlaying ? "Pause" : "Play"} ${side.dataset.side.toUpperCase()}`);
}

/** One answers what one has heard. */
function showAnswers() {
  const pair = pairOf();
  const hint = pair?.querySelector("[data-pair-hint]");
  if (!hint) return;
  const isHeard = ["a", "b"].every((place) => secondsOf(place) >= HEARD_ENOUGH_SECONDS);
  hint.hidden = isHeard;
  for (const button of pair.querySelectorAll("[data-answer]:not([value=skip])")) button.disabled = !isHeard;
}

function toggle(audio) {
  if (!audio) return;
  last = audio;
  if (!audio.paused) {
    audio.pause();
    return;
  }
  for (const other of pairOf().querySelectorAll("audio")) if (other !== audio) other.pause();
  if (player.isPlaying) player.toggle();
  audio.play().catch(() => {});
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-pair-play]");
  if (button) toggle(button.closest("[data-side]").querySelector("audio"));
});

// Whoever starts the player wants to hear that.
player.addEventListener("state", () => {
  if (player.isPlaying) for (const audio of document.querySelectorAll("[data-pair] audio")) audio.pause();
});

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-pair]");
  if (!form) return;
  for (const place of ["a", "b"]) form.elements[`heard_${place}`].value = secondsOf(place).toFixed(1);
}, { capture: true });

// Before the keys of the player, which mean other things elsewhere.
document.addEventListener("keydown", (event) => {
  const pair = pairOf();
  if (!pair || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.closest('input:not([type="hidden"]), select, textarea, [contenteditable]')) return;
  if (event.key === " " && event.target.closest("button, a, summary")) return;
  const target = event.key === "n" ? document.querySelector("[data-pair-next]") : pair.querySelector(`[data-answer="${CSS.escape(event.key)}"]`);
  if (event.key === "1" || event.key === "2") toggle(audioOf(event.key === "1" ? "a" : "b"));
  else if (event.key === " ") toggle(last);
  else if (target) target.click();
  else return;
  event.preventDefault();
  event.stopPropagation();
}, { capture: true });
