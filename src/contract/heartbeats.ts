import { z } from 'zod';

/** Heartbeat details of an activity that asks a model server: how far it is, and what the rest waits for. */
export const askingHeartbeatSchema = z.strictObject({
  doing: z.string(),
  done: z.int().nonnegative(),
  of: z.int().nonnegative(),
  /** null while the model server answers */
  waitingFor: z.string().nullable(),
});
export type AskingHeartbeat = z.infer<typeof askingHeartbeatSchema>;
