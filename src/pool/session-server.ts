import { RunnerError, coerceError } from '../errors.js';
import type { Session } from '../tensor.js';
import type { SessionAnswer, SessionRequest, SessionSettings } from './protocol.js';

/** The side of a `SessionThread` that has the sessions: opens, runs and closes them as it is asked, in the order of asking. */
export class SessionServer {
  readonly #open: (file: string, settings: SessionSettings) => Promise<Session>;
  readonly #post: (answer: SessionAnswer) => void;
  readonly #sessions: Session[] = [];

  constructor(
    open: (file: string, settings: SessionSettings) => Promise<Session>,
    post: (answer: SessionAnswer) => void,
  ) {
    this.#open = open;
    this.#post = post;
  }

  /** Never throws: what fails is said in the answer. */
  async handle(request: SessionRequest): Promise<void> {
    try {
      this.#post(await this.#answer(request));
    } catch (thrown) {
      this.#post({ id: request.id, type: 'failed', error: coerceError(thrown).toEnvelope() });
    }
  }

  async #answer(request: SessionRequest): Promise<SessionAnswer> {
    const { id } = request;
    if (request.type === 'open') {
      const session = await this.#open(request.file, request.settings);
      const { inputs, outputs, device, refusals = [] } = session;
      const number = this.#sessions.push(session) - 1;
      return { id, type: 'opened', session: { number, inputs, outputs, device, refusals } };
    }
    const session = this.#sessions[request.session];
    if (session === undefined)
      throw new RunnerError('INTERNAL', `There is no session ${request.session} in this thread.`);
    if (request.type === 'run') return { id, type: 'ran', outputs: await session.run(request.feeds) };
    await session.close();
    return { id, type: 'closed' };
  }
}
