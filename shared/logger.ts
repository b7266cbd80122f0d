/** The part of pino that shells use, so that a test can pass any sink. `fields` come first, as in pino. */
export type Logger = {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Drops everything. */
export const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} }
