/**
 * Makes an element. Texts are set as texts, so nothing that somebody wrote is ever taken for markup. Properties that begin
 * with `on` are listeners, `data` and `style` are tables, the others attributes; `undefined` and `false` leave one out.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'data') Object.assign(element.dataset, value);
    else if (name === 'style') for (const [key, set] of Object.entries(value)) element.style.setProperty(key, set);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== false));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

const PATHS = {
  search: 'M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M15.5 15.5 20 20',
  upload: 'M12 16V5M7 9.5 12 4.5l5 5M5 16v3h14v-3',
  close: 'M6 6l12 12M18 6 6 18',
  previous: 'M15 5l-7 7 7 7',
  next: 'M9 5l7 7-7 7',
  again: 'M5 12a7 7 0 0 1 12-5l2 2M19 4v5h-5M19 12a7 7 0 0 1-12 5l-2-2M5 20v-5h5',
  remove: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
  pencil: 'M5 19l1-4L16 5l3 3L9 18z',
};

/** An icon that only decorates: what it means is said in words beside it, or by a label. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', 'icon');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}

/** Says something to those who can't see the page. */
export function announce(text) {
  const region = document.querySelector('.announcer') ?? document.body.appendChild(announcer());
  region.textContent = text;
}

function announcer() {
  return h('div', { class: 'announcer unseen', role: 'status', 'aria-live': 'polite' });
}
