// Light or dark: what the system says, until the listener says otherwise. Kept in a cookie, so the server renders it.

const YEAR_SECONDS = 31536000;
const root = document.documentElement;
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

export const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : systemIsDark.matches);

/** `light`, `dark`, or `` for what the system says. */
export function setTheme(theme) {
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
  document.cookie = `theme=${theme}; path=/; max-age=${theme ? YEAR_SECONDS : 0}; samesite=lax`;
  document.dispatchEvent(new Event("encore:theme"));
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-theme-toggle]")) setTheme(isDark() ? "light" : "dark");
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-theme-choice]")) setTheme(event.target.value);
});
systemIsDark.addEventListener("change", () => document.dispatchEvent(new Event("encore:theme")));

/** Shows the choice in the settings page. */
export function showTheme(page) {
  const choice = page.querySelector(`[data-theme-choice][value="${root.dataset.theme ?? ""}"]`);
  if (choice) choice.checked = true;
}
