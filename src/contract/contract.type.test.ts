import { describe, expectTypeOf, it } from 'vitest';
import type {
  ActivityName,
  ActivityRequest,
  ActivityResult,
  AdapterRef,
  ArtifactRef,
  AwaitedErrorType,
  ErrorType,
  GpuActivities,
  LedgerActivities,
  LlmActivities,
  ModelRef,
  queryNames,
  Recipe,
  reportNames,
  RoundConfig,
  RoundConfigInput,
  signalNames,
  workflowTypes,
} from './index.js';

// Checked by `npm run typecheck`: a type that changes here changes for everyone who calls a workflow or serves an activity.

type ValuesOf<T> = T[keyof T];

describe('an activity', () => {
  it('is served by exactly one worker', () => {
    expectTypeOf<keyof LedgerActivities | keyof LlmActivities | keyof GpuActivities>().toEqualTypeOf<ActivityName>();
    expectTypeOf<keyof LedgerActivities & keyof LlmActivities>().toBeNever();
    expectTypeOf<keyof GpuActivities>().toEqualTypeOf<'describeModel' | 'trainAdapter'>();
  });

  it('takes one object and gives one', () => {
    expectTypeOf<LlmActivities['evaluateAdapter']>().toEqualTypeOf<
      (request: ActivityRequest<'evaluateAdapter'>) => Promise<ActivityResult<'evaluateAdapter'>>
    >();
  });
});

describe('a training', () => {
  it('is asked for by everything that decides its result', () => {
    expectTypeOf<ActivityRequest<'trainAdapter'>>().toEqualTypeOf<{
      trainingKey: string;
      base: string;
      baseDigest: string;
      stack: AdapterRef[];
      dataset: ArtifactRef;
      replay?: { dataset: ArtifactRef; ratio: number } | null | undefined;
      recipe: Recipe;
      seed: number;
      tenant: string;
      maxDeviceSeconds: number;
    }>();
  });

  it('gives an adapter and numbers, none of which is NaN or infinite on the wire', () => {
    expectTypeOf<ActivityResult<'trainAdapter'>>().toExtend<{
      trainingKey: string;
      adapter: AdapterRef;
      steps: number;
      finalLoss: number | null;
      deviceSeconds: number;
    }>();
  });
});

describe('a model version', () => {
  it('is a base and a stack of layers', () => {
    expectTypeOf<ModelRef>().toEqualTypeOf<{ base: string; baseDigest: string; stack: AdapterRef[] }>();
  });
});

describe('a result with cases', () => {
  it('is told apart by its status', () => {
    type Proposed = ActivityResult<'proposeSelfEdit'>;
    expectTypeOf<Proposed['status']>().toEqualTypeOf<'proposed' | 'invalid'>();
    expectTypeOf<Extract<Proposed, { status: 'proposed' }>['training']>().toEqualTypeOf<
      ActivityRequest<'trainAdapter'>
    >();
    expectTypeOf<Extract<Proposed, { status: 'invalid' }>>().not.toHaveProperty('training');
    expectTypeOf<ActivityResult<'evaluateAdapter'>['status']>().toEqualTypeOf<'scored' | 'no_effect'>();
  });
});

describe("a round's config", () => {
  it('needs no field', () => {
    expectTypeOf({}).toExtend<RoundConfigInput>();
  });

  it('has every default filled in once it is parsed', () => {
    type Filled = Exclude<keyof RoundConfig, 'llmQueue' | 'campaign'>;
    expectTypeOf<Pick<RoundConfig, Filled>>().toEqualTypeOf<Required<Pick<RoundConfig, Filled>>>();
    expectTypeOf<keyof RoundConfigInput>().toEqualTypeOf<keyof RoundConfig>();
  });

  it('takes partial groups', () => {
    expectTypeOf<{ sources: { train: number }; controls: { rawPassage: false } }>().toExtend<RoundConfigInput>();
    expectTypeOf<{ sources: { train: string } }>().not.toExtend<RoundConfigInput>();
  });
});

describe('names', () => {
  it('of workflows, signals and queries are what clients send', () => {
    expectTypeOf<ValuesOf<typeof workflowTypes>>().toEqualTypeOf<
      'sealCampaign' | 'sealRound' | 'sealShard' | 'selfEditTrial' | 'approvalGate'
    >();
    expectTypeOf<ValuesOf<typeof signalNames>>().toEqualTypeOf<'approve' | 'reject' | 'pause' | 'resume' | 'stop'>();
    expectTypeOf<ValuesOf<typeof reportNames>>().toEqualTypeOf<'shardProgress' | 'liveChanged'>();
    expectTypeOf<ValuesOf<typeof queryNames>>().toEqualTypeOf<'status' | 'gates'>();
  });

  it('of errors are a closed list, of which these are waited for', () => {
    expectTypeOf<ErrorType>().toEqualTypeOf<
      | 'InvalidConfig'
      | 'RoundIdTaken'
      | 'InvalidCorpus'
      | 'InvalidRequest'
      | 'InvalidDataset'
      | 'ModelNotFound'
      | 'CorruptArtifact'
      | 'Diverged'
      | 'DeviceBudgetExceeded'
      | 'OutOfMemory'
      | 'ServerRefused'
      | 'ServerBusy'
      | 'ServerUnavailable'
      | 'ServerSlow'
      | 'LedgerUnavailable'
      | 'StoreUnavailable'
      | 'AdapterNotApplied'
      | 'TooManyFailedTrials'
      | 'RoundFailed'
      | 'InvalidResult'
    >();
    expectTypeOf<AwaitedErrorType>().toEqualTypeOf<
      'ServerBusy' | 'ServerUnavailable' | 'LedgerUnavailable' | 'StoreUnavailable'
    >();
  });
});
