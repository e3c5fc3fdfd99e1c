import type { Environment } from './environment.ts';
import type { Network } from './network.ts';

export function createNet(_network: Network, _client: number, _environment: Environment): object {
  return {};
}
