/** Takes one issue of a definition; `path` begins at what is being compiled. */
export type Report = (path: string, message: string) => void
