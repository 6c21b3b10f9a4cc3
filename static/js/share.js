// Hands a tune's address on: by the system's own sheet where there is one, else by the clipboard. Before: a track page.

import { toast } from "./toast.js";

async function share(address, title) {
  try {
    if (navigator.share) await navigator.share({ title, url: address });
    else {
      await navigator.clipboard.writeText(address);
      toast("The address is copied.");
    }
  } catch (error) {
    // Closing the sheet is no failure; without https there is no clipboard.
    if (error.name !== "AbortError") toast(`The address is ${address}`);
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-share-link]");
  if (button) share(button.dataset.shareLink, document.title);
});
