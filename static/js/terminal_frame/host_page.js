// Talks to the page that shows this frame; alone in a tab it talks to nobody. Only pages of this server take part.

const SOURCE = "bg-runner-terminal";

/** `post(type, fields)` tells the page. `handlers` by type are called with a message of the page. */
export function hostPage(id, handlers) {
  const embedded = window.parent !== window;
  addEventListener("message", ({ origin, source, data }) => {
    if (!embedded || source !== window.parent || origin !== location.origin || data?.source !== SOURCE) return;
    if (Object.hasOwn(handlers, data.type)) handlers[data.type](data);
  });
  return {
    embedded,
    post(type, fields = {}) {
      if (embedded) window.parent.postMessage({ ...fields, source: SOURCE, id, type }, location.origin);
    },
  };
}
