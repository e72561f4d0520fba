// Sets the stored theme before the first paint and wires the switch: system, light, dark. A classic script on purpose.
(() => {
  const KEY = "bg-runner-theme";
  const NEXT = { system: "light", light: "dark", dark: "system" };

  function stored() {
    try {
      const theme = localStorage.getItem(KEY);
      return theme in NEXT ? theme : "system";
    } catch {
      return "system"; // storage may be forbidden
    }
  }

  function apply(theme) {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme-button");
    if (!button) return;
    button.setAttribute("aria-label", button.dataset[theme]);
    button.title = button.dataset[theme];
  }

  function cycle() {
    const theme = NEXT[stored()];
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // the choice then lasts as long as the page
    }
    apply(theme);
  }

  apply(stored());
  document.addEventListener("DOMContentLoaded", () => {
    apply(stored());
    document.getElementById("theme-button")?.addEventListener("click", cycle);
  });
  window.addEventListener("storage", () => apply(stored()));
})();
