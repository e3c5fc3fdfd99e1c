import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** A resource that looks at fencing tokens, as a data base or a storage would. */
export interface Resource extends AsyncDisposable {
  /** `PUT` a token to it: 200 when the write was accepted, 409 when it had seen a higher one. */
  readonly url: string;
}

export async function startResource(): Promise<Resource> {
  let highest = 0n;
  const server = createServer(async (request, response) => {
    const token = BigInt(await text(request));
    const accepted = token >= highest;
    if (accepted) highest = token;
    response.writeHead(accepted ? 200 : 409).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
