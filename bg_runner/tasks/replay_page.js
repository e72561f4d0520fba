// Runs in the page: finds elements the way the Recorder's own runner does and waits until one can be acted on.
// Called with {op, alternatives, timeout, ...}; answers with plain values (and the element, for `ready`).
(request) => {
  const RETRY_MS = 100;
  const NATIVE_CONTROLS = new Set(['BUTTON', 'INPUT', 'SELECT', 'TEXTAREA', 'OPTION', 'OPTGROUP']);
  const SAME_ROLE = new Map([['img', 'image'], ['presentation', 'none']]);

  const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  // A tab in the background gets no animation frames: fall back to a timer.
  const frame = () => new Promise((resolve) => {
    const timer = setTimeout(resolve, 60);
    requestAnimationFrame(() => { clearTimeout(timer); resolve(); });
  });
  const mutation = (limit) => new Promise((resolve) => {
    const observer = new MutationObserver(done);
    const timer = setTimeout(done, limit);
    function done() { observer.disconnect(); clearTimeout(timer); resolve(); }
    observer.observe(document, {childList: true, subtree: true, attributes: true, characterData: true});
  });

  // --- Queries ------------------------------------------------------------------------------------------------

  function* elementsThroughShadow(root) {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      yield node;
      if (node.shadowRoot) yield* elementsThroughShadow(node.shadowRoot);
    }
  }

  function pierce(root, selector) {
    const start = root.shadowRoot ?? root;
    return [...elementsThroughShadow(start)].filter((element) => element.matches(selector));
  }

  function xpath(root, expression) {
    const found = document.evaluate(expression, root, null, XPathResult.ORDERED_NODE_SNAPSHOT_TYPE);
    const nodes = Array.from({length: found.snapshotLength}, (_, index) => found.snapshotItem(index));
    return nodes.filter((node) => node.nodeType === Node.ELEMENT_NODE);
  }

  const carriesText = (node) =>
    !['SCRIPT', 'STYLE'].includes(node.nodeName) && !(document.head && document.head.contains(node));
  const hasValue = (node) =>
    node instanceof HTMLSelectElement || node instanceof HTMLTextAreaElement ||
    (node instanceof HTMLInputElement && !['checkbox', 'image', 'radio'].includes(node.type));

  function textOf(node, cache) {
    if (cache.has(node)) return cache.get(node);
    let text = '';
    if (node.nodeType === Node.TEXT_NODE) {
      text = node.nodeValue;
    } else if (carriesText(node)) {
      if (hasValue(node)) {
        text = node.value;
      } else {
        for (const child of node.childNodes) {
          if (child.nodeType === Node.TEXT_NODE || child.nodeType === Node.ELEMENT_NODE) text += textOf(child, cache);
        }
        if (node.shadowRoot) text += textOf(node.shadowRoot, cache);
      }
    }
    cache.set(node, text);
    return text;
  }

  // The deepest elements whose text holds `wanted`; a shadow root stands for its host's children.
  function byText(root, wanted, cache = new Map()) {
    const found = [];
    for (const child of root.childNodes) {
      if (child.nodeType === Node.ELEMENT_NODE && carriesText(child)) {
        found.push(...byText(child.shadowRoot ?? child, wanted, cache));
      }
    }
    const itself = root.nodeType === Node.ELEMENT_NODE && carriesText(root);
    if (!found.length && itself && textOf(root, cache).includes(wanted)) found.push(root);
    return found;
  }

  function parseAria(selector) {
    const wanted = {};
    const rest = selector.replace(
      /\[\s*(\w+)\s*=\s*(["'])((?:\\.|(?!\2).)*)\2\s*\]/g,
      (_, attribute, quote, value) => {
        if (attribute !== 'name' && attribute !== 'role') throw new Error(`aria/ knows no [${attribute}=...]`);
        wanted[attribute] = value;
        return '';
      },
    );
    if (rest && wanted.name === undefined) wanted.name = rest;
    return wanted;
  }

  const roleOf = (role) => SAME_ROLE.get(role) ?? role;
  const hidden = (element) =>
    element.closest('[aria-hidden="true"]') !== null || !element.checkVisibility({visibilityProperty: true});

  function byAria(root, selector) {
    const {name, role} = parseAria(selector);
    const wantedName = name === undefined ? undefined : name.replace(/\s+/g, ' ').trim();
    const found = [];
    for (const element of elementsThroughShadow(root.shadowRoot ?? root)) {
      if (role !== undefined && roleOf(element.computedRole) !== roleOf(role)) continue;
      if (wantedName !== undefined && element.computedName.replace(/\s+/g, ' ').trim() !== wantedName) continue;
      if (!hidden(element) && element.computedRole !== 'none') found.push(element);
    }
    return found;
  }

  function queryPart(root, part) {
    const slash = part.indexOf('/');
    const rest = part.slice(slash + 1);
    switch (part.slice(0, slash)) {
      case 'aria': return byAria(root, rest);
      case 'text': return byText(root, rest);
      case 'xpath': return xpath(root, rest);
      case 'pierce': return pierce(root, rest);
      default: return [...root.querySelectorAll(part)];
    }
  }

  // A chain goes from each match into its shadow root, where it has one.
  function query(chain) {
    let roots = [document];
    for (const [depth, part] of chain.entries()) {
      if (depth > 0) roots = roots.map((root) => root.shadowRoot ?? root);
      roots = [...new Set(roots.flatMap((root) => queryPart(root, part)))];
    }
    return roots;
  }

  function tryQuery(chain, errors) {
    try {
      return query(chain);
    } catch (error) {
      errors.push(`${chain.join(' >> ')}: ${error.message}`);
      return [];
    }
  }

  // --- Is it ready? -------------------------------------------------------------------------------------------

  const visibleRatio = (element) => new Promise((resolve) => {
    const observer = new IntersectionObserver((entries) => {
      observer.disconnect();
      clearTimeout(timer);
      resolve(entries[0].intersectionRatio);
    });
    const timer = setTimeout(() => { observer.disconnect(); resolve(0); }, 500);
    observer.observe(element.ownerSVGElement ?? element);
  });

  const toView = (element) => element.scrollIntoViewIfNeeded(true);

  // The element's boxes, cut to what the document shows, in the frame's own coordinates.
  function clickableBox(element) {
    const {clientWidth, clientHeight} = document.documentElement;
    for (const rect of element.getClientRects()) {
      const width = Math.max(
        rect.x >= 0 ? Math.min(clientWidth - rect.x, rect.width) : Math.min(clientWidth, rect.width + rect.x), 0);
      const height = Math.max(
        rect.y >= 0 ? Math.min(clientHeight - rect.y, rect.height) : Math.min(clientHeight, rect.height + rect.y), 0);
      if (width >= 1 && height >= 1) return {x: Math.max(rect.x, 0), y: Math.max(rect.y, 0), width, height};
    }
    return null;
  }

  function fillKind(element) {
    if (element instanceof HTMLSelectElement) return 'select';
    if (element instanceof HTMLTextAreaElement) return 'type';
    if (element instanceof HTMLInputElement) {
      if (['checkbox', 'radio'].includes(element.type)) return 'toggle';
      const typed = ['text', 'url', 'tel', 'search', 'password', 'number', 'email'].includes(element.type);
      return typed ? 'type' : element.type === 'file' ? 'file' : 'set';
    }
    if (['checkbox', 'radio', 'switch'].includes(element.getAttribute('role'))) return 'toggle';
    return element.isContentEditable ? 'type' : null;
  }

  async function isStable(element) {
    await frame();
    const before = element.getBoundingClientRect();
    await frame();
    const after = element.getBoundingClientRect();
    return ['x', 'y', 'width', 'height'].every((side) => before[side] === after[side]);
  }

  // Why `element` cannot be acted on yet, or null.
  async function obstacle(element, need) {
    if (!element.isConnected) return 'left the page';
    const control = element instanceof HTMLElement && NATIVE_CONTROLS.has(element.nodeName);
    if (need.enabled && control && element.hasAttribute('disabled')) return 'is disabled';
    if (need.fill && fillKind(element) === null) return 'cannot be filled in';
    if (need.fill && fillKind(element) === 'file') return 'chooses a file, which cannot be replayed';
    const [ratio, stable] = await Promise.all([visibleRatio(element), isStable(element)]);
    if (ratio === 0) {
      toView(element);
      if ((await visibleRatio(element)) === 0) return 'is hidden or out of reach of scrolling';
    }
    if (!stable && !(await isStable(element))) return 'does not stop moving';
    if (need.box) {
      if (ratio < 1) toView(element);
      if (!clickableBox(element)) return 'has no size';
    }
    return null;
  }

  async function ready({alternatives, timeout, need}) {
    const end = performance.now() + timeout;
    for (;;) {
      const errors = [];
      let reason = null;
      let matched = false;
      for (const [index, chain] of alternatives.entries()) {
        const element = tryQuery(chain, errors)[0];
        if (!element) continue;
        matched = true;
        const problem = await obstacle(element, need);
        if (problem === null) {
          return {ok: true, index, element, box: need.box ? clickableBox(element) : null, kind: fillKind(element)};
        }
        reason ??= problem;
      }
      if (errors.length === alternatives.length) return {ok: false, invalid: errors};
      const left = end - performance.now();
      if (left <= 0) return {ok: false, matched, reason};
      await (matched ? later(Math.min(RETRY_MS, left)) : mutation(Math.min(RETRY_MS, left)));
    }
  }

  // --- waitForElement -----------------------------------------------------------------------------------------

  function matchesDeep(wanted, actual) {
    if (wanted === actual) return true;
    if (!(wanted instanceof Object) || !(actual instanceof Object)) return false;
    return Object.entries(wanted).every(([key, value]) => matchesDeep(value, actual[key]));
  }

  function holds({alternatives, operator, count, visible, properties, attributes}, errors) {
    const elements = alternatives.map((chain) => tryQuery(chain, errors)).find((found) => found.length) ?? [];
    const compare = {'==': (n) => n === count, '>=': (n) => n >= count, '<=': (n) => n <= count};
    const result = compare[operator](elements.length) && elements.every((element) =>
      Object.entries(attributes ?? {}).every(([name, value]) => element.getAttribute(name) === value) &&
      (!properties || matchesDeep(properties, element)));
    return {ok: result === visible, count: elements.length};
  }

  async function waitForElement(wanted) {
    const end = performance.now() + wanted.timeout;
    for (;;) {
      const errors = [];
      const answer = holds(wanted, errors);
      if (answer.ok) return answer;
      if (errors.length === wanted.alternatives.length) return {ok: false, invalid: errors};
      const left = end - performance.now();
      if (left <= 0) return answer;
      await mutation(Math.min(RETRY_MS, left));
    }
  }

  // --- Text ---------------------------------------------------------------------------------------------------

  const words = (text) => text.replace(/\s+/g, ' ').trim();
  const shown = (element) => (hasValue(element) ? element.value : element.innerText ?? element.textContent);

  // The first element's text or attribute; with `text`, wait until the element shows it.
  async function read({alternatives, timeout, attribute, text}) {
    const end = performance.now() + timeout;
    for (;;) {
      const errors = [];
      const found = alternatives.flatMap((chain) => tryQuery(chain, errors).slice(0, 1));
      if (errors.length === alternatives.length) return {ok: false, invalid: errors};
      const values = found.map((element) => (attribute ? element.getAttribute(attribute) : shown(element)));
      const value = values.find((candidate) => text === undefined || words(candidate ?? '').includes(words(text)));
      if (value !== undefined) return {ok: true, value};
      const left = end - performance.now();
      if (left <= 0) return {ok: false, matched: found.length > 0, value: values[0] ?? null};
      await mutation(Math.min(RETRY_MS, left));
    }
  }

  return {ready, waitForElement, read}[request.op](request);
}
