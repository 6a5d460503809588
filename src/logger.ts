import { pino, type DestinationStream } from 'pino'
import type { FormatLine } from './terminal-log.ts'

export type { Logger } from 'pino'

/** Removes everything from a text that readers of a log must not see. */
export type Redact = (text: string) => string

export interface LoggerOptions {
  /** Removes the secrets of this process; without it only texts that look like secrets are removed. */
  readonly redact?: Redact
  /**
   * Standard output unless given, by Node's own stream: pino's flushes when the process ends, and tries
   * for ever when nobody reads.
   */
  readonly destination?: DestinationStream
  /** Turns a finished line into what a terminal shows; JSON stays JSON unless given. */
  readonly format?: FormatLine
}

/** The values under these names are removed from every line, at the top or one level down. */
const names = ['authorization', 'cookie', 'token', 'email', 'idempotencyKey', 'paymentMethod']

/** Makes a logger that writes one JSON object per line with `bindings`; `level` is one of pino's. */
export function createLogger(
  level: string,
  bindings: Readonly<Record<string, string>>,
  { redact = createRedact([]), destination = standardOutput, format }: LoggerOptions = {},
) {
  const options = {
    level,
    base: bindings,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: [...names, ...names.map((name) => `*.${name}`)],
    serializers: { err: describeError },
    // This runs last on every line, so that no field escapes it.
    hooks: { streamWrite: redact },
  }
  if (format === undefined) return pino(options, destination)
  // A format undoes the escapes of JSON, so what it makes is looked at once more.
  return pino(options, {
    write(line) {
      destination.write(redact(format(line)))
    },
  })
}

const standardOutput: DestinationStream = {
  write(line) {
    process.stdout.write(line)
  },
}

/** Shorter secrets would remove ordinary words. */
const secretLengthMin = 8

/** Beyond ASCII; the dots are those that a domain may have there. */
const letters = '\\u0080-\\u3001\\u3003-\\uff0d\\uff0f-\\uff60\\uff62-\\uffff'
const dots = '\\u3002\\uff0e\\uff61'
/** A byte of a character beyond ASCII, as a URL has it. */
const encoded = '%[89a-f][0-9a-f]'

const looks: readonly (readonly [RegExp, string])[] = [
  [/\beyJ[\w-]+\.[\w-]*\.?[\w-]*/g, '[token]'],
  [/\bBearer +[^\s"\\]+/gi, 'Bearer [token]'],
  // The lengths are bounded, or a long line without an @ would take quadratic time. The @ of a URL may be
  // encoded, even twice.
  // Characters beyond ASCII are all taken for letters: classes by script (`\p{L}`) take fifteen times as long.
  [
    new RegExp(
      `[\\w.+%'${letters}${dots}-]{1,64}(?:@|%(?:25){0,3}40)` +
        `(?:[\\w${letters}-]|${encoded}){1,63}(?:[.${dots}](?:[\\w${letters}-]|${encoded}){1,63}){0,8}` +
        `[.${dots}](?:[a-z${letters}][a-z0-9${letters}-]{1,62}|(?:${encoded}){2,63})`,
      'gi',
    ),
    '[address]',
  ],
]

/** Makes the redaction of these secrets and of every text that looks like a token or an e-mail address. */
export function createRedact(secrets: readonly string[]): Redact {
  const known = secrets
    .filter((secret) => secret.length >= secretLengthMin)
    .flatMap((secret) => [secret, escaped(secret), escaped(escaped(secret))])
    // Longer secrets come first, because a secret may be part of another.
    .sort((one, other) => other.length - one.length)
  return (text) => {
    let redacted = text
    for (const secret of known) redacted = redacted.replaceAll(secret, '[secret]')
    for (const [pattern, instead] of looks) redacted = redacted.replace(pattern, instead)
    return redacted
  }
}

/** Escapes a text as JSON does; applied twice for JSON within a string of the line. */
const escaped = (text: string): string => JSON.stringify(text).slice(1, -1)

const causesMax = 5

/** Returns the message and the stack of an error without attached data: parsers attach the whole input. */
export function describeError(error: unknown): unknown {
  return describe(error, 0)
}

function describe(error: unknown, depth: number): unknown {
  if (!(error instanceof Error) || depth > causesMax) return { message: String(error) }
  const { name, message, stack, cause } = error
  const { code } = error as NodeJS.ErrnoException
  return {
    type: name,
    message,
    stack,
    ...(code !== undefined && { code }),
    ...(cause !== undefined && { cause: describe(cause, depth + 1) }),
  }
}
