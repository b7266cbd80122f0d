import type * as Http from 'node:http'

/**
 * node:http for everything in a gateway that needs it at run time. Importing it as a module reads all of its exports, one
 * of which loads a whole WebSocket client: 14 MB in the process, and 5 MB more in each thread, for nothing.
 */
export const http: typeof Http = process.getBuiltinModule('node:http')
