/** The time as part of a workflow id: sorts by time, and is short enough to type. */
export const stampNow = (now = new Date()): string =>
  now.toISOString().slice(2, 19).replaceAll(/[-:]/g, '').replace('T', '-');
