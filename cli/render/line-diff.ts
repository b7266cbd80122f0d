import { DIFF_EDITS_MAX } from '../../shared/limits.ts'

/** One line of a difference between two texts. */
export type DiffLine = { readonly type: 'same' | 'removed' | 'added'; readonly text: string }

/**
 * The shortest difference between two texts by lines (Myers, "An O(ND) Difference Algorithm", 1986). Beyond
 * DIFF_EDITS_MAX edits it shows all of one, then all of the other: nobody reads those line by line.
 */
export function diffLines(before: string, after: string): readonly DiffLine[] {
  const a = linesOf(before)
  const b = linesOf(after)
  const trace = traceEdits(a, b)
  if (trace === null) {
    return [...a.map((text) => line('removed', text)), ...b.map((text) => line('added', text))]
  }
  return walkBack(a, b, trace)
}

/** Only what differs, with `context` equal lines around it; `null` stands for lines that were left out. */
export function withContext(
  lines: readonly DiffLine[],
  context: number,
): readonly (DiffLine | null)[] {
  const isNear = lines.map(() => false)
  lines.forEach(({ type }, at) => {
    if (type === 'same') return
    const last = Math.min(lines.length - 1, at + context)
    for (let near = Math.max(0, at - context); near <= last; near++) isNear[near] = true
  })
  const kept: (DiffLine | null)[] = []
  lines.forEach((entry, at) => {
    if (isNear[at] === true) kept.push(entry)
    else if (kept.length > 0 && kept.at(-1) !== null) kept.push(null)
  })
  if (kept.at(-1) === null) kept.pop()
  return kept
}

/** The furthest reach on each diagonal k = x - y, after each number of edits; null beyond the bound. */
function traceEdits(a: readonly string[], b: readonly string[]): Int32Array[] | null {
  const editsMax = Math.min(a.length + b.length, DIFF_EDITS_MAX)
  const middle = editsMax + 1
  const reach = new Int32Array(2 * middle + 1)
  const trace: Int32Array[] = []
  for (let edits = 0; edits <= editsMax; edits++) {
    trace.push(reach.slice(middle - edits - 1, middle + edits + 2))
    for (let k = -edits; k <= edits; k += 2) {
      const down = reach[middle + k + 1] ?? 0
      const right = (reach[middle + k - 1] ?? 0) + 1
      let x = k === -edits || (k !== edits && right <= down) ? down : right
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++
      reach[middle + k] = x
      if (x >= a.length && x - k >= b.length) return trace
    }
  }
  return null
}

function walkBack(
  a: readonly string[],
  b: readonly string[],
  trace: readonly Int32Array[],
): DiffLine[] {
  const lines: DiffLine[] = []
  let x = a.length
  let y = b.length
  for (let edits = trace.length - 1; edits >= 0; edits--) {
    const reach = trace[edits] ?? new Int32Array()
    const k = x - y
    // `reach` holds diagonals -edits-1 to edits+1.
    const down = reach[k + 1 + edits + 1] ?? 0
    const right = (reach[k - 1 + edits + 1] ?? 0) + 1
    const isDown = k === -edits || (k !== edits && right <= down)
    const startX = edits === 0 ? 0 : isDown ? down : right - 1
    const startY = edits === 0 ? 0 : isDown ? down - (k + 1) : right - 1 - (k - 1)
    while (x > startX && y > startY && x > 0 && y > 0 && a[x - 1] === b[y - 1]) {
      lines.push(line('same', a[x - 1] ?? ''))
      x--
      y--
    }
    if (edits === 0) break
    if (isDown) lines.push(line('added', b[y - 1] ?? ''))
    else lines.push(line('removed', a[x - 1] ?? ''))
    x = startX
    y = startY
  }
  return lines.toReversed()
}

function line(type: DiffLine['type'], text: string): DiffLine {
  return { type, text }
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n')
}
