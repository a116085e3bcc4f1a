import { call } from '../api.js';
import { h } from '../dom.js';
import { store } from '../store.js';
import { changeLanguage, t } from '../words.js';

const ENTRIES = [
  ['', 'photos', '#/'],
  ['people', 'people', '#/people'],
  ['queue', 'queue', '#/queue'],
];
/** Views that belong to an entry of the menu. */
const PARENTS = { person: 'people', album: 'people' };

/** The line at the top: where one is, and where one can go. */
export function drawTop(view, redraw) {
  const current = PARENTS[view] ?? view;
  const links = ENTRIES.map(([name, key, href]) =>
    h('a', { href, 'aria-current': name === current && 'page' }, t(key)),
  );
  document
    .querySelector('.top')
    .replaceChildren(
      h(
        'a',
        { class: 'brand', href: '#/' },
        h('img', { src: '/icon.svg', alt: '', width: 28, height: 28 }),
        t('title'),
      ),
      h('nav', {}, links),
      h(
        'div',
        { class: 'who' },
        h('span', { class: 'user' }, store.session.user.name),
        h('button', { class: 'plain', type: 'button', onclick: () => (changeLanguage(), redraw()) }, t('language')),
        h('button', { class: 'plain', type: 'button', onclick: signOut }, t('signOut')),
      ),
    );
}

async function signOut() {
  await call('/api/session', { method: 'DELETE' });
  location.assign('/');
}
