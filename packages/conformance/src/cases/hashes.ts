/** Hashes that are at hand when somebody thinks a name too long, over bytes. */
export const HASHES: Readonly<Record<string, (bytes: Uint8Array) => number>> = {
  'FNV-1a': (bytes) => bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5) >>> 0,
  'FNV-1': (bytes) => bytes.reduce((hash, byte) => Math.imul(hash, 0x01000193) ^ byte, 0x811c9dc5) >>> 0,
  djb2: (bytes) => bytes.reduce((hash, byte) => (Math.imul(hash, 33) + byte) | 0, 5381) >>> 0,
  'djb2, xor': (bytes) => bytes.reduce((hash, byte) => Math.imul(hash, 33) ^ byte, 5381) >>> 0,
  sdbm: (bytes) => bytes.reduce((hash, byte) => (Math.imul(hash, 65_599) + byte) | 0, 0) >>> 0,
  'times 31': (bytes) => bytes.reduce((hash, byte) => (Math.imul(hash, 31) + byte) | 0, 0) >>> 0,
  'one at a time': (bytes) => {
    let hash = 0;
    for (const byte of bytes) {
      hash = (hash + byte) | 0;
      hash = (hash + (hash << 10)) | 0;
      hash ^= hash >>> 6;
    }
    hash = (hash + (hash << 3)) | 0;
    hash ^= hash >>> 11;
    return (hash + (hash << 15)) >>> 0;
  },
  'CRC-32': (bytes) => {
    let crc = ~0;
    for (const byte of bytes) crc = (crc >>> 8) ^ crcTable[(crc ^ byte) & 0xff]!;
    return ~crc >>> 0;
  },
  sum: (bytes) => bytes.reduce((sum, byte) => sum + byte, 0),
  xor: (bytes) => bytes.reduce((sum, byte, i) => sum ^ (byte << (8 * (i % 4))), 0) >>> 0,
};

const crcTable = Array.from({ length: 256 }, (_, n) => {
  let entry = n;
  for (let bit = 0; bit < 8; bit++) entry = entry & 1 ? 0xedb88320 ^ (entry >>> 1) : entry >>> 1;
  return entry;
});

/** What may be left of a hash: its low bits, its high bits. */
export const CUTS: Readonly<Record<string, (hash: number) => number>> = {
  'low 24 bits': (hash) => hash & 0xffffff,
  'high 24 bits': (hash) => hash >>> 8,
  'low 16 bits': (hash) => hash & 0xffff,
};

/** Two different endings of `base` with which it has one hash; undefined where some ten thousand have none. */
export function collision(base: string, hash: (bytes: Uint8Array) => number): readonly [string, string] | undefined {
  const seen = new Map<number, string>();
  for (let n = 0; n < 20_000; n++) {
    // Not one after another: the last bits of these hashes tell such names apart.
    const name = base + (Math.imul(n, 0x9e3779b1) >>> 0).toString(36) + n.toString(36);
    const value = hash(Buffer.from(name));
    const other = seen.get(value);
    if (other !== undefined) return [other, name];
    seen.set(value, name);
  }
  return undefined;
}
