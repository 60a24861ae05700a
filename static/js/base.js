// What every page does: the theme, menus that close, buttons that copy, forms that ask, keys that are listed.

const YEAR = 365 * 24 * 60 * 60;

function setTheme(theme) {
  document.documentElement.dataset.bsTheme = theme;
  document.querySelector('meta[name="color-scheme"]').content = theme;
  // The server reads it, so that the first paint of the next page is right already.
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `theme=${theme}; Path=/; Max-Age=${YEAR}; SameSite=Lax${secure}`;
  document.dispatchEvent(new CustomEvent("theme", { detail: theme }));
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    if (menu !== except) menu.open = false;
  }
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const label = button.querySelector("[data-copy-label]") ?? button;
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent.trim());
    label.textContent = button.dataset.copied;
  } catch {
    // Plain http offers no clipboard: select it, so that the keyboard can copy.
    source.select?.();
    source.focus();
    return;
  }
  setTimeout(() => {
    label.textContent = before;
  }, 1600);
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-theme-toggle]")) {
    setTheme(document.documentElement.dataset.bsTheme === "dark" ? "light" : "dark");
  }
  closeMenus(event.target.closest("[data-menu]"));
  const copier = event.target.closest("[data-copy]");
  if (copier) copy(copier);
  if (event.target.closest("[data-select-all]")) event.target.select();
  const opener = event.target.closest("[data-dialog]");
  if (opener) document.getElementById(opener.dataset.dialog).showModal();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.activeElement.closest("[data-menu][open]");
  closeMenus();
  menu?.querySelector("summary").focus();
});

// A form is sent once: a second press while the first is under way does nothing.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method === "dialog" || form.matches("[hx-post], [hx-get], [data-many]")) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  form.querySelector("[type=submit]")?.setAttribute("aria-busy", "true");
});

// A page that comes back from the browser's history may be sent again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.querySelector("[type=submit]")?.removeAttribute("aria-busy");
  }
});
