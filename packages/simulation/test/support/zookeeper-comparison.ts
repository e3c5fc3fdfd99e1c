import { expect } from 'vitest';
import type { Random } from '../../src/random.ts';
import type { Ensemble } from '../../src/servers/zookeeper/ensemble.ts';
import { type Names, readAnswer, sortEvents } from './zookeeper-answers.ts';
import { authenticate, closeSession, drawRequest, exists, ping, type Sent } from './zookeeper-operations.ts';
import { type Asked, connectPair, type Pair, type Side, sides } from './zookeeper-pair.ts';

export interface ComparisonTerms {
  readonly port: number;
  readonly ensemble: Ensemble;
  readonly random: Random;
  /** A time-out that no session of the test reaches, and the shortest one. */
  readonly longMs: number;
  readonly shortMs: number;
}

/** Plays the same on a real server and on the model, and compares whatever either says. */
export class Comparison {
  readonly #terms: ComparisonTerms;
  readonly #sessions = { real: new Map<bigint, string>(), model: new Map<bigint, string>() };
  readonly #names: Readonly<Record<Side, Names>> = {
    real: { zxidBase: 0n, sessions: this.#sessions.real },
    model: { zxidBase: 2n ** 32n, sessions: this.#sessions.model },
  };
  readonly #done: string[] = [];
  readonly #clients: Pair[] = [];
  #observer: Pair | undefined;
  #zxid = 0n;

  constructor(terms: ComparisonTerms) {
    this.#terms = terms;
  }

  async run(count: number): Promise<void> {
    const { random } = this.#terms;
    this.#observer = await this.#open();
    for (let i = 0; i < 4; i++) this.#clients.push(await this.#open());
    for (let played = 0; played < count; ) {
      const which = random.int(0, this.#clients.length - 1);
      if (random.chance(0.12)) await this.#changeSession(which);
      else played += await this.#play(this.#clients[which]!);
    }
    for (const { real } of [this.#observer, ...this.#clients]) real.drop();
  }

  get #member() {
    return this.#terms.ensemble.members[0]!;
  }

  get #after(): string {
    return `after\n${this.#done.slice(-100).join('\n')}`;
  }

  /** Sends requests in one piece; those of the model decide what there is to ask for. */
  async #play(client: Pair): Promise<number> {
    const { random } = this.#terms;
    const requests: Sent[] = [];
    for (let i = random.int(1, 150); i > 0; i--) {
      const request = drawRequest(random, client.xid++, this.#member.tree);
      client.model.send(request.frame);
      requests.push(request);
    }
    client.real.send(Buffer.concat(requests.map(({ frame }) => frame)));
    await this.#settle(client, requests);
    return requests.length;
  }

  async #ask(client: Pair, request: Sent): Promise<void> {
    for (const side of sides) client[side].send(request.frame);
    await this.#settle(client, [request]);
  }

  /** Everybody is asked, so that all that was to arrive has arrived, and all of it is compared. */
  async #settle(client: Pair, requests: readonly Sent[] = []): Promise<void> {
    this.#done.push(...requests.map(({ what }) => `client ${this.#clients.indexOf(client)}: ${what}`));
    for (const each of [client, ...this.#clients.filter((other) => other !== client)]) {
      // Behind the last request of a connection, a ping may be answered or not.
      const isLast = each.model.isClosed;
      const sent = [...(each === client ? requests : []), ...(isLast ? [] : [ping()])];
      if (!isLast) for (const side of sides) each[side].send(sent.at(-1)!.frame);
      const answers = (frames: readonly Buffer[]): number => frames.filter((one) => one.readInt32BE(0) !== -1).length;
      await each.real.until((frames) => !isLast && answers(frames) >= sent.length);
      const read = (side: Side): object[] =>
        sortEvents(each[side].frames.splice(0).map((frame) => readAnswer(frame, sent, this.#names[side])));
      expect(read('model'), this.#after).toEqual(read('real'));
      expect(each.model.isClosed, this.#after).toBe(each.real.isClosed);
    }
    this.#zxid = BigInt(this.#member.tree.zxid) - this.#names.model.zxidBase;
  }

  #connect(asked: Partial<Asked>, more = 0n): Promise<Pair | undefined> {
    const { port, longMs } = this.#terms;
    const seen = (side: Side): bigint => this.#zxid + more + this.#names[side].zxidBase;
    const lastZxidSeen = { real: seen('real'), model: seen('model') };
    return connectPair(port, this.#member.front, { lastZxidSeen, timeoutMs: longMs, ...asked }, this.#after);
  }

  async #open(): Promise<Pair> {
    this.#done.push('a new session');
    const client = (await this.#connect({ lastZxidSeen: { real: 0n, model: 0n } }))!;
    const name = `session ${this.#sessions.real.size + 1}`;
    for (const side of sides) this.#sessions[side].set(client.session[side].id, name);
    return client;
  }

  async #changeSession(which: number): Promise<void> {
    const { random } = this.#terms;
    const client = this.#clients[which]!;
    const changes = ['close', 'reconnect', 'take over', 'wrong password', 'too new', 'authenticate', 'expire'] as const;
    const change = random.pick(changes);
    this.#done.push(`client ${which}: ${change}`);
    switch (change) {
      case 'close':
        await this.#ask(client, closeSession(client.xid++));
        await this.#replace(which, await this.#open());
        expect(await this.#connect({ session: client.session })).toBe(undefined);
        return;
      case 'reconnect':
        for (const side of sides) client[side].drop();
        return this.#continue(which);
      case 'take over':
        await this.#continue(which);
        await client.real.until(() => false);
        expect(client.model.isClosed).toBe(true);
        return;
      case 'wrong password':
        expect(await this.#connect({ session: client.session, password: Buffer.alloc(16, 7) })).toBe(undefined);
        // The connection with the right one is closed all the same.
        return this.#continue(which);
      case 'too new':
        expect(await this.#connect({ session: client.session }, 1_000n)).toBe(undefined);
        return this.#settle(client);
      case 'authenticate': {
        const scheme = random.pick(['digest', 'digest', 'digest', 'nosuch']);
        await this.#ask(client, authenticate(scheme, random.pick(['ann:1', 'bob:2'])));
        return client.model.isClosed ? this.#continue(which) : undefined;
      }
      case 'expire':
        return this.#expire(which);
    }
  }

  async #replace(which: number, client: Pair): Promise<void> {
    this.#clients[which] = client;
    await this.#settle(client);
  }

  /** Goes on with the session, on another connection. */
  async #continue(which: number): Promise<void> {
    await this.#replace(which, (await this.#connect({ session: this.#clients[which]!.session }))!);
  }

  /** The session ends on the real server by itself, which another sees by its nodes. */
  async #expire(which: number): Promise<void> {
    const { session } = this.#clients[which]!;
    const [path] =
      [...this.#member.tree.nodes].find(([, { ephemeralOwner }]) => ephemeralOwner === session.model.id) ?? [];
    if (path === undefined) return;
    const last = (await this.#connect({ session, timeoutMs: this.#terms.shortMs }))!;
    for (const side of sides) last[side].drop();
    const { real, xid } = this.#observer!;
    for (let isThere = true; isThere; ) {
      real.send(exists(xid, path).frame);
      await real.until((frames) => frames.length > 0);
      isThere = real.frames.splice(0)[0]?.readInt32BE(12) === 0;
      if (isThere) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.#terms.ensemble.expire(session.model.id);
    await this.#replace(which, await this.#open());
  }
}
