import { once } from 'node:events';
import { createConnection } from 'node:net';
import { hostAndPort } from '../../lock-url.ts';
import type { ServerReport } from './diagnosis.ts';
import { inTime, reasonOf, roundTrip } from './measure.ts';

/** Checks one server with the command `srvr`, which is allowed by default; a failure becomes part of the report. */
export async function inspectZookeeper(node: { host: string; port: number }): Promise<ServerReport> {
  const address = hostAndPort(node);
  try {
    return await inTime(async (signal) => {
      const answer = await fourLetter(node, 'srvr', signal);
      const roundTripMs = await roundTrip(() => fourLetter(node, 'srvr', signal));
      if (answer.includes('not in the whitelist')) return { address, roundTripMs };
      const role = /^Mode: (.*)$/m.exec(answer)?.[1];
      // A server without a majority answers that it is not serving.
      if (role === undefined) throw new Error(answer.trim().split('\n')[0] || 'it gave an empty answer');
      return { address, role, version: /version: ([\w.]+)/.exec(answer)?.[1], roundTripMs };
    });
  } catch (error) {
    return { address, problem: reasonOf(error) };
  }
}

/** Each command needs its own connection, so this is the time of a connection and an answer. */
async function fourLetter(node: { host: string; port: number }, word: string, signal: AbortSignal): Promise<string> {
  const socket = createConnection({ ...node, signal });
  let answer = '';
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    answer += text;
  });
  socket.write(word);
  await once(socket, 'close');
  return answer;
}
