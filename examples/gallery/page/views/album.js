import { call } from '../api.js';
import { announce, h } from '../dom.js';
import { makeGrid } from '../parts/grid.js';
import { t } from '../words.js';

/** The photos of an album. */
export function showAlbum({ main, id, signal }) {
  const grid = makeGrid(signal, t('photos'));
  const title = h('h1', {}, t('albums'));
  const about = h('p', { class: 'said' });
  main.replaceChildren(h('a', { class: 'back', href: '#/people' }, t('people')), title, about, grid.element);
  call(`/api/albums/${id}`, { signal })
    .then(({ name, description, photo_list: photos }) => {
      title.textContent = name;
      about.textContent = description;
      grid.show(photos.map((photo) => ({ photo })));
    })
    .catch((error) => signal.aborted || announce(t('failed', { reason: error.message })));
}
