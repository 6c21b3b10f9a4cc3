// Keys for listening without a mouse. Before: any key outside a text field. After: player.js, feedback.js.

import { opinionOf, rate, say } from "./feedback.js";
import { player } from "./player.js";
import { SEEK_SECONDS, closeQueue, toggleQueue } from "./player_bar.js";

const toggleOpinion = (kind) => player.track && say(player.track, kind, !opinionOf(player.track.id)[kind]);

const KEYS = {
  " ": () => player.toggle(),
  n: () => player.next(),
  p: () => player.previous(),
  l: () => toggleOpinion("like"),
  d: () => toggleOpinion("dislike"),
  q: toggleQueue,
  ArrowLeft: () => player.seek(player.seconds - SEEK_SECONDS),
  ArrowRight: () => player.seek(player.seconds + SEEK_SECONDS),
  "/": () => [...document.querySelectorAll('input[type="search"]')].find((input) => input.offsetParent)?.focus(),
  "?": () => document.getElementById("keys")?.showModal(),
};
for (const stars of [0, 1, 2, 3, 4, 5]) KEYS[stars] = () => player.track && rate(player.track, stars);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.closest('input:not([type="radio"], [type="checkbox"]), select, textarea, [contenteditable]')) return;
  // A focused button, link, star or box keeps the keys that the browser gives it.
  if (event.key === " " && event.target.closest("button, a, summary, input, label")) return;
  if (event.key.startsWith("Arrow") && event.target.closest("input, .score, .queue")) return;
  const run = KEYS[event.key];
  if (!run || !document.body.dataset.account) return;
  event.preventDefault();
  run();
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open-dialog]");
  if (opener) document.getElementById(opener.dataset.openDialog).showModal();
  if (event.target.closest("[data-close-dialog]")) event.target.closest("dialog").close();
  if (event.target.nodeName === "DIALOG") event.target.close();
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target) || event.target.closest(".menu-list a, .menu-list button")) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]") && closeQueue()) return;
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
