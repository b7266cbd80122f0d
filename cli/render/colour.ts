import picocolors from 'picocolors'

/** The few styles that output uses. Each returns the text itself when colour is off. */
export type Colours = {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly red: (text: string) => string
  readonly green: (text: string) => string
  readonly yellow: (text: string) => string
  readonly cyan: (text: string) => string
}

/** Styles for a stream that may carry colour or not. */
export function colours(terminal: { readonly hasColour: boolean }): Colours {
  return picocolors.createColors(terminal.hasColour)
}
