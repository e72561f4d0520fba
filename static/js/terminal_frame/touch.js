// Scrolling with a finger: xterm.js 6 knows wheels only, so a finger turns one. Programs that use the mouse, and
// full-screen ones, then get what a wheel would give them.

const SLOP = 8; // px before a touch is a scroll

export function scrollByTouch(element) {
  let last = null;
  let scrolling = false;
  element.addEventListener("touchstart", ({ touches }) => {
    last = touches.length === 1 ? touches[0].clientY : null;
    scrolling = false;
  }, { passive: true });
  element.addEventListener("touchmove", (event) => {
    if (last === null || event.touches.length !== 1) return;
    const { clientX, clientY, target } = event.touches[0];
    const deltaY = last - clientY;
    if (!scrolling && Math.abs(deltaY) < SLOP) return;
    scrolling = true;
    last = clientY;
    event.preventDefault();
    target.dispatchEvent(new WheelEvent("wheel", { deltaY, clientX, clientY, bubbles: true, cancelable: true }));
  }, { passive: false });
}
