import type { Log } from '../../src/consumer/ports.ts'

const quiet = (): void => undefined

/** For what is not about log lines. */
export const SILENT: Log = { debug: quiet, info: quiet, warn: quiet, error: quiet }
