// How this browser is called where the clients of a terminal are listed.

const BROWSERS = [
  [/Edg\//, "Edge"],
  [/OPR\//, "Opera"],
  [/Firefox\//, "Firefox"],
  [/Chrome\//, "Chrome"],
  [/Safari\//, "Safari"],
];
const SYSTEMS = [
  [/Android/, "Android"],
  [/iPhone|iPad/, "iOS"],
  [/Windows/, "Windows"],
  [/Mac OS X/, "macOS"],
  [/CrOS/, "ChromeOS"],
  [/Linux/, "Linux"],
];

const named = (list) => list.find(([pattern]) => pattern.test(navigator.userAgent))?.[1];

/** For example `Firefox · Linux`. */
export const clientName = () => [named(BROWSERS) ?? "Browser", named(SYSTEMS)].filter(Boolean).join(" · ");
