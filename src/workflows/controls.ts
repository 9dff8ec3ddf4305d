import { condition, defineSignal, setHandler } from '@temporalio/workflow';
import { signalNames } from '../contract/index.js';

export type ControlSignal = 'pause' | 'resume' | 'stop';

/** What people asked of a run. A stop ends a pause: it is there to finish. */
export interface Controls {
  paused: boolean;
  stopping: boolean;
}

export const newControls = (stopping = false): Controls => ({ paused: false, stopping });

const pauseSignal = defineSignal(signalNames.pause);
const resumeSignal = defineSignal(signalNames.resume);
const stopSignal = defineSignal(signalNames.stop);

/**
 * Installs `pause`, `resume` and `stop`; call it before the first await. What a message holds does not matter, its name
 * says it all, so none is malformed. `changed` hears of each once
 * `controls` say it.
 */
export function installControls(
  controls: Controls,
  what: { pause: string; stop: string },
  changed: (signal: ControlSignal) => void = () => undefined,
): void {
  setHandler(
    pauseSignal,
    () => {
      controls.paused = true;
      changed('pause');
    },
    { description: `${what.pause} Until \`resume\` or \`stop\`. Input: none, or {}` },
  );
  setHandler(
    resumeSignal,
    () => {
      controls.paused = false;
      changed('resume');
    },
    { description: 'Goes on after `pause`. Input: none, or {}' },
  );
  setHandler(
    stopSignal,
    () => {
      controls.stopping = true;
      changed('stop');
    },
    { description: `${what.stop} Input: none, or {}` },
  );
}

/** Waits while paused. */
export const unpaused = (controls: Controls): Promise<void> => condition(() => !controls.paused || controls.stopping);
