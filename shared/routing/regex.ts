import { RE2JS, RE2JSException } from 're2js'

/** A regular expression from a definition: RE2 syntax, linear time whatever the text. */
export type Regex = {
  readonly source: string
  /** Whether it can only match at the beginning of a text. */
  readonly isAnchored: boolean
  /** What every match begins with; empty when that is not known, or not anchored. */
  readonly literal: string
  /** Whether it matches anywhere in the text. */
  test(text: string): boolean
  /** Where the first match ends; -1 when there is none. */
  endOfMatch(text: string): number
}

// Numbers of re2js's compiled program, as `Inst` and `Utils` there have them.
const EMPTY_WIDTH = 4
const RUNE1 = 9
const BEGIN_TEXT = 4

/** Compiles an expression, or says in one sentence why it cannot be. */
export function compileRegex(
  source: string,
): { readonly ok: true; readonly regex: Regex } | { readonly ok: false; readonly reason: string } {
  try {
    const compiled = RE2JS.compile(source)
    const literal = anchoredLiteral(compiled)
    const regex: Regex = {
      source,
      isAnchored: literal !== null,
      literal: literal ?? '',
      test: (text) => compiled.test(text),
      endOfMatch(text) {
        const matcher = compiled.matcher(text)
        return matcher.find() ? matcher.end() : -1
      },
    }
    return { ok: true, regex }
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    const reason = error.message.replace(/^error parsing regexp: /, '')
    return { ok: false, reason: `is not a regular expression that RE2 knows: ${reason}` }
  }
}

/** A text as an expression that matches only it. */
export function quoteRegex(text: string): string {
  return RE2JS.quote(text)
}

type Instruction = {
  readonly op: number
  readonly out: number
  readonly arg: number
  readonly runes: readonly number[]
}

/**
 * The text that follows the anchor, read off the compiled program, which unlike the source has no escapes, groups or
 * flags left. Null when the program does not begin with the anchor.
 */
function anchoredLiteral(compiled: RE2JS): string | null {
  const program = compiled.re2().prog
  const instructions = program.inst as readonly Instruction[]
  let here: Instruction = program.skipNop(program.start)
  if (here.op !== EMPTY_WIDTH || (here.arg & BEGIN_TEXT) === 0) return null
  let literal = ''
  // Each round takes one character of the expression, so there are no more rounds than instructions.
  for (let round = 0; round < instructions.length; round++) {
    here = program.skipNop(here.out)
    if (here.op !== RUNE1) break
    literal += String.fromCodePoint(here.runes[0] ?? 0)
  }
  return literal
}
