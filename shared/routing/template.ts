import { quoteRegex } from './regex.ts'

/**
 * A path template taken apart. `/pets/{id}/toys` is the texts `/pets/` and `/toys` with one segment between them, and
 * the index can follow it. What it cannot follow (`{name}.json`: text after a parameter in the same segment) is left
 * to `expression`, from the last text that it can reach.
 */
export type Template = {
  /** Texts with one whole rest of a segment between each two of them. At least one; the first is the literal prefix. */
  readonly texts: readonly [string, ...string[]]
  /** What follows the last text: nothing, anything, or what `expression` says of the whole path. */
  readonly end: 'end' | 'rest' | 'expression'
  /** RE2 source for the whole path; null unless `end` is `expression`. */
  readonly expression: string | null
}

type Piece = { readonly type: 'text' | 'parameter' | 'rest'; readonly text: string }

const NAME = /^[A-Za-z_][A-Za-z0-9_-]*\*?$/

/** Takes a template apart, or says in one sentence what is wrong with it. */
export function parseTemplate(
  path: string,
):
  | { readonly ok: true; readonly template: Template }
  | { readonly ok: false; readonly reason: string } {
  const pieces = split(path)
  const reason = typeof pieces === 'string' ? pieces : whatIsWrong(pieces)
  if (typeof pieces === 'string' || reason !== null) return { ok: false, reason: reason ?? '' }
  return { ok: true, template: assemble(pieces) }
}

function split(path: string): Piece[] | string {
  const pieces: Piece[] = []
  let at = 0
  while (at < path.length) {
    if (path[at] === '}') return `has a "}" at ${at} that closes nothing`
    if (path[at] !== '{') {
      const brace = path.slice(at).search(/[{}]/)
      const end = brace < 0 ? path.length : at + brace
      pieces.push({ type: 'text', text: path.slice(at, end) })
      at = end
      continue
    }
    const close = path.indexOf('}', at)
    if (close < 0) return `has a "{" at ${at} that is never closed`
    const name = path.slice(at + 1, close)
    if (!NAME.test(name)) return `has a parameter {${name}} that is not {name} or {name*}`
    const isRest = name.endsWith('*')
    pieces.push({ type: isRest ? 'rest' : 'parameter', text: isRest ? name.slice(0, -1) : name })
    at = close + 1
  }
  return pieces
}

function whatIsWrong(pieces: readonly Piece[]): string | null {
  const seen = new Set<string>()
  for (const [at, piece] of pieces.entries()) {
    if (piece.type === 'text') continue
    const next = pieces[at + 1]
    if (seen.has(piece.text)) return `names the parameter {${piece.text}} twice`
    seen.add(piece.text)
    if (piece.type === 'rest' && next !== undefined) {
      return `has {${piece.text}*} before the end, but the rest can only come last`
    }
    if (next !== undefined && next.type !== 'text') {
      return `has {${next.text}} right behind {${piece.text}}, and nothing says where one ends`
    }
  }
  return null
}

function assemble(pieces: readonly Piece[]): Template {
  const texts: [string, ...string[]] = ['']
  for (const [at, piece] of pieces.entries()) {
    if (piece.type === 'rest') return { texts, end: 'rest', expression: null }
    if (piece.type === 'text') {
      texts[texts.length - 1] = piece.text
      continue
    }
    const next = pieces[at + 1]
    if (next !== undefined && !next.text.startsWith('/')) {
      return { texts, end: 'expression', expression: expressionOf(pieces) }
    }
    texts.push('')
  }
  return { texts, end: 'end', expression: null }
}

function expressionOf(pieces: readonly Piece[]): string {
  const kinds = { text: quoteRegex, parameter: () => '[^/]+', rest: () => '(?s:.*)' }
  return `^${pieces.map((piece) => kinds[piece.type](piece.text)).join('')}\\z`
}
