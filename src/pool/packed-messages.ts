import type { ChildLine, StageName, ThreadMessage, ThreadSaid } from './protocol.js';

/**
 * What threads say, as columns: cloning costs by the object, and a batch of texts has hundreds of messages that differ in
 * little. Only neighbours are put together, so that all come out again one by one in their order.
 */
type PackedMessage = ThreadMessage | Values | Steps;

/** Good outcomes of one unit. */
interface Values {
  readonly type: 'values';
  readonly task: string;
  readonly unit: string;
  readonly items: number[];
  readonly values: unknown[];
}

/** Times of one step, of one item each. */
interface Steps {
  readonly type: 'steps';
  readonly stage: StageName;
  readonly unit: string | undefined;
  readonly items: number[];
  readonly ms: number[];
}

export interface PackedSaid {
  readonly exchange: number;
  readonly messages: readonly PackedMessage[];
}

export function packSaid({ exchange, messages }: ThreadSaid): PackedSaid {
  const packed: PackedMessage[] = [];
  for (const message of messages) {
    const last = packed.at(-1);
    if (last?.type === 'values' && joinsValues(last, message)) continue;
    if (last?.type === 'steps' && joinsSteps(last, message)) continue;
    packed.push(columnsOf(message));
  }
  return { exchange, messages: packed };
}

/** The same for what threads of a child process say: a batch's number takes the place of an exchange's. */
export function packLines(lines: readonly ChildLine[]): readonly PackedSaid[] {
  const said: { readonly exchange: number; readonly messages: ThreadMessage[] }[] = [];
  for (const { batch, message } of lines) {
    const last = said.at(-1);
    if (last?.exchange === batch) last.messages.push(message);
    else said.push({ exchange: batch, messages: [message] });
  }
  return said.map(packSaid);
}

/** Passes on each message as it was said. */
export function unpack(messages: readonly PackedMessage[], onMessage: (message: ThreadMessage) => void): void {
  for (const message of messages) {
    if (message.type === 'values') {
      const { task, unit, values } = message;
      message.items.forEach((item, index) =>
        onMessage({ type: 'outcome', item, task, unit, outcome: { ok: true, value: values[index] } }),
      );
    } else if (message.type === 'steps') {
      const { stage, unit, ms } = message;
      message.items.forEach((item, index) =>
        onMessage({ type: 'stage', stage, ms: ms[index] ?? 0, items: [item], ...(unit === undefined ? {} : { unit }) }),
      );
    } else {
      onMessage(message);
    }
  }
}

function columnsOf(message: ThreadMessage): PackedMessage {
  if (message.type === 'outcome' && message.outcome.ok) {
    const { item, task, unit, outcome } = message;
    return { type: 'values', task, unit, items: [item], values: [outcome.value] };
  }
  if (message.type === 'stage' && message.items.length === 1) {
    const { stage, unit, items, ms } = message;
    return { type: 'steps', stage, unit, items: [...items], ms: [ms] };
  }
  return message;
}

function joinsValues({ task, unit, items, values }: Values, message: ThreadMessage): boolean {
  if (message.type !== 'outcome' || !message.outcome.ok || message.unit !== unit || message.task !== task) return false;
  items.push(message.item);
  values.push(message.outcome.value);
  return true;
}

function joinsSteps({ stage, unit, items, ms }: Steps, message: ThreadMessage): boolean {
  if (message.type !== 'stage' || message.stage !== stage || message.unit !== unit) return false;
  if (message.items.length !== 1) return false;
  items.push(...message.items);
  ms.push(message.ms);
  return true;
}
