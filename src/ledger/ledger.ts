import pg from 'pg';
import { Answers } from './answers.js';
import { Corpora } from './corpora.js';
import { run, type Db } from './db.js';
import { Gates } from './gates.js';
import { Policies } from './policies.js';
import { Proposals } from './proposals.js';
import { Releases } from './releases.js';
import { Reports } from './reports.js';
import { Rounds } from './rounds.js';
import { Runs } from './runs.js';
import { Selections } from './selections.js';
import { Trials } from './trials.js';

/** The ledger's queries by topic, on a pool or within one transaction. */
export class Queries {
  readonly rounds: Rounds;
  readonly runs: Runs;
  readonly corpora: Corpora;
  readonly proposals: Proposals;
  readonly trials: Trials;
  readonly answers: Answers;
  readonly selections: Selections;
  readonly policies: Policies;
  readonly reports: Reports;
  readonly gates: Gates;
  readonly releases: Releases;

  constructor(db: Db) {
    this.rounds = new Rounds(db);
    this.runs = new Runs(db);
    this.corpora = new Corpora(db);
    this.proposals = new Proposals(db);
    this.trials = new Trials(db);
    this.answers = new Answers(db);
    this.selections = new Selections(db);
    this.policies = new Policies(db);
    this.reports = new Reports(db);
    this.gates = new Gates(db);
    this.releases = new Releases(db);
  }
}

/** What Selkie knows and did, in Postgres. Where rows can be written twice, the first write wins. */
export class Ledger extends Queries {
  private constructor(private readonly pool: pg.Pool) {
    super(pool);
  }

  /**
   * Connects to a ledger that {@link migrate} has brought up to date.
   *
   * @throws Error that names the server where it does not answer
   */
  static async connect(databaseUrl: string, { connections = 10 } = {}): Promise<Ledger> {
    const pool = new pg.Pool({ connectionString: databaseUrl, max: connections, connectionTimeoutMillis: 10_000 });
    // An idle connection that breaks is replaced by the next query, which reports what it meets; unheard, it would end the process.
    pool.on('error', () => undefined);
    try {
      await run(pool, 'select 1');
    } catch (error) {
      await pool.end();
      throw new Error(`the ledger's Postgres (${placeOf(databaseUrl)}) does not answer: check DATABASE_URL`, {
        cause: error,
      });
    }
    return new Ledger(pool);
  }

  /** Runs `work` in one transaction: all of its writes are seen at once, or none. */
  async transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    try {
      await run(client, 'begin');
      const result = await work(new Queries(client));
      await run(client, 'commit');
      client.release();
      return result;
    } catch (error) {
      // a connection that cannot even roll back is dropped, which rolls back too
      await run(client, 'rollback').then(
        () => client.release(),
        () => client.release(true),
      );
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}

/** The server and database of a URL, without user and password. */
function placeOf(databaseUrl: string): string {
  if (!URL.canParse(databaseUrl)) return 'not a URL';
  const { host, pathname } = new URL(databaseUrl);
  return `${host}${pathname}`;
}
