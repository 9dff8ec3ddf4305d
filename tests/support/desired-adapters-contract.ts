import { describe, expect, it } from 'vitest';
import type { AdapterHolder } from '../../src/contract/index.js';
import type { DesiredAdapters } from '../../src/inference/index.js';

/** What every implementation of the desired state does. A hold of a negative time has ended. */
export function describeDesiredAdapters(implementation: string, desired: () => DesiredAdapters): void {
  let servers = 0;
  /** Two holders of one adapter, of a server that no other test uses. */
  const holders = (): { one: AdapterHolder; other: AdapterHolder } => {
    servers += 1;
    const wanted = { server: `server-${servers}`, adapter: 'selkie--a' };
    return { one: { ...wanted, holder: 'one' }, other: { ...wanted, holder: 'other' } };
  };

  describe(`the desired adapters ${implementation}`, () => {
    it('are free to unload when the last of several holders drops them, whoever loaded them', async () => {
      const { one, other } = holders();
      await desired().hold(one, { seconds: 60, loads: true });
      await desired().hold(other, { seconds: 60 });
      expect(await desired().drop(one)).toBe(false);
      expect(await desired().drop(one)).toBe(false);
      expect(await desired().drop(other)).toBe(true);
    });

    it('that no holder loaded are never free to unload', async () => {
      const { one } = holders();
      await desired().hold(one, { seconds: -600 });
      expect(await desired().unwanted(one.server, [one.adapter], 0)).toEqual([]);
      expect(await desired().drop(one)).toBe(false);
      expect(await desired().drop({ ...one, adapter: 'selkie--unknown' })).toBe(false);
    });

    it('stay loaded by a holder in later holds that load nothing', async () => {
      const { one } = holders();
      await desired().hold(one, { seconds: 60, loads: true });
      await desired().hold(one, { seconds: 60 });
      expect(await desired().drop(one)).toBe(true);
    });

    it('are unwanted when the grace after the last hold is over', async () => {
      const { one, other } = holders();
      const unwanted = (graceSeconds: number) =>
        desired().unwanted(one.server, ['selkie--b', one.adapter], graceSeconds);
      await desired().hold(one, { seconds: -200, loads: true });
      await desired().hold(other, { seconds: -100 });
      expect(await unwanted(150)).toEqual([]);
      expect(await unwanted(50)).toEqual([one.adapter]);
      expect(await desired().unwanted('another server', [one.adapter], 50)).toEqual([]);
      await desired().hold(other, { seconds: 60 });
      expect(await unwanted(0)).toEqual([]);
    });

    it('are wanted without end by a holder that names no time', async () => {
      const { one, other } = holders();
      await desired().hold(other, {});
      await desired().hold(one, { seconds: -600, loads: true });
      expect(await desired().drop(one)).toBe(false);
      expect(await desired().drop(other)).toBe(true);
    });

    it('are forgotten when they are unloaded, but for those who want them again', async () => {
      const { one, other } = holders();
      await desired().hold(one, { seconds: -1, loads: true });
      await desired().hold(other, { seconds: 60 });
      await desired().forget(one.server, [one.adapter]);
      // what remains is the hold of one that loaded nothing
      expect(await desired().drop(other)).toBe(false);
    });
  });
}
