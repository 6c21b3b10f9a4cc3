// Likes, dislikes, bans and stars, in place. Before: any element with data-track. After: outbox.js.

import { post } from "./outbox.js";
import { toast } from "./toast.js";

const UNDO = { like: "unlike", dislike: "undislike", ban: "unban" };
const opinions = new Map(); // by track id: what was said here, or in another tab, since this page was loaded
const otherTabs = "BroadcastChannel" in window ? new BroadcastChannel("encore-opinions") : null;

/** What the listener thinks of a track, as far as this page knows. */
export function opinionOf(id) {
  const said = opinions.get(String(id));
  if (said) return said;
  const shown = document.querySelector(`[data-track="${id}"]`);
  return {
    like: shown?.dataset.liked === "true",
    dislike: shown?.dataset.disliked === "true",
    ban: shown?.querySelector('[data-opinion="ban"]')?.getAttribute("aria-pressed") === "true",
    rating: Number(shown?.dataset.rating ?? 0),
  };
}

/** Says or takes back one opinion about a track ({id, recommendation, position, title}). */
export function say(track, kind, isOn) {
  const opinion = { ...opinionOf(track.id), [kind]: isOn };
  if (kind === "like" && isOn) opinion.dislike = false;
  if (kind === "dislike" && isOn) opinion.like = false;
  remember(track, opinion);
  send(track, isOn ? kind : UNDO[kind]);
  if (isOn && kind !== "like") leave(track, kind);
}

/** Gives stars, or takes them back with 0. */
export function rate(track, stars) {
  remember(track, { ...opinionOf(track.id), rating: stars });
  if (stars) send(track, "rate", stars);
  else send(track, "unrate");
}

function send(track, kind, value) {
  const slate = track.recommendation ? { recommendation: Number(track.recommendation), position: Number(track.position) } : {};
  post({ kind, track: Number(track.id), ...(value ? { value } : {}), ...slate });
}

function remember(track, opinion) {
  const said = { id: String(track.id), opinion };
  take(said);
  otherTabs?.postMessage(said);
}

function take(said) {
  opinions.set(said.id, said.opinion);
  showOpinions(document);
  document.dispatchEvent(new CustomEvent("encore:opinion", { detail: said }));
}
otherTabs?.addEventListener("message", (event) => take(event.data));

function leave(track, kind) {
  const leaving = document.querySelectorAll(`[data-track="${track.id}"][data-leaves]`);
  for (const card of leaving) {
    const neighbour = card.nextElementSibling ?? card.previousElementSibling;
    if (card.contains(document.activeElement)) neighbour?.querySelector("button")?.focus({ preventScroll: true });
    card.classList.add("is-leaving");
    setTimeout(() => card.remove(), 260);
  }
  document.dispatchEvent(new CustomEvent("encore:set-aside", { detail: { id: String(track.id) } }));
  const words = kind === "ban" ? "will never be played again" : "is gone from your recommendations";
  toast(`“${track.title}” ${words}.`, { label: "Undo", run: () => say(track, kind, false) });
}

/** Shows what was said since the page was loaded: the server may not have known it when it rendered. */
export function showOpinions(root) {
  for (const element of root.querySelectorAll("[data-track]")) {
    const opinion = opinions.get(element.dataset.track);
    if (!opinion) continue;
    element.dataset.liked = opinion.like;
    element.dataset.disliked = opinion.dislike;
    element.dataset.rating = opinion.rating;
    showOpinion(element, opinion);
  }
}

/** Sets the buttons and stars inside one element. */
export function showOpinion(element, opinion) {
  for (const button of element.querySelectorAll("[data-opinion]")) {
    button.setAttribute("aria-pressed", String(Boolean(opinion[button.dataset.opinion])));
  }
  for (const star of element.querySelectorAll("[data-stars] input")) star.checked = Number(star.value) === opinion.rating;
}

/** The track an element belongs to; the player bar answers for the one that plays. */
export function trackOf(element) {
  const owner = element.closest("[data-track]");
  if (!owner) return null;
  const { track, title, subtitle, seconds, recommendation, position, liked, disliked, rating } = owner.dataset;
  const cover = owner.querySelector(".cover")?.outerHTML ?? "";
  const opinion = { liked: liked === "true", disliked: disliked === "true", rating: Number(rating ?? 0) };
  return { id: track, title, subtitle, seconds: Number(seconds), recommendation, position, cover, opinion };
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-opinion]");
  const track = button && trackOf(button);
  if (track) say(track, button.dataset.opinion, button.getAttribute("aria-pressed") !== "true");
});

// A click on the star that is set already takes the rating back; `change` does not tell of it.
document.addEventListener("pointerdown", (event) => {
  const input = event.target.closest("[data-stars] label")?.previousElementSibling;
  if (input?.checked) {
    const track = trackOf(input);
    addEventListener("click", () => track && rate(track, 0), { once: true });
  }
});

document.addEventListener("change", (event) => {
  const star = event.target.closest("[data-stars] input");
  const track = star && trackOf(star);
  if (track) rate(track, Number(star.value));
});
