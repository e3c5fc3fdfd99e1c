import { hostAndPort, withPorts } from '../../lock-url.ts';
import { objectNames } from '../../options.ts';
import { postgresTarget } from '../../postgres-target.ts';
import { schemes } from '../../schemes.ts';
import { at, type Diagnosis } from './diagnosis.ts';
import { clockOffset, inTime, reasonOf, roundTrip } from './measure.ts';
import { postgresFindings } from './postgres-findings.ts';
import type { Target } from './target.ts';

/** Checks a PostgreSQL server, and the schema of the locks. */
export async function diagnosePostgres({ url, options: all }: Target): Promise<Diagnosis> {
  const { openFacts } = await import('@holdfast/adapter-postgres');
  const own = objectNames(schemes[url.scheme]!.options);
  const given = Object.fromEntries(Object.entries(all).filter(([name]) => own.includes(name)));
  const { target, options } = postgresTarget(url, given);
  const address = hostAndPort(withPorts(url, 5_432)[0]!);
  const server = openFacts(target, options);
  try {
    return await inTime(async () => {
      const facts = await server.facts();
      const clock = await clockOffset(() => server.timeMs());
      const roundTripMs = await roundTrip(() => server.timeMs());
      const role = facts.isStandby ? 'standby' : facts.standbys > 0 ? 'primary' : 'single';
      return {
        servers: [{ address, role, version: facts.version, roundTripMs, ...clock }],
        findings: at(address, postgresFindings(facts, options)),
      };
    });
  } catch (error) {
    return { servers: [{ address, problem: reasonOf(error) }], findings: [] };
  } finally {
    await server.close();
  }
}
