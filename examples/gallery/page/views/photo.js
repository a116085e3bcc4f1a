import { call } from '../api.js';
import { h, icon } from '../dom.js';
import { makeTile } from '../parts/tile.js';
import { store } from '../store.js';
import { t } from '../words.js';

let dialog;
let showing = new AbortController();
/** Where one goes when the photo is closed. */
let goBack = '#/';

/** Shows a photo over the page: faces, what is known of it, photos like it. */
export function openPhoto(id, { back }) {
  goBack = back;
  showing.abort();
  showing = new AbortController();
  dialog ??= makeDialog();
  dialog.setAttribute('aria-label', t('photo'));
  if (!dialog.open) dialog.showModal();
  void fill(id, showing.signal);
}

export function closePhoto() {
  showing.abort();
  if (dialog?.open) dialog.close();
}

function makeDialog() {
  const made = h('dialog', { class: 'photo' });
  document.body.append(made);
  made.addEventListener('cancel', (event) => {
    event.preventDefault();
    leave();
  });
  made.addEventListener('click', ({ target }) => target === made && leave());
  made.addEventListener('keydown', ({ key, target }) => {
    if (target.tagName === 'INPUT') return;
    if (key === 'ArrowLeft') made.querySelector('.previous')?.click();
    if (key === 'ArrowRight') made.querySelector('.next')?.click();
  });
  return made;
}

function leave() {
  location.hash = goBack;
}

async function fill(id, signal) {
  let photo;
  try {
    photo = await call(`/api/photos/${id}`, { signal });
  } catch (error) {
    if (!signal.aborted)
      dialog.replaceChildren(toolbar(), h('p', { class: 'wrong' }, t('failed', { reason: error.message })));
    return;
  }
  const side = h('div', { class: 'side', tabindex: 0, role: 'region', 'aria-label': photo.name });
  const stage = h('div', { class: 'stage' });
  const draw = () => {
    stage.replaceChildren(picture(photo));
    side.replaceChildren(...facts(photo));
  };
  const similar = h('section', { class: 'similar' });
  const hadFocus = dialog.contains(document.activeElement);
  dialog.replaceChildren(toolbar(photo), stage, h('div', { class: 'about' }, side, similar));
  draw();
  if (hadFocus) dialog.querySelector('.close').focus();
  const refresh = async () => {
    const now = await call(`/api/photos/${id}`, { signal });
    if (JSON.stringify(now) === JSON.stringify(photo)) return;
    photo = now;
    draw();
    await fillSimilar(similar, id, signal);
  };
  const again = () => void refresh().catch(() => undefined);
  store.listen('photo', signal, (changed) => changed.id === id && again());
  store.listen('people', signal, again);
  await fillSimilar(similar, id, signal).catch(() => undefined);
}

function toolbar(photo) {
  const ids = store.newestFirst.map(({ id }) => id);
  const place = photo === undefined ? -1 : ids.indexOf(photo.id);
  const step = (kind, id) =>
    h(
      'button',
      {
        class: `plain ${kind}`,
        type: 'button',
        'aria-label': t(kind),
        disabled: id === undefined,
        // One step back leaves the photos, however many were looked at.
        onclick: () => location.replace(`#/photo/${id}`),
      },
      icon(kind),
    );
  return h(
    'header',
    {},
    step('previous', place < 0 ? undefined : ids[place - 1]),
    step('next', place < 0 ? undefined : ids[place + 1]),
    h('span', { class: 'name' }, photo?.name ?? ''),
    h('button', { class: 'plain close', type: 'button', 'aria-label': t('close'), onclick: leave }, icon('close')),
  );
}

/** The faces are drawn in percent, so they stay in place at every size. */
function picture(photo) {
  const { width, height } = photo;
  const frame = h(
    'div',
    { class: 'frame', style: { '--ratio': String(width / height) } },
    h('img', { src: photo.url, alt: photo.caption || photo.name, width, height }),
    photo.face_boxes.map((face) => faceBox(face, photo)),
  );
  frame.classList.toggle('no-faces', !isShowingFaces);
  return frame;
}

let isShowingFaces = true;

function faceBox({ x1, y1, x2, y2, person_id: person, person_name: name }, { width, height }) {
  const percent = (value, whole) => `${((value / whole) * 100).toFixed(3)}%`;
  return h(
    person === null ? 'span' : 'a',
    {
      class: 'face',
      href: person === null ? undefined : `#/person/${person}`,
      style: {
        left: percent(x1, width),
        top: percent(y1, height),
        width: percent(x2 - x1, width),
        height: percent(y2 - y1, height),
      },
    },
    h('span', {}, name || t('unnamed')),
  );
}

function facts(photo) {
  const { width, height, bytes, created_at: created, caption, text, tasks } = photo;
  const size = `${width} × ${height} · ${(bytes / 1024).toFixed(0)} KB · ${new Date(created).toLocaleString(document.documentElement.lang)}`;
  const parts = [h('h2', {}, photo.name), h('p', { class: 'muted' }, size)];
  if (caption !== '') parts.push(h('p', { class: 'caption' }, caption));
  if (text !== '') parts.push(h('h3', {}, t('text')), h('p', { class: 'text' }, text));
  if (photo.face_boxes.length > 0) parts.push(faceSwitch(), faceList(photo));
  parts.push(h('h3', {}, t('progress')), taskList(tasks));
  parts.push(
    h(
      'button',
      { class: 'plain remove', type: 'button', onclick: () => removePhoto(photo.id) },
      icon('remove'),
      t('remove'),
    ),
  );
  return parts;
}

function faceSwitch() {
  const box = h('input', { type: 'checkbox', id: 'show-faces' });
  box.checked = isShowingFaces;
  box.addEventListener('change', () => {
    isShowingFaces = box.checked;
    dialog.querySelector('.frame').classList.toggle('no-faces', !isShowingFaces);
  });
  return h('div', { class: 'switch' }, h('h3', {}, t('faces')), box, h('label', { for: 'show-faces' }, t('showFaces')));
}

function faceList({ face_boxes: faces }) {
  return h(
    'ul',
    { class: 'face-list' },
    faces.map(({ id, person_id: person, person_name: name }) => {
      const shown = [
        h('img', { src: `/api/faces/${id}/thumbnail`, alt: '', width: 56, height: 56, loading: 'lazy' }),
        h('span', {}, name || t('unnamed')),
      ];
      return h('li', {}, person === null ? h('span', {}, shown) : h('a', { href: `#/person/${person}` }, shown));
    }),
  );
}

function taskList(tasks) {
  return h(
    'ul',
    { class: 'tasks' },
    tasks.map(({ task, state, reason }) =>
      h(
        'li',
        { data: { task, state } },
        h('span', { class: `dot ${state}`, 'aria-hidden': 'true' }),
        h('span', {}, t(`taskNames.${task}`)),
        h('span', { class: 'muted' }, reason === null ? t(`states.${state}`) : `${t(`states.${state}`)} (${reason})`),
      ),
    ),
  );
}

async function fillSimilar(section, id, signal) {
  const hits = await call(`/api/photos/${id}/similar`, { signal });
  section.hidden = hits.length === 0;
  section.replaceChildren(
    h('h3', {}, t('similar')),
    h(
      'div',
      { class: 'grid small' },
      hits.map(({ photo, distance }) => makeTile(photo, { distance })),
    ),
  );
}

async function removePhoto(id) {
  if (!confirm(t('removeSure'))) return;
  await call(`/api/photos/${id}`, { method: 'DELETE' });
  store.remove(id);
  leave();
}
