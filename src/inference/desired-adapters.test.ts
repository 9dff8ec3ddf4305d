import { describeDesiredAdapters } from '../../tests/support/desired-adapters-contract.js';
import { MemoryAdapters } from '../../tests/support/memory-adapters.js';

const memory = new MemoryAdapters();
describeDesiredAdapters('in memory', () => memory);
