/**
 * Lines of a UTF-8 stream, without their newlines; empty ones are left out, and so is an end without a newline, since
 * it was cut off. Throws when a line is longer than `bytesMax`.
 */
export async function* splitLines(
  stream: AsyncIterable<Uint8Array>,
  bytesMax: number,
): AsyncGenerator<string> {
  let pieces: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of stream) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([...pieces, chunk.subarray(start, end)]).toString('utf8')
      pieces = []
      bytes = 0
      start = end + 1
      if (line !== '') yield line
    }
    bytes += chunk.length - start
    if (bytes > bytesMax) throw new Error(`a line is longer than ${bytesMax} bytes`)
    if (start < chunk.length) pieces.push(chunk.subarray(start))
  }
}

const NEWLINE = 10
