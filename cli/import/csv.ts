import { UsageError } from '../failures.ts'

/** One record of a CSV text, and the line on which it begins, from 1. */
export type CsvRecord = { readonly line: number; readonly cells: readonly string[] }

/**
 * Records of CSV as RFC 4180 has it: cells between commas, in double quotes where they hold commas, quotes (twice) or
 * line breaks; lines end with LF or CRLF. Empty lines are left out. Throws UsageError for a quote that is never closed,
 * or that stands where none may.
 */
export function* csvRecords(text: string): Generator<CsvRecord> {
  let at = 0
  let line = 1
  while (at < text.length) {
    const start = line
    const cells: string[] = []
    for (;;) {
      const cell = text[at] === '"' ? quoted(text, at, line) : plain(text, at, line)
      cells.push(cell.text)
      at = cell.end
      line += cell.breaks
      if (text[at] !== ',') break
      at++
    }
    if (text[at] === '\r') at++
    at++
    line++
    if (cells.length > 1 || cells[0] !== '') yield { line: start, cells }
  }
}

type Cell = { readonly text: string; readonly end: number; readonly breaks: number }

function plain(text: string, from: number, line: number): Cell {
  let end = from
  while (end < text.length && !isEnd(text, end)) {
    if (text[end] === '"')
      throw new UsageError(`line ${line}: a quote stands in a cell without quotes`)
    end++
  }
  return { text: text.slice(from, end).trim(), end, breaks: 0 }
}

function quoted(text: string, from: number, line: number): Cell {
  let content = ''
  let start = from + 1
  for (;;) {
    const quote = text.indexOf('"', start)
    if (quote === -1) throw new UsageError(`line ${line}: a quote is never closed`)
    content += text.slice(start, quote)
    if (text[quote + 1] === '"') {
      content += '"'
      start = quote + 2
      continue
    }
    const end = quote + 1
    if (end < text.length && !isEnd(text, end))
      throw new UsageError(`line ${line}: something stands behind a closing quote`)
    return { text: content, end, breaks: content.split('\n').length - 1 }
  }
}

function isEnd(text: string, at: number): boolean {
  const character = text[at]
  return character === ',' || character === '\n' || (character === '\r' && text[at + 1] === '\n')
}
