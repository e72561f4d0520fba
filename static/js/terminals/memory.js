// What this browser remembers of how its person looks at terminals. Only a convenience: storage may be forbidden.
const PREFIX = "bg-runner-";

export function remembered(name, otherwise = null) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // it then lasts as long as the page
  }
}

export function forget(name) {
  try {
    localStorage.removeItem(PREFIX + name);
  } catch {
    // nothing was kept
  }
}

/** What `localStorage` holds under a name that other scripts wrote as plain text. */
export function plainRemembered(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}
