import { expect, it } from 'vitest';
import { clock, percent, points, seconds, signed, timeStamp } from './format.js';

it.each([
  [percent(0.125), '12.5 %'],
  [percent(0.125, 0), '13 %'],
  [percent(null), '–'],
  [signed(0.125), '+0.125'],
  [signed(-0.125), '−0.125'],
  [signed(0), '+0.000'],
  [points(-0.025), '−2.5'],
  [seconds(7.25), '7.3 s'],
  [seconds(null), '–'],
  [clock(61.4), '1:01'],
  [clock(90061), '25:01:01'],
  [timeStamp(new Date('2026-03-04T05:06:07.089Z')), '260304-050607'],
])('%s', (shown, expected) => {
  expect(shown).toBe(expected);
});
