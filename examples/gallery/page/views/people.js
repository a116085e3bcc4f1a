import { call } from '../api.js';
import { announce, h } from '../dom.js';
import { makeGrid } from '../parts/grid.js';
import { store } from '../store.js';
import { t } from '../words.js';

/** The people in the photos, and the albums. */
export function showPeople({ main, signal }) {
  const people = h('ul', { class: 'people' });
  const nobody = h('p', { class: 'said' });
  const albums = h('section', { class: 'albums' });
  main.replaceChildren(h('h1', {}, t('people')), nobody, people, albums);
  const load = async () => {
    const listed = await call('/api/people', { signal });
    nobody.textContent = listed.length === 0 ? t('nobody') : '';
    nobody.hidden = listed.length > 0;
    people.replaceChildren(...listed.map(personCard));
    fillAlbums(albums, await call('/api/albums', { signal }));
  };
  follow(load, signal);
}

function personCard({ id, name, photos, thumbnail_url: thumbnail }) {
  return h(
    'li',
    {},
    h(
      'a',
      { href: `#/person/${id}` },
      h('img', { src: thumbnail, alt: '', width: 128, height: 128, loading: 'lazy' }),
      h('strong', {}, name || t('unnamed')),
      h('span', { class: 'muted' }, t('photoCount', { count: photos })),
    ),
  );
}

function fillAlbums(section, albums) {
  section.hidden = albums.length === 0;
  section.replaceChildren(
    h('h2', {}, t('albums')),
    h(
      'ul',
      {},
      albums.map(({ id, name, photo_ids: photos }) =>
        h(
          'li',
          {},
          h('a', { href: `#/album/${id}` }, name),
          h('span', { class: 'muted' }, t('photoCount', { count: photos.length })),
        ),
      ),
    ),
  );
}

/** One person: the name, which can be changed, and the photos. */
export function showPerson({ main, id, signal }) {
  const grid = makeGrid(signal, t('photos'));
  const portrait = h('img', { alt: '', width: 96, height: 96 });
  const name = h('input', { id: 'name', type: 'text', maxlength: 100, placeholder: t('unnamed'), autocomplete: 'off' });
  const said = h('p', { class: 'muted', role: 'status' });
  const save = async (event) => {
    event.preventDefault();
    try {
      await call(`/api/people/${id}`, { method: 'PATCH', body: { name: name.value } });
      said.textContent = t('renamed');
      name.blur();
    } catch (error) {
      said.textContent = t('failed', { reason: error.message });
    }
  };
  main.replaceChildren(
    h('a', { class: 'back', href: '#/people' }, t('people')),
    h(
      'div',
      { class: 'person' },
      portrait,
      h(
        'form',
        { onsubmit: save },
        h('h1', { class: 'unseen' }, t('people')),
        h('label', { for: 'name' }, t('name')),
        h('div', { class: 'row' }, name, h('button', { class: 'primary' }, t('rename'))),
        said,
      ),
    ),
    grid.element,
  );
  const load = async () => {
    const person = await call(`/api/people/${id}`, { signal });
    portrait.src = person.thumbnail_url;
    if (document.activeElement !== name) name.value = person.name;
    grid.show(person.photo_list.map((photo) => ({ photo })));
    if (said.textContent === '') said.textContent = t('photoCount', { count: person.photos });
  };
  follow(load, signal);
}

/** Loads now, and again when faces have changed. */
function follow(load, signal) {
  const attempt = () =>
    void load().catch((error) => {
      if (!signal.aborted) announce(t('failed', { reason: error.message }));
    });
  store.listen('people', signal, attempt);
  attempt();
}
