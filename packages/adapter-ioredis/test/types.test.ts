import { Cluster, Redis } from 'ioredis';
import * as five from 'ioredis-5';
import { describe, it } from 'vitest';
import { ioredisAdapter } from '../src/index.ts';

describe('the types of both ioredis majors', () => {
  it('are accepted', () => {
    const accept = (): unknown[] => [
      ioredisAdapter(new Redis()),
      ioredisAdapter(new Cluster([])),
      ioredisAdapter(new five.Redis()),
      ioredisAdapter(new five.Cluster([])),
    ];
    void accept;
  });
});
