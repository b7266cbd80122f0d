import { XML_DEPTH_MAX } from './access-limits.ts'

const NAME = '[A-Za-z_:][A-Za-z0-9_:.-]*'
const REFERENCE = /&(?!(?:[A-Za-z][A-Za-z0-9]*|#[0-9]+|#x[0-9a-fA-F]+);)/
const TAG = new RegExp(`^(/?)(${NAME})((?:\\s+${NAME}\\s*=\\s*(?:"[^"<]*"|'[^'<]*'))*)\\s*(/?)$`)
const DECLARATION = /^<\?xml\s[^?]*\?>/

/**
 * Why a text is no well-formed XML document, in one sentence; null when it is one. Names are ASCII, and there is no document
 * type: enough for what people write by hand, and nothing that a reader could take for something else.
 */
export function xmlFault(text: string): string | null {
  const open: string[] = []
  let at = DECLARATION.exec(text)?.[0].length ?? 0
  let roots = 0
  while (at < text.length) {
    const start = text.indexOf('<', at)
    const piece = text.slice(at, start < 0 ? text.length : start)
    const fault = textFault(piece, open.length)
    if (fault !== null) return fault
    if (start < 0) break
    const special = specialEnd(text, start)
    if (special === -1) return 'is no XML: something is never closed'
    if (special > 0) {
      if (open.length === 0 && text.startsWith('<![', start))
        return 'is no XML: text outside of an element'
      at = special
      continue
    }
    const end = tagEnd(text, start)
    const tag = end < 0 ? null : TAG.exec(text.slice(start + 1, end))
    if (tag === null) return `is no XML: what begins with "<" at ${start} is no tag`
    const [, slash, name = '', attributes = '', empty] = tag
    if (REFERENCE.test(attributes)) return 'is no XML: "&" begins no reference'
    if (hasTwice(attributes)) return `is no XML: <${name}> has an attribute twice`
    if (slash === '/') {
      if (empty === '/' || attributes !== '' || open.pop() !== name) {
        return `is no XML: </${name}> closes nothing`
      }
    } else {
      if (open.length === 0 && roots++ > 0) return 'is no XML: it has two roots'
      if (empty !== '/') open.push(name)
      if (open.length > XML_DEPTH_MAX)
        return `is nested deeper than ${XML_DEPTH_MAX} (XML_DEPTH_MAX)`
    }
    at = end + 1
  }
  if (open.length > 0) return `is no XML: <${open.at(-1)}> is never closed`
  return roots === 1 ? null : 'is no XML: it has no element'
}

function textFault(piece: string, depth: number): string | null {
  if (depth === 0 && piece.trim() !== '') return 'is no XML: text outside of an element'
  if (REFERENCE.test(piece)) return 'is no XML: "&" begins no reference'
  return piece.includes(']]>') ? 'is no XML: "]]>" stands in a text' : null
}

/** Where a comment, an instruction or a section of characters ends; 0 when none begins here, -1 when it never ends. */
function specialEnd(text: string, start: number): number {
  for (const [begin, end] of SPECIAL) {
    if (!text.startsWith(begin, start)) continue
    const found = text.indexOf(end, start + begin.length)
    return found < 0 ? -1 : found + end.length
  }
  return 0
}

const SPECIAL = [
  ['<!--', '-->'],
  ['<![CDATA[', ']]>'],
  ['<?', '?>'],
] as const

/** A tag ends at the first ">" outside of a value. */
function tagEnd(text: string, start: number): number {
  let quote = ''
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at] ?? ''
    if (quote !== '') {
      if (char === quote) quote = ''
    } else if (char === '"' || char === "'") quote = char
    else if (char === '>') return at
  }
  return -1
}

function hasTwice(attributes: string): boolean {
  const names = Array.from(
    attributes.matchAll(new RegExp(`(${NAME})\\s*=\\s*(?:"[^"]*"|'[^']*')`, 'g')),
    ([, name]) => name,
  )
  return new Set(names).size !== names.length
}
