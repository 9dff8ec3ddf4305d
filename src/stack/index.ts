export { checkDisk, freeBytes, freeBytesNeeded } from './disk.js';
export { messageOf, StackError, UnreachableError } from './errors.js';
export { loopbackDirect } from './loopback.js';
export { layoutOf, repoRoot, venvOf, type Layout } from './layout.js';
export { readFrom, sizeOf } from './log-file.js';
export { watchMemory, type MemoryWatch } from './memory.js';
export { choosablePorts, freePortNumbers, type Ports } from './ports.js';
export { postgresProblem } from './postgres-probe.js';
export type { RunnerOptions } from './programs.js';
export { partNames, type PartName } from './records.js';
export { runningStack, type Endpoints, type StackState } from './state.js';
export { startStack, type RunningPart, type Stack, type StackOptions } from './stack.js';
export { stopStack } from './stop.js';
export {
  clientOf,
  configuredTarget,
  connectClient,
  connectTemporal,
  environmentOf,
  externalTarget,
  findTemporal,
  isPolled,
  isSet,
  targetOf,
  temporalVersion,
  type TaskKind,
  type TemporalTarget,
} from './temporal/index.js';
