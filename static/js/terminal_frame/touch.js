// Scrolling with a finger: xterm.js 6 knows wheels only, so a finger turns one. Programs that use the mouse, and
// full-screen ones, then get what a wheel would give them.

const SLOP = 8; // px before a touch is a scroll

export function scrollByTouch(element) {
  let last = null;
  let across = 0;
  let scrolling = false;
  element.addEventListener(
    "touchstart",
    ({ touches }) => {
      last = touches.length === 1 ? touches[0].clientY : null;
      across = touches[0].clientX;
      scrolling = false;
    },
    { passive: true },
  );
  element.addEventListener(
    "touchmove",
    (event) => {
      if (last === null || event.touches.length !== 1) return;
      const { clientX, clientY, target } = event.touches[0];
      const deltaY = last - clientY;
      // Sideways the frame itself scrolls, where the terminal is wider than it.
      if (!scrolling && Math.abs(deltaY) < Math.max(SLOP, Math.abs(clientX - across))) return;
      scrolling = true;
      last = clientY;
      event.preventDefault();
      target.dispatchEvent(new WheelEvent("wheel", { deltaY, clientX, clientY, bubbles: true, cancelable: true }));
    },
    { passive: false },
  );
}
