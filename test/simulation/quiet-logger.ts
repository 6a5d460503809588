import type { Logger } from '../../src/logger.ts'

type OnError = (message: string, details: unknown) => void

/** Makes a logger that passes on errors and drops everything below. */
export function createSimulatedLogger(onError: OnError): Logger {
  const silent = (): void => undefined
  const error = (details: unknown, message?: string): void => {
    onError(message ?? String(details), details)
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
  // The program uses only these members of pino's logger.
  return logger as unknown as Logger
}

export const quietLogger = createSimulatedLogger(() => undefined)
