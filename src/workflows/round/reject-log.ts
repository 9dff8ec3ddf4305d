import type { RoundStatus } from '../../contract/index.js';

export type RejectedMessage = RoundStatus['rejectedMessages'][number];

const kept = 50;

/** Messages that were of no use, so that a person sees why nothing happened: all counted, the latest kept. */
export class RejectLog {
  readonly #messages: RejectedMessage[] = [];
  #count = 0;

  add(message: RejectedMessage): void {
    this.#count += 1;
    this.#messages.push({ ...message, reason: message.reason.slice(0, 300) });
    if (this.#messages.length > kept) this.#messages.shift();
  }

  get count(): number {
    return this.#count;
  }

  get messages(): RejectedMessage[] {
    return [...this.#messages];
  }
}
