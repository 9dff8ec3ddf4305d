import { defaultPayloadConverter } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import type { TrainHeartbeat } from '../../contract/index.js';
import { countedUp, inFlightText } from './in-flight.js';

const activity = (name: string) => ({ activityType: { name } });
const training = (beat: Partial<TrainHeartbeat>) => ({
  ...activity('trainAdapter'),
  heartbeatDetails: {
    payloads: [
      defaultPayloadConverter.toPayload({
        phase: 'training',
        step: 0,
        totalSteps: 0,
        loss: null,
        checkpoint: 0,
        ...beat,
      }),
    ],
  },
});

describe('what trials in flight do', () => {
  it('is counted from their pending activities', () => {
    const activities = [
      activity('proposeSelfEdit'),
      activity('proposeSelfEdit'),
      activity('screenSelfEdit'),
      training({ step: 4, totalSteps: 24 }),
      training({ step: 9, totalSteps: 24 }),
      training({ phase: 'waiting' }),
      activity('trainAdapter'), // no runner has taken it
      activity('evaluateAdapter'),
      activity('recordOutcome'),
    ];
    expect(inFlightText(countedUp(activities))).toBe(
      '2 writing, 1 being screened, 2 training (step 13 of 48), 2 waiting for the device, 1 evaluating',
    );
  });

  it('is nothing when there are none', () => {
    expect(inFlightText(countedUp([]))).toBe('');
  });

  it('reads a heartbeat that it does not know as a training that has not begun', () => {
    const other = {
      ...activity('trainAdapter'),
      heartbeatDetails: { payloads: [defaultPayloadConverter.toPayload('step 3')] },
    };
    expect(countedUp([other])).toMatchObject({ training: 0, waitingForDevice: 1 });
  });
});
