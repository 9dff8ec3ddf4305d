import { expect, it } from 'vitest';
import { registeredSearchAttributes } from './registered-attributes.js';

const refused = (code: number): Error => Object.assign(new Error('no'), { code });

/** A server that answers so in turn, and how often it was asked. */
function server(...answers: (Error | Record<string, unknown>)[]) {
  const asked = { times: 0 };
  const list = (): Promise<Record<string, unknown>> => {
    const answer = answers[Math.min(asked.times, answers.length - 1)] ?? {};
    asked.times += 1;
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
  return { list, asked };
}

it.each([
  ['says that it has none to one who may not ask', 7],
  ['has no such service', 12],
  ['wants another key', 16],
  ['knows no such namespace', 5],
  ['breaks', 13],
])('takes a server that %s for one without attributes', async (_what, code) => {
  const { list, asked } = server(refused(code));
  expect(await registeredSearchAttributes(list, 1)).toEqual([]);
  expect(asked.times).toBe(1);
});

it('waits for a server that is away, but not for ever', async () => {
  const back = server(refused(14), refused(4), { SealTenant: 2 });
  expect(await registeredSearchAttributes(back.list, 1)).toEqual(['SealTenant']);
  const gone = server(refused(14));
  expect(await registeredSearchAttributes(gone.list, 1)).toEqual([]);
  expect(gone.asked.times).toBe(6);
});
