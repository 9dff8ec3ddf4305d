/** Shown for a figure that was not measured. */
const unmeasured = '–';

/** A share as a percentage, `12.5 %`. */
export const percent = (share: number | null, digits = 1): string =>
  share === null ? unmeasured : `${(share * 100).toFixed(digits)} %`;

/** A number with its sign, `+0.125` or `−0.125`. */
export const signed = (value: number, digits = 3): string =>
  `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(digits)}`;

/** A difference of two shares in percentage points, without the unit: `+2.5`. */
export const points = (share: number): string => signed(share * 100, 1);

/** `7.3 s` */
export const seconds = (value: number | null): string => (value === null ? unmeasured : `${value.toFixed(1)} s`);

/** A duration of `90061` seconds as `25:01:01`, below an hour as `m:ss`. */
export function clock(duration: number): string {
  const whole = Math.max(0, Math.round(duration));
  const two = (n: number) => String(n).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes}:${two(whole % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

/** A time as part of an id: sorts by time, and is short enough to type. */
export const timeStamp = (time: Date): string =>
  time.toISOString().slice(2, 19).replaceAll(/[-:]/g, '').replace('T', '-');
