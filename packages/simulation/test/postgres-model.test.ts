import { lockSchemaSql } from '@holdfast/adapter-postgres';
import { startPostgres } from '@holdfast/testbed';
import { expect, it } from 'vitest';
import { createRandom } from '../src/random.ts';
import { Database } from '../src/servers/postgres/database.ts';
import { Session, statementsOf } from '../src/servers/postgres/session.ts';
import {
  drawCall,
  drawConflict,
  drawLocking,
  filled,
  first,
  type Operation,
  tables,
} from './support/postgres-operations.ts';
import { PostgresWire, type Said } from './support/postgres-wire.ts';

// Another seed, or more: SIMULATION_SEED=7 SIMULATION_OPERATIONS=500000 npx vitest run packages/simulation
const seed = process.env.SIMULATION_SEED ?? new Date().toISOString().slice(0, 10);
const operations = Number(process.env.SIMULATION_OPERATIONS ?? 20_000);
const together = 100;

/** The clock of both, which stands still while they work: so what they say of times is equal, however slow the machine is. */
let nowMs = 1_000_000;
const withClockOfTest = (text: string): string =>
  text.replaceAll(/(clock|statement)_timestamp\(\)/g, "to_timestamp(current_setting('test.ms')::float8 / 1000)");

/** The model, with sessions that are asked as those of the real server are. */
function createModel() {
  const soon: { then: () => void; timer: { cancelled: boolean } }[] = [];
  const database = new Database({
    clock: () => nowMs * 1_000,
    pauseMs: () => 0,
    // Nothing here waits for so long that a time-out would end it.
    after(ms, then) {
      const timer = { cancelled: false };
      if (ms < 1) soon.push({ then, timer });
      return timer;
    },
  });
  database.administer(lockSchemaSql());
  const settle = (): void => {
    for (let next = soon.shift(); next !== undefined; next = soon.shift()) if (!next.timer.cancelled) next.then();
  };
  const heard: string[] = [];
  const notify = (_pid: number, channel: string, payload: string): void => void heard.push(`${channel} ${payload}`);
  database.listeners.add({ channels: new Set(['ch']), notify });
  return {
    heard,
    settle,
    /** Opens a session: `said` is undefined for as long as it waits. */
    open(pid: number) {
      const session = new Session(database, pid);
      return ({ sql, values }: Operation): { said: Said | undefined } => {
        const result: { said: Said | undefined } = { said: undefined };
        session.start(statementsOf(sql), sql, values, (error, answers = []) => {
          const rows = answers.flatMap((answer) => answer.rows.map((row) => row.map((value) => shown(value))));
          result.said = error === undefined ? { rows } : { error: error.code };
        });
        settle();
        return result;
      };
    },
  };
}

const shown = (value: unknown): string | null => {
  if (value === null) return null;
  return typeof value === 'boolean' ? (value ? 't' : 'f') : String(value);
};

/** Numbers that are not whole are written in more than one way. */
function canonical(said: Said): Said {
  if ('error' in said) return said;
  const number = (word: string): string => (/^-?\d+\.\d+$/.test(word) ? String(Number(Number(word).toFixed(3))) : word);
  return { rows: said.rows.map((row) => row.map((value) => value?.split(' ').map(number).join(' ') ?? null)) };
}

