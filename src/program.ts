import { randomBytes } from 'node:crypto'
import { systemClock, type Clock } from './clock.ts'
import { keepDevelopmentSecrets, secretsPath } from './config/development-secrets.ts'
import { loadConfig, readEnvironment, secretsOf, type Config, type WantedSecret } from './config.ts'
import { createHoldfast, type Holdfast } from './holdfast.ts'
import { newUuid } from './ids.ts'
import { createLogger, createRedact, type Logger, type Redact } from './logger.ts'
import { explainStart } from './start-failure.ts'
import { createSteadyClock } from './steady-clock.ts'
import { createTerminalFormat, type FormatLine } from './terminal-log.ts'

/** A stop that takes longer after `DRAIN_DELAY_MS` is given up: the services have 9 s together. */
const stopDeadlineMs = 9_500

/**
 * Runs the program in this process: environment in, signals to an orderly stop, exit codes.
 * @throws StartFailure with a sentence when something outside the program is in the way.
 */
export async function startProgram(): Promise<void> {
  const config = loadConfig(readEnvironment(), makeSecret)
  const redact = createRedact(secretsOf(config))
  const bindings = { role: config.role, node: config.nodeId }
  const format = process.stdout.isTTY ? await terminalFormat() : undefined
  const logger = createLogger(
    config.logLevel,
    bindings,
    format === undefined ? { redact } : { redact, format },
  )
  workUnread()
  endOnCrash(logger)
  try {
    const holdfast = createHoldfast(config, {
      clock: steadyClock(logger),
      newId: newUuid,
      random: Math.random,
      logger,
      defer: setImmediate,
    })
    stopOnSignals(holdfast, logger, config.drainDelayMs + stopDeadlineMs)
    await holdfast.start()
    say(banner(config, holdfast))
  } catch (error) {
    throw explainStart(redacted(error, redact), config)
  }
}

/** Development keeps what it makes beside the database; every other made value is for this run. */
function makeSecret({ name, nodeEnv, databasePath }: WantedSecret): string {
  const isKept = nodeEnv === 'development' && name !== 'NODE_ID'
  return isKept ? keepDevelopmentSecrets(databasePath)[name] : randomBytes(24).toString('base64url')
}

/** Loaded only where there is a terminal: the formatter costs 15 ms of the start. */
async function terminalFormat(): Promise<FormatLine> {
  const { prettyFactory, isColorSupported } = await import('pino-pretty')
  return createTerminalFormat(prettyFactory, isColorSupported)
}

/** The message and the stack are printed, and may quote what somebody configured. */
function redacted(error: unknown, redact: Redact): unknown {
  if (!(error instanceof Error)) return error
  error.message = redact(error.message)
  if (error.stack !== undefined) error.stack = redact(error.stack)
  return error
}

/** Holds and sales follow a clock step after it has stayed for this long. */
const stepBelievedAfterMs = 60_000

function steadyClock(logger: Logger): Clock {
  return createSteadyClock({
    clock: systemClock,
    believedAfterMs: stepBelievedAfterMs,
    onStep(stepMs) {
      logger.warn({ stepMs, believedAfterMs: stepBelievedAfterMs }, 'the clock was set')
    },
  })
}

/**
 * Ignores errors of the output: its reader may be gone (EPIPE) or its disk full, and the shop must
 * sell on.
 */
function workUnread(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
}

/**
 * Logs a crash and exits. Node would print the error with everything attached to it, also secrets.
 */
function endOnCrash(logger: Logger): void {
  process.on('uncaughtException', (error, origin) => {
    exit(1, () => {
      logger.fatal({ err: error, origin }, 'crashed')
    })
  })
}

function stopOnSignals(holdfast: Holdfast, logger: Logger, deadlineMs: number): void {
  let stopping = false
  const stop = (signal: string): void => {
    if (stopping) return
    stopping = true
    systemClock.after(deadlineMs, () => {
      exit(1, () => {
        logger.error('stopping took too long')
      })
    })
    void holdfast.stop().then(() => {
      exit(0, () => {
        logger.info('stopped')
      })
    })
    logger.info({ signal }, 'stopping')
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

function exit(code: number, sayWhy: () => void): void {
  try {
    sayWhy()
  } finally {
    process.exit(code)
  }
}

function banner(config: Config, holdfast: Holdfast): string {
  const url = holdfast.url()
  const adminUrl = holdfast.adminUrl()
  const lines = [`Holdfast listens on ${url} (role ${config.role}, broker ${config.broker})`]
  if (adminUrl !== url) lines.push(`Admin routes and metrics:  ${adminUrl}`)
  if (config.role !== 'worker') lines.push(`API documentation:  ${url}/docs`)
  lines.push(...secretLines(config))
  if (config.role !== 'worker' && config.nodeEnv !== 'production') {
    lines.push(...firstCommands(config, url, adminUrl))
  }
  return lines.join('\n')
}

function secretLines({ madeSecrets, nodeEnv, role, adminToken, databasePath }: Config): string[] {
  const where = nodeEnv === 'development' ? `kept in ${secretsPath(databasePath)}` : 'for this run'
  const lines: string[] = []
  if (madeSecrets.includes('ADMIN_TOKEN') && role !== 'worker') {
    lines.push(`Admin token, ${where}:  ${adminToken}`)
  }
  if (madeSecrets.includes('JWT_SECRET') && nodeEnv !== 'development') {
    lines.push('JWT_SECRET was made for this run: shoppers’ tokens end with it')
  }
  return lines
}

/** Two commands that do something on an empty shop: make a sale, and look at it. */
function firstCommands(config: Config, url: string, adminUrl: string): string[] {
  const token = config.madeSecrets.includes('ADMIN_TOKEN') ? config.adminToken : '$ADMIN_TOKEN'
  const sale = `{"name":"First sale","startsAt":"2020-01-01T00:00:00Z","endsAt":"2099-01-01T00:00:00Z"}`
  const headers = `-H "Authorization: Bearer ${token}" -H 'Content-Type: application/json'`
  return [
    `Try:  curl -s ${adminUrl}/v1/admin/flash-sales ${headers} -d '${sale}'`,
    `Then: curl -s ${url}/v1/flash-sales`,
  ]
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
