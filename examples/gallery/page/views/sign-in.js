import { call } from '../api.js';
import { h } from '../dom.js';
import { t } from '../words.js';

/** Asks for the token of a user. */
export function showSignIn(main, onSignedIn) {
  const token = h('input', {
    id: 'token',
    type: 'password',
    autocomplete: 'current-password',
    required: true,
    'aria-describedby': 'sign-in-said',
  });
  const said = h('p', { id: 'sign-in-said', role: 'status' });
  const submit = async (event) => {
    event.preventDefault();
    try {
      const headers = { authorization: `Bearer ${token.value.trim()}` };
      await call('/api/session', { method: 'POST', headers });
      onSignedIn();
    } catch {
      said.textContent = t('tokenWrong');
    }
  };
  main.replaceChildren(
    h(
      'form',
      { class: 'sign-in', onsubmit: submit },
      h('img', { src: '/icon.svg', alt: '', width: 56, height: 56 }),
      h('h1', {}, t('signIn')),
      h('p', {}, t('signInText')),
      h('label', { for: 'token' }, t('token')),
      token,
      said,
      h('button', { class: 'primary' }, t('signIn')),
    ),
  );
}
