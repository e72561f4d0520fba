// The terminal's colours, light and dark, in the page's tones; they follow the page's switch and the system.

const LIGHT = {
  background: "#fdfefe",
  foreground: "#14201f",
  cursor: "#0b6675",
  cursorAccent: "#ffffff",
  selectionBackground: "#b5dbe1",
  selectionInactiveBackground: "#d9e6e8",
  scrollbarSliderBackground: "#7c8b8d66",
  scrollbarSliderHoverBackground: "#7c8b8daa",
  scrollbarSliderActiveBackground: "#7c8b8dcc",
  overviewRulerBorder: "#fdfefe",
  black: "#14201f",
  red: "#ad2419",
  green: "#1b6e3d",
  yellow: "#7d5200",
  blue: "#1d55a8",
  magenta: "#8a2f7f",
  cyan: "#0b6675",
  white: "#d8dfdf",
  brightBlack: "#5a696b",
  brightRed: "#c12c20",
  brightGreen: "#217a45",
  brightYellow: "#8c5d00",
  brightBlue: "#2563c4",
  brightMagenta: "#9c3a91",
  brightCyan: "#0d7485",
  brightWhite: "#ffffff",
};

const DARK = {
  background: "#0f1415",
  foreground: "#e4ebea",
  cursor: "#63c5d3",
  cursorAccent: "#0f1415",
  selectionBackground: "#245560",
  selectionInactiveBackground: "#22383d",
  scrollbarSliderBackground: "#a3b3b44d",
  scrollbarSliderHoverBackground: "#a3b3b480",
  scrollbarSliderActiveBackground: "#a3b3b4b3",
  overviewRulerBorder: "#0f1415",
  black: "#1e2729",
  red: "#ff8a7d",
  green: "#74d19b",
  yellow: "#ebbd66",
  blue: "#7fb2ff",
  magenta: "#e39ad8",
  cyan: "#63c5d3",
  white: "#c9d3d3",
  brightBlack: "#849597",
  brightRed: "#ffb0a6",
  brightGreen: "#9be4ba",
  brightYellow: "#f7d796",
  brightBlue: "#a9ccff",
  brightMagenta: "#f2bdea",
  brightCyan: "#95dfe8",
  brightWhite: "#ffffff",
};

const systemDark = matchMedia("(prefers-color-scheme: dark)");

export function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "dark" : systemDark.matches;
}

export const colours = () => (isDark() ? DARK : LIGHT);

/** Colours of search matches; the search addon takes #rrggbb only. */
export const matchColours = () =>
  isDark()
    ? {
        matchBackground: "#4a4018",
        matchOverviewRuler: "#ebbd66",
        activeMatchBackground: "#8a6d10",
        activeMatchBorder: "#f7d796",
        activeMatchColorOverviewRuler: "#ffffff",
      }
    : {
        matchBackground: "#fbe9b0",
        matchOverviewRuler: "#b98900",
        activeMatchBackground: "#f5c542",
        activeMatchBorder: "#7d5200",
        activeMatchColorOverviewRuler: "#14201f",
      };

/** Keep the colours of `term` the page's. static/js/theme.js sets `data-theme`, also when another page switches it. */
export function followTheme(term) {
  const apply = () => (term.options.theme = colours());
  systemDark.addEventListener("change", apply);
  new MutationObserver(apply).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  apply();
}
