/**
 * Gives the memory of a read back at once. Every read comes in memory of its own; left to the collector, an upload would
 * leave some 50 MB of it about (test/processes/large-bodies.test.ts).
 */
export function free(bytes: Buffer): void {
  const { buffer } = bytes
  // Never what is a part of something else.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length) buffer.transfer(0)
}
