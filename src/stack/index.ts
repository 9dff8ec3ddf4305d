export { checkDisk, freeBytes, freeBytesNeeded } from './machine/disk.js';
export { StackError, UnreachableError } from './errors.js';
export { loopbackDirect } from './machine/loopback.js';
export { layoutOf, repoRoot, venvOf, type Layout } from './layout.js';
export { readFrom, sizeOf } from './processes/log-file.js';
export { watchMemory, type MemoryWatch } from './processes/memory.js';
export { choosablePorts, freePortNumbers, type Ports } from './machine/ports.js';
export { postgresProblem } from './postgres/probe.js';
export type { RunnerOptions } from './programs.js';
export { partNames, type PartName } from './processes/records.js';
export { runningStack, type Endpoints, type StackState } from './state.js';
export type { RunningPart, StackOptions } from './part.js';
export { startStack, type Stack } from './stack.js';
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
