import { condition } from '@temporalio/workflow';
import { orderNames, signalNames, steerSchema, type Steer } from '../../contract/index.js';
import { onSignal } from './handlers.js';

/** What people, or a parent, asked of a run. A stop ends a pause: it is there to finish. */
export interface RunSignals {
  paused: boolean;
  stopping: boolean;
  /** counts the changes */
  order: number;
}

export const newRunSignals = (stopping = false): RunSignals => ({ paused: false, stopping, order: 0 });

/**
 * Installs `pause`, `resume` and `stop`, and `steer` for a parent's; call it before the first await. The first three
 * are complete by their name, so no message of theirs is malformed. `changed` is called after each of them, when
 * `controls` are set.
 */
export function onRunSignals(
  controls: RunSignals,
  what: { pause: string; stop: string },
  changed: () => void = () => undefined,
): void {
  const on = (signal: string, description: string, hear: (message: unknown) => void): void =>
    onSignal(signal, description, hear, () => undefined);
  const change = (wanted: Partial<Pick<RunSignals, 'paused' | 'stopping'>>): void => {
    Object.assign(controls, wanted);
    controls.order += 1;
    changed();
  };
  on(signalNames.pause, `${what.pause} Until \`resume\` or \`stop\`. Input: none, or {}`, () =>
    change({ paused: true }),
  );
  on(signalNames.resume, 'Goes on after `pause`. Input: none, or {}', () => change({ paused: false }));
  on(signalNames.stop, `${what.stop} Input: none, or {}`, () => change({ stopping: true }));

  let latest = 0;
  on(orderNames.steer, 'Sent by whoever started it', (message) => {
    const steer = steerSchema.safeParse(message);
    if (!steer.success || steer.data.order <= latest) return;
    latest = steer.data.order;
    // who was stopped stays so
    change({ paused: steer.data.paused, stopping: controls.stopping || steer.data.stopping });
  });
}

/** The state that children are to have. */
export const steerOf = ({ order, paused, stopping }: RunSignals): Steer => ({ order, paused, stopping });

/** Waits while paused. */
export const whenNotPaused = (controls: RunSignals): Promise<void> =>
  condition(() => !controls.paused || controls.stopping);
