import { z } from 'zod';
import type { AdapterHolder } from '../contract/index.js';
import { row, rows, run, type Db } from './db.js';

/** Which adapters the model servers should have: the desired state that their owners in all processes share. */
export class ServedAdapters {
  constructor(private readonly db: Db) {}

  /** Holds an adapter for `seconds` from now, without them until it is dropped. `loads`: the holder loads it now. */
  async hold(
    { server, adapter, holder }: AdapterHolder,
    { seconds, loads = false }: { seconds?: number; loads?: boolean },
  ): Promise<void> {
    await run(
      this.db,
      `insert into served_adapters (server, adapter, holder, wanted_until, loaded)
       values ($1, $2, $3, coalesce(now() + make_interval(secs => $4), 'infinity'), $5)
       on conflict (server, adapter, holder) do update
       set wanted_until = excluded.wanted_until, loaded = served_adapters.loaded or excluded.loaded`,
      [server, adapter, holder, seconds ?? null, loads],
    );
  }

  /** Ends a hold. Whether the adapter may be unloaded: no other holder wants it, and one of its holders loaded it. */
  async drop({ server, adapter, holder }: AdapterHolder): Promise<boolean> {
    const { free } = await row(
      this.db,
      z.strictObject({ free: z.boolean() }),
      `holders of ${adapter}`,
      `with dropped as (
         update served_adapters set wanted_until = least(wanted_until, now())
         where server = $1 and adapter = $2 and holder = $3
       )
       select coalesce(bool_or(loaded) and not bool_or(holder <> $3 and wanted_until > now()), false) as free
       from served_adapters where server = $1 and adapter = $2`,
      [server, adapter, holder],
    );
    return free;
  }

  /** Of these adapters, those that holders loaded and none has wanted for `graceSeconds`. */
  async unwanted(server: string, adapters: string[], graceSeconds: number): Promise<string[]> {
    const found = await rows(
      this.db,
      z.strictObject({ adapter: z.string() }),
      `select adapter from served_adapters where server = $1 and adapter = any ($2::text[])
       group by adapter having bool_or(loaded) and max(wanted_until) <= now() - make_interval(secs => $3)
       order by adapter`,
      [server, adapters, graceSeconds],
    );
    return found.map(({ adapter }) => adapter);
  }

  /** Forgets the ended holds of adapters that are unloaded, and those of servers that lost their adapters long ago. */
  async forget(server: string, adapters: string[]): Promise<void> {
    await run(
      this.db,
      `delete from served_adapters where wanted_until <= now()
       and ((server = $1 and adapter = any ($2::text[])) or wanted_until < now() - interval '1 day')`,
      [server, adapters],
    );
  }
}
