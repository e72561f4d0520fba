// Notes what happens on a page, in its frames and in the tabs that it opens; `snapshot()` tells how it all stands.
(() => {
  const home = window.opener ? window.opener.top : window.top;
  home.__events ??= [];
  const where = window.opener ? 'popup' : window === window.top ? 'main' : `frame ${location.pathname}`;
  const name = (node) => (node && node.id ? `#${node.id}` : node && node.nodeName ? node.nodeName : 'window');
  const noted = ['mousedown', 'mouseup', 'click', 'dblclick', 'auxclick', 'contextmenu', 'mouseover', 'keydown', 'keypress',
    'keyup', 'input', 'change', 'focusin', 'focusout', 'submit', 'touchstart', 'touchend'];
  for (const type of noted) {
    window.addEventListener(type, (event) => {
      const target = event.composedPath()[0];
      const entry = [where, type, name(target)];
      if (event instanceof MouseEvent) {
        entry.push(Math.round(event.clientX), Math.round(event.clientY), event.button, event.buttons, event.detail);
      }
      if (event instanceof KeyboardEvent) entry.push(event.key, event.code, event.repeat);
      if (event instanceof MouseEvent || event instanceof KeyboardEvent) {
        entry.push([event.shiftKey && 'shift', event.ctrlKey && 'ctrl', event.altKey && 'alt'].filter(Boolean).join());
      }
      entry.push(event.isTrusted);
      home.__events.push(entry);
    }, true);
  }

  const everything = (root) => [...root.querySelectorAll('*')].flatMap((element) =>
    element.shadowRoot ? [element, ...everything(element.shadowRoot)] : [element]);

  const fields = (root) => Object.fromEntries(everything(root)
    .filter((element) => element.id)
    .map((element) => [element.id, {
      value: element.value, checked: element.checked,
      selected: element.selectedOptions && [...element.selectedOptions].map((option) => option.value),
      text: element.isContentEditable || element.dataset.result !== undefined ? element.innerText : undefined,
      scroll: [element.scrollLeft, element.scrollTop],
    }]));

  window.snapshot = () => ({
    address: location.pathname + location.search + location.hash,
    title: document.title,
    fields: fields(document),
    frames: [...document.querySelectorAll('iframe')].map((frame) => fields(frame.contentDocument)),
    focus: name(document.activeElement),
    scroll: [window.scrollX, window.scrollY],
    window: [window.innerWidth, window.innerHeight, window.devicePixelRatio],
    events: home.__events,
  });
})();
