import { pino, type DestinationStream } from 'pino'
import type { FormatLine } from './terminal-log.ts'

export type { Logger } from 'pino'

/** Strikes out what must not be read by whoever reads a log. */
export type Redact = (text: string) => string

export interface LoggerOptions {
  /** Knows the secrets of this process; without it only what looks like one is struck out. */
  readonly redact?: Redact
  /**
   * Standard output unless given, by Node's own stream: pino's flushes when the process ends, and tries
   * for ever when nobody reads.
   */
  readonly destination?: DestinationStream
  /** Turns a finished line into what a terminal shows; JSON stays JSON unless given. */
  readonly format?: FormatLine
}

/** Never in a line under these names, at the top or one level down. */
const names = ['authorization', 'cookie', 'token', 'email', 'idempotencyKey', 'paymentMethod']

/** One JSON object per line, `bindings` on each; `level` as pino names them. */
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
    // The last word on every line, whoever wrote what into which field.
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

/** Shorter ones would strike out words of everybody. */
const secretLengthMin = 8

/** Beyond ASCII; the dots are those that a domain may have there. */
const letters = '\\u0080-\\u3001\\u3003-\\uff0d\\uff0f-\\uff60\\uff62-\\uffff'
const dots = '\\u3002\\uff0e\\uff61'
/** A byte of a character beyond ASCII, as a URL has it. */
const encoded = '%[89a-f][0-9a-f]'

const looks: readonly (readonly [RegExp, string])[] = [
  [/\beyJ[\w-]+\.[\w-]*\.?[\w-]*/g, '[token]'],
  [/\bBearer +[^\s"\\]+/gi, 'Bearer [token]'],
  // Bounded, or a long line without an @ would cost its square. The @ of a URL may be encoded, even again.
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

/** For the secrets of this process, and for whatever looks like a token or an address of e-mail. */
export function createRedact(secrets: readonly string[]): Redact {
  const known = secrets
    .filter((secret) => secret.length >= secretLengthMin)
    .flatMap((secret) => [secret, escaped(secret), escaped(escaped(secret))])
    // A secret may be part of another.
    .sort((one, other) => other.length - one.length)
  return (text) => {
    let redacted = text
    for (const secret of known) redacted = redacted.replaceAll(secret, '[secret]')
    for (const [pattern, instead] of looks) redacted = redacted.replace(pattern, instead)
    return redacted
  }
}

/** As it stands in JSON; twice for JSON within a string of the line. */
const escaped = (text: string): string => JSON.stringify(text).slice(1, -1)

const causesMax = 5

/** What an error says about itself, without what it carries: parsers attach the whole input. */
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
