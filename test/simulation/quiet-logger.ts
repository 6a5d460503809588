import type { Logger } from '../../src/logger.ts'

type Complain = (message: string, details: unknown) => void

/** A logger that only hears what somebody has to be woken for. */
export function createSimulatedLogger(complain: Complain): Logger {
  const silent = (): void => undefined
  const error = (details: unknown, message?: string): void => {
    complain(message ?? String(details), details)
  }
  const logger = {
    trace: silent,
    debug: silent,
    info: silent,
    warn: silent,
    error,
    fatal: error,
    isLevelEnabled: () => false,
    child: () => logger,
  }
  // Of pino's logger the program uses these.
  return logger as unknown as Logger
}

export const quietLogger = createSimulatedLogger(() => undefined)
