import pg from 'pg';
import { Answers } from './answers.js';
import { Completions } from './completions.js';
import { connectionError, connectionOf, queryBounds } from './connection.js';
import { Corpora } from './corpora.js';
import { run, type Db } from './db.js';
import { Gates } from './gates.js';
import { KnowledgeBases } from './knowledge-bases.js';
import { asOutage, LedgerUnavailable } from './outage.js';
import { Policies } from './policies.js';
import { Proposals } from './proposals.js';
import { ReadModel } from './read-model.js';
import { Releases } from './releases.js';
import { Reports } from './reports.js';
import { Rounds } from './rounds.js';
import { Runs } from './runs.js';
import { Selections } from './selections.js';
import { ServedAdapters } from './served-adapters.js';
import { TenantPolicies } from './tenant-policies.js';
import { Trials } from './trials.js';

/** The ledger's queries by topic, on a pool or within one transaction. */
export class Queries {
  readonly rounds: Rounds;
  readonly runs: Runs;
  readonly corpora: Corpora;
  readonly knowledgeBases: KnowledgeBases;
  readonly completions: Completions;
  readonly proposals: Proposals;
  readonly trials: Trials;
  readonly answers: Answers;
  readonly selections: Selections;
  readonly policies: Policies;
  readonly reports: Reports;
  readonly gates: Gates;
  readonly releases: Releases;
  readonly servedAdapters: ServedAdapters;
  readonly tenantPolicies: TenantPolicies;
  readonly readModel: ReadModel;

  constructor(db: Db) {
    this.rounds = new Rounds(db);
    this.runs = new Runs(db);
    this.corpora = new Corpora(db);
    this.knowledgeBases = new KnowledgeBases(db);
    this.completions = new Completions(db);
    this.proposals = new Proposals(db);
    this.trials = new Trials(db);
    this.answers = new Answers(db);
    this.selections = new Selections(db);
    this.policies = new Policies(db);
    this.reports = new Reports(db);
    this.gates = new Gates(db);
    this.releases = new Releases(db);
    this.servedAdapters = new ServedAdapters(db);
    this.tenantPolicies = new TenantPolicies(db);
    this.readModel = new ReadModel(db);
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
   * @throws LedgerUnavailable where the server does not answer
   * @throws Error with the server's reason where it refuses
   */
  static async connect(databaseUrl: string, { connections = 10 } = {}): Promise<Ledger> {
    const pool = new pg.Pool({ ...connectionOf(databaseUrl), ...queryBounds, max: connections });
    // An idle connection that breaks is replaced by the next query, which reports what it meets; unheard, it would end the process.
    pool.on('error', ignore);
    try {
      await pool.query('select 1');
    } catch (error) {
      await pool.end();
      throw connectionError(error, databaseUrl);
    }
    return new Ledger(pool);
  }

  /**
   * Runs `work` in one transaction: all of its writes are seen at once, or none. A connection that is lost within it
   * ends this transaction alone. (The libraries above `pg`, such as kysely, listen to such a connection no more than
   * its pool does; those that do listen bring their own driver or query language.)
   */
  async transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    const client = await this.pool.connect().catch((error: unknown) => {
      throw asOutage(error);
    });
    // The query under way reports a lost connection; unheard, its event would end the process.
    client.on('error', ignore);
    try {
      await run(client, 'begin');
      const result = await work(new Queries(client));
      await run(client, 'commit');
      client.release();
      return result;
    } catch (error) {
      // a connection that is lost, or cannot even roll back, is dropped, which rolls back too
      if (error instanceof LedgerUnavailable) client.release(true);
      else {
        await run(client, 'rollback').then(
          () => client.release(),
          () => client.release(true),
        );
      }
      throw error;
    } finally {
      client.off('error', ignore);
    }
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}

function ignore(): void {
  // the user of the connection gets the error too
}
