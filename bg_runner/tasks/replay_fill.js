// Called on an element with {kind, value}: changes it the way the Recorder's own runner does.
// Answers with the text that is still to be typed, or null.
(element, {kind, value, typeAtMost}) => {
  const changed = () => {
    element.dispatchEvent(new Event('input', {bubbles: true}));
    element.dispatchEvent(new Event('change', {bubbles: true}));
  };
  const editable = element.isContentEditable;
  const current = () => (editable ? element.innerText : element.value);
  const put = (text) => { if (editable) element.innerText = text; else element.value = text; };

  if (kind === 'select') {
    const options = [...element.options];
    if (element.multiple) {
      for (const option of options) option.selected = option.value === value;
    } else {
      for (const option of options) option.selected = false;
      const chosen = options.find((option) => option.value === value);
      if (chosen) chosen.selected = true;
    }
    changed();
    return null;
  }
  if (kind === 'toggle') {
    const aria = element.getAttribute('aria-checked');
    const mixed = element.indeterminate || aria === 'mixed';
    return mixed || (element.checked || aria === 'true') !== Boolean(value) ? 'click' : null;
  }
  if (kind === 'set' || value.length >= typeAtMost) {
    element.focus();
    if (current() !== value) { put(value); changed(); }
    return null;
  }
  const before = current();
  if (before === value) return null;
  if (!before || !value.startsWith(before)) {
    put('');
    if (!value) return null; // As in the reference: a field that is emptied gets neither focus nor event.
    element.focus();
    return value;
  }
  // Part of it stands there already: put the cursor behind it and type the rest.
  put('');
  put(before);
  element.focus();
  return value.slice(before.length);
}
