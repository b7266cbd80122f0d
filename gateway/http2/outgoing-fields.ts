/** Fields that HTTP/1.1 has in place of something else in HTTP/2, or that concern one connection (RFC 9113 8.2.2). */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

/** Adds the fields of lines, each with its CRLF, to a list of names and values as HTTP/2 takes it. */
export function addLines(into: string[], lines: string): void {
  for (let at = 0; at < lines.length;) {
    const end = lines.indexOf('\r\n', at)
    const colon = lines.indexOf(':', at)
    const name = lines.slice(at, colon).toLowerCase()
    if (!LEFT_OUT.has(name)) into.push(name, valueIn(lines, colon + 1, end))
    at = end + 2
  }
}

/** The same as an object, for what takes no list. Fields of the same name are an array. */
export function fieldObject(lines: string): Record<string, string | string[]> {
  const list: string[] = []
  addLines(list, lines)
  const object: Record<string, string | string[]> = {}
  for (let i = 0; i + 1 < list.length; i += 2) {
    const name = list[i] ?? ''
    const value = list[i + 1] ?? ''
    const before = object[name]
    if (before === undefined) object[name] = value
    else if (typeof before === 'string') object[name] = [before, value]
    else before.push(value)
  }
  return object
}

function valueIn(lines: string, from: number, to: number): string {
  let start = from
  let end = to
  while (start < end && isBlank(lines.charCodeAt(start))) start++
  while (end > start && isBlank(lines.charCodeAt(end - 1))) end--
  return lines.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9
}
