import { pino } from 'pino'

export type { Logger } from 'pino'

/** Never in a log line, wherever they turn up. */
const redact = [
  'req.headers.authorization',
  'req.headers.cookie',
  'authorization',
  'token',
  'adminToken',
  'jwtSecret',
  'messageKeys',
  'paymentMethod',
]

/** One JSON object per line on standard output; `level` as pino names them. */
export function createLogger(level: string, bindings: Readonly<Record<string, string>>) {
  return pino({ level, base: bindings, redact, timestamp: pino.stdTimeFunctions.isoTime })
}