it(`the model of PostgreSQL answers as the real server does, ${operations} operations (seed ${seed})`, {
  timeout: 600_000,
}, async () => {
  await using server = await startPostgres();
  await server.query(withClockOfTest(lockSchemaSql()));
  const [one, two, listener] = [
    await PostgresWire.connect(server),
    await PostgresWire.connect(server),
    await PostgresWire.connect(server),
  ];
  const random = createRandom(`postgres model ${seed}`);
  const model = createModel();
  const [modelOne, modelTwo] = [model.open(1), model.open(2)];
  const done: string[] = [];
  try {
    await listener.ask('LISTEN ch');
    for (let count = 0; count < operations; count += together) await playTogether();
    for (let round = 0; round < operations / 80; round++) await playTransaction();
    await compareHeard();
  } finally {
    for (const wire of [one, two, listener]) wire.end();
  }

  function compare(text: string, got: Said, expected: Said): void {
    done.push(text);
    const [a, b] = [JSON.stringify(canonical(got)), JSON.stringify(canonical(expected))];
    if (a !== b) expect(a, `after\n${done.slice(-15).join('\n')}`).toBe(b);
  }

  /** One session: the server gets many at once, and does one after the other. */
  async function playTogether(): Promise<void> {
    const asked = Array.from({ length: together }, () => {
      nowMs += random.pick([0, 0, 0.25, 3, 60, random.chance(0.02) ? 20_000 : 1]);
      const drawn = drawCall(random);
      const text = filled(drawn);
      return {
        text,
        got: modelOne(drawn).said!,
        answer: one.ask(`SET test.ms = '${nowMs}'; ${withClockOfTest(text)}`),
      };
    });
    for (const { text, got, answer } of asked) compare(text, got, await answer);
    await compareHeard();
  }

  async function compareHeard(): Promise<void> {
    await expect.poll(() => listener.heard.length, { timeout: 20_000, interval: 2 }).toBe(model.heard.length);
    expect(listener.heard).toEqual(model.heard);
  }

  /** A transaction, and another session that may have to wait for it. */
  async function playTransaction(): Promise<void> {
    nowMs += random.pick([0, 3, 60, 6_000]);
    for (const wire of [one, two]) await wire.ask(`SET test.ms = '${nowMs}'`);
    const ask = async (drawn: Operation): Promise<void> => {
      const text = filled(drawn);
      compare(`1: ${text}`, modelOne(drawn).said!, await one.ask(withClockOfTest(text)));
    };
    await ask(first);
    await ask({ sql: 'BEGIN', values: [] });
    let blocked: { text: string; got: { said: Said | undefined }; answer: Promise<Said> } | undefined;
    const askOther = async (drawn: Operation): Promise<void> => {
      const text = filled(drawn);
      const got = modelTwo(drawn);
      const answer = two.ask(withClockOfTest(text));
      if (got.said !== undefined) return compare(`2: ${text}`, got.said, await unlessItWaits(answer));
      blocked = { text, got, answer };
      await expectToWait(`2: ${text}`, answer);
    };
    if (random.chance(0.5)) {
      const { held, wanted, meanwhile } = drawConflict(random);
      await ask(held);
      await askOther(wanted);
      if (meanwhile !== undefined) await ask(meanwhile);
    }
    for (let i = random.int(0, 8); i > 0 && blocked === undefined; i--) {
      await (random.chance(0.5) ? ask : askOther)(drawLocking(random));
    }
    await ask({ sql: random.pick(['COMMIT', 'COMMIT', 'ROLLBACK']), values: [] });
    model.settle();
    if (blocked !== undefined) compare(`2: ${blocked.text}`, blocked.got.said!, await blocked.answer);
    await ask({ sql: tables[0]!, values: [] });
  }

  /** Whether the second session waits for a lock. */
  async function isWaiting(): Promise<boolean> {
    const said = await listener.ask(
      `SELECT count(*) FROM pg_stat_activity WHERE pid = ${two.pid} AND wait_event_type = 'Lock'`,
    );
    return 'rows' in said && said.rows[0]?.[0] === '1';
  }

  /** The answer; or that it waits, for the other session, which would never end. */
  async function unlessItWaits(answer: Promise<Said>): Promise<Said> {
    for (;;) {
      const pause = new Promise<undefined>((resolve) => setTimeout(resolve, 200, undefined));
      const said = await Promise.race([answer, pause]);
      if (said !== undefined) return said;
      // Seen twice, so that it is no lock of a moment.
      if ((await isWaiting()) && (await isWaiting())) return { error: 'waits' };
    }
  }

  /** The real server says that the session waits, and does not answer instead. */
  async function expectToWait(text: string, answer: Promise<Said>): Promise<void> {
    let early: Said | undefined;
    void answer.then((said) => {
      early = said;
    });
    for (;;) {
      if (await isWaiting()) return;
      if (early !== undefined) compare(text, { error: 'waits' }, early);
    }
  }
});
