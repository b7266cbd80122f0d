// The data-driven file format of etcd's transcripts: a command line, input lines, `----`, the expected output.

export type TraceArg = { readonly key: string; readonly values: readonly string[] }

export type TraceCase = {
  readonly line: number
  readonly command: string
  readonly args: readonly TraceArg[]
  readonly input: string
  readonly expected: string
}

/** Splits a transcript into its cases. Output that holds blank lines stands between doubled `----`. */
export function parseTrace(text: string): TraceCase[] {
  const lines = text.split('\n')
  const cases: TraceCase[] = []
  let at = 0
  while (at < lines.length) {
    let directive = (lines[at] ?? '').trim()
    const line = at + 1
    at++
    if (directive === '' || directive.startsWith('#')) continue
    while (directive.endsWith('\\'))
      directive = `${directive.slice(0, -1)} ${(lines[at++] ?? '').trim()}`
    const input: string[] = []
    while (at < lines.length && lines[at] !== '----') input.push(lines[at++] ?? '')
    if (at >= lines.length) throw new Error(`line ${line}: no ---- after ${directive}`)
    at++
    const isDoubled = lines[at] === '----'
    if (isDoubled) at++
    const expected: string[] = []
    while (at < lines.length) {
      if (isDoubled && lines[at] === '----' && lines[at + 1] === '----') break
      if (!isDoubled && (lines[at] ?? '').trim() === '') break
      expected.push(lines[at++] ?? '')
    }
    if (isDoubled) at += 2
    const [command, args] = parseDirective(directive)
    cases.push({
      line,
      command,
      args,
      input: input.join('\n').trim(),
      expected: expected.join('\n'),
    })
  }
  return cases
}

/** `name key key=value key=(a,b)`; keys without values keep their quotes. */
export function parseDirective(directive: string): [string, TraceArg[]] {
  const tokens = directive.match(/[^\s=]+=\([^)]*\)|"(?:[^"\\]|\\.)*"|\S+/g) ?? []
  const [command, ...rest] = tokens
  if (command === undefined) throw new Error(`no command in ${directive}`)
  const args = rest.map((token): TraceArg => {
    const equals = token.startsWith('"') ? -1 : token.indexOf('=')
    if (equals < 0) return { key: token, values: [] }
    const value = token.slice(equals + 1)
    const isList = value.startsWith('(') && value.endsWith(')')
    const inner = isList ? value.slice(1, -1).trim() : value
    const values = isList ? (inner === '' ? [] : inner.split(/\s*,\s*|\s+/)) : [inner]
    return { key: token.slice(0, equals), values }
  })
  return [command, args]
}
