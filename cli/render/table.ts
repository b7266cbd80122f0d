import Table from 'cli-table3'

const NO_BORDERS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
}

/**
 * Rows under a heading, in columns, without borders or trailing spaces, with a final newline. Columns that hold only
 * numbers stand to the right. Control characters are shown as `?`, so that a definition cannot drive the terminal.
 */
export function renderTable(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const table = new Table({
    head: [...head],
    colAligns: head.map((_, at) => (isNumeric(rows, at) ? 'right' : 'left')),
    chars: NO_BORDERS,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  })
  for (const row of rows) table.push(row.map((cell) => printable(String(cell))))
  return `${table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')}\n`
}

/** Text for one cell or line: control characters (but our own colours) become `?`. */
export function printable(text: string): string {
  // Only the colour sequences that this program makes itself may pass.
  // oxlint-disable-next-line no-control-regex -- escape sequences begin with a control character
  return text.replace(/\u001b\[\d{1,2}m|([\u0000-\u001f\u007f-\u009f])/g, (found, control) =>
    control === undefined ? found : '?',
  )
}

function isNumeric(rows: readonly (readonly (string | number)[])[], at: number): boolean {
  return rows.length > 0 && rows.every((row) => typeof row[at] === 'number')
}
