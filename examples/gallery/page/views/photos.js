import { ApiError, searchText } from '../api.js';
import { announce, h, icon } from '../dom.js';
import { makeGrid } from '../parts/grid.js';
import { addFiles } from '../parts/upload-tray.js';
import { store } from '../store.js';
import { t } from '../words.js';

/** After the last key, so that a word costs one search. */
const PAUSE_MS = 180;
/** After a search that the network broke off. */
const RETRY_MS = 1500;
const MOST_FOUND = 60;
/** Unit vectors that have nothing to do with each other are 1 apart. */
const FARTHEST = 1.2;

/** What was asked for last; it is still there when one comes back. */
const asked = { query: '', cutOff: FARTHEST, caption: undefined };

/** All photos; or, with words in the field, those that the words mean. */
export function showPhotos({ main, signal }) {
  const grid = makeGrid(signal, t('photos'));
  const said = h('p', { class: 'said', role: 'status' });
  const tuning = makeTuning();
  const field = makeField();
  const end = h('div', { class: 'end' });
  main.replaceChildren(
    h('h1', { class: 'unseen' }, t('photos')),
    h('div', { class: 'bar' }, field.element, uploadButton()),
    tuning.element,
    said,
    grid.element,
    end,
  );

  let hits;
  let searching = new AbortController();
  const draw = () => {
    tuning.element.hidden = hits === undefined;
    if (hits === undefined) drawAll(grid, said);
    else drawHits(grid, said, hits, asked.cutOff);
    tuning.setHasCaptions((hits ?? []).some(({ caption_distance }) => caption_distance !== null));
  };
  const search = async () => {
    searching.abort();
    const { signal: stale } = (searching = new AbortController());
    const { query } = asked;
    if (query === '') {
      hits = undefined;
      draw();
      return;
    }
    main.setAttribute('aria-busy', 'true');
    try {
      const weights = tuning.weights();
      const onSlow = () => (said.textContent = t('searchSlow'));
      hits = await searchText({ query, limit: MOST_FOUND, weights, signal: stale, onSlow });
      draw();
    } catch (error) {
      if (stale.aborted) return;
      said.textContent = t('failed', { reason: error.message });
      if (!(error instanceof ApiError)) setTimeout(() => !stale.aborted && void search(), RETRY_MS);
    } finally {
      if (!stale.aborted) main.removeAttribute('aria-busy');
    }
  };
  signal.addEventListener('abort', () => searching.abort());
  field.onChange(signal, search);
  tuning.onCutOff(draw);
  tuning.onWeight(search);
  store.listen('photos', signal, () => hits === undefined && draw());
  store.listen('photo', signal, (photo) => {
    const hit = hits?.find((found) => found.photo.id === photo.id);
    if (hit !== undefined) hit.photo = photo;
  });
  loadAtEnd(end, signal, () => hits === undefined);
  draw();
  if (asked.query !== '') void search();
}

function drawAll(grid, said) {
  grid.show(store.newestFirst.map((photo) => ({ photo })));
  const isEmpty = store.photos.size === 0 && !store.hasMore;
  said.textContent = isEmpty ? t('empty') : t('drop');
}

function drawHits(grid, said, hits, cutOff) {
  const near = hits.filter(({ distance }) => distance <= cutOff);
  grid.show(near.map(({ photo, distance }) => ({ photo: store.photos.get(photo.id) ?? photo, distance })));
  said.textContent = near.length > 0 ? t('found', { shown: near.length, all: hits.length }) : t('nothing');
}

function makeField() {
  const input = h('input', {
    type: 'search',
    id: 'query',
    placeholder: t('searchHint'),
    'aria-label': t('search'),
    autocomplete: 'off',
    spellcheck: 'false',
    enterkeyhint: 'search',
    maxlength: 1000,
  });
  input.value = asked.query;
  const element = h(
    'form',
    { class: 'field', role: 'search', onsubmit: (event) => event.preventDefault() },
    icon('search'),
    input,
  );
  const onChange = (signal, search) => {
    let timer;
    const change = (event) => {
      clearTimeout(timer);
      // Pinyin that is being typed is no query yet.
      if (event.isComposing) return;
      timer = setTimeout(() => {
        const query = input.value.trim();
        if (query === asked.query) return;
        asked.query = query;
        void search();
      }, PAUSE_MS);
    };
    input.addEventListener('input', change);
    input.addEventListener('compositionend', change);
    addEventListener(
      'keydown',
      (event) => {
        const isTyping = /^(INPUT|TEXTAREA)$/.test(document.activeElement?.tagName ?? '');
        if (event.key !== '/' || isTyping || document.querySelector('dialog[open]') !== null) return;
        event.preventDefault();
        input.focus();
      },
      { signal },
    );
  };
  return { element, onChange };
}

function uploadButton() {
  const input = h('input', {
    type: 'file',
    class: 'unseen',
    multiple: true,
    tabindex: -1,
    'aria-label': t('upload'),
    accept: 'image/jpeg,image/png,image/webp,image/gif,image/avif',
    onchange: () => {
      addFiles(input.files);
      input.value = '';
    },
  });
  const button = h(
    'button',
    { class: 'primary', type: 'button', onclick: () => input.click() },
    icon('upload'),
    h('span', {}, t('upload')),
  );
  return h('div', { class: 'upload' }, button, input);
}

/** Two sliders: how far away a photo may be, and how much its caption counts. */
function makeTuning() {
  const { image_weight: image, caption_weight: caption } = store.session;
  asked.caption ??= caption / (image + caption);
  const cutOff = slider('cut-off', t('cutOff'), { max: FARTHEST, step: 0.01, value: asked.cutOff });
  const weight = slider('caption-weight', t('fusion'), { max: 1, step: 0.05, value: asked.caption });
  const element = h('div', { class: 'tuning', hidden: true }, cutOff.element, weight.element);
  return {
    element,
    weights: () => ({ image: 1 - asked.caption, caption: asked.caption }),
    setHasCaptions: (hasCaptions) => (weight.element.hidden = !hasCaptions),
    onCutOff: (draw) =>
      cutOff.onInput((value) => {
        asked.cutOff = value;
        draw();
      }),
    onWeight: (search) =>
      weight.onInput((value) => {
        asked.caption = value;
        void search();
      }),
  };
}

function slider(id, label, { max, step, value }) {
  const output = h('output', { for: id }, value.toFixed(2));
  const input = h('input', { id, type: 'range', min: 0, max, step });
  input.value = String(value);
  return {
    element: h('div', { class: 'slider' }, h('label', { for: id }, label), input, output),
    onInput: (take) =>
      input.addEventListener('input', () => {
        output.textContent = Number(input.value).toFixed(2);
        take(Number(input.value));
      }),
  };
}

/** Older photos are loaded when one comes near the end. */
function loadAtEnd(end, signal, isWanted) {
  const observer = new IntersectionObserver(
    ([entry]) => {
      if (entry.isIntersecting && isWanted() && store.hasMore && store.photos.size > 0)
        store.loadMore().catch((error) => announce(t('failed', { reason: error.message })));
    },
    { rootMargin: '800px' },
  );
  observer.observe(end);
  signal.addEventListener('abort', () => observer.disconnect());
}
