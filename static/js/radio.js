// An endless queue: asks for the next track when the last one plays. Before: a button, queue_memory.js. After: player.js.

import { trackOf } from "./feedback.js";
import { csrf } from "./outbox.js";
import { player } from "./player.js";
import { toast } from "./toast.js";

/** Gives the next tracks of the radio; the entries come as the page would show them. Carries its address, to be kept. */
export function radioAt(address) {
  const ask = async () => {
    const response = await fetch(address, { method: "POST", headers: { "X-CSRFToken": csrf() } });
    if (!response.ok) throw new Error(`radio answered ${response.status}`);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    return [...page.querySelectorAll("[data-track]")].map(trackOf);
  };
  return Object.assign(ask, { address });
}

/** Starts the radio with its first track. */
export async function startRadio(address) {
  const ask = radioAt(address);
  try {
    const first = await ask();
    if (first.length) player.start(first, 0, ask);
    else toast("There is nothing new left to play right now.");
  } catch {
    toast("The radio can't be reached right now. Try again in a moment.");
  }
}
