import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'undici'
import { endWithThisProcess, pauseChild } from '../../scripts/nsqd-process.ts'
import { SetupError } from '../../functional_test/setup-error.ts'
import { now, pause } from '../../functional_test/time.ts'

/** One process of the shop that can be treated badly and comes back to the same port. */
export interface Part {
  readonly name: string
  readonly origin: string
  /** @throws SetupError when it does not come up. */
  start(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGSTOP, until `resume`. */
  pause(): Promise<void>
  resume(): void
  /** SIGTERM. */
  stop(): Promise<void>
  /** Starts it again when it has ended by itself. */
  revive(): Promise<void>
  /** Every end it should not have had, so far. */
  mishaps(): readonly Mishap[]
}

export interface Mishap {
  /** It ended and nobody had asked for that; or told to stop it did anything but exit with 0. */
  readonly kind: 'crash' | 'stop'
  readonly what: string
}

export interface PartOptions {
  readonly name: string
  /** Of node. */
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly origin: string
  /** A path that answers 200 when it is up. */
  readonly health: string
}

const upWithinMs = 60_000
/** It promises less than ten seconds. */
const stopWithinMs = 15_000
const outputCharactersMax = 4_000
type Ending = 'SIGTERM' | 'SIGKILL'

export function createPart(options: PartOptions): Part {
  const { name, command, environment, origin, health } = options
  const mishaps: Mishap[] = []
  let child: ChildProcess | undefined
  /** When its output is read to the end and its end is noted. */
  let ended = Promise.resolve()
  let askedTo: Ending | undefined
  let output = ''

  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-outputCharactersMax)
  }

  function note(code: number | null, signal: NodeJS.Signals | null): void {
    const how = `${signal === null ? `exit code ${code}` : `ended by ${signal}`}\n${output}`.trim()
    const isExpected = askedTo === 'SIGTERM' ? code === 0 : signal === askedTo
    if (!isExpected) mishaps.push({ kind: askedTo === 'SIGTERM' ? 'stop' : 'crash', what: how })
  }

  async function start(): Promise<void> {
    const started = spawn(process.execPath, command, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', ...environment },
      // Ctrl-C is for us; we end the others in order.
      detached: true,
    })
    child = started
    askedTo = undefined
    output = ''
    started.stdout.on('data', keep)
    started.stderr.on('data', keep)
    ended = once(started, 'close').then(([code, signal]) => {
      note(code as number | null, signal as NodeJS.Signals | null)
    })
    endWithThisProcess(started)
    const deadline = now() + upWithinMs
    while (!(await isUp(`${origin}${health}`))) {
      if (hasEnded(started)) throw new SetupError(`${name} ended at once:\n${output}`)
      if (now() > deadline) throw new SetupError(`${name} did not come up:\n${output}`)
      await pause(25)
    }
  }

  async function end(signal: Ending): Promise<void> {
    if (child === undefined || hasEnded(child)) return ended
    const ending = child
    askedTo = signal
    ending.kill(signal)
    if (signal === 'SIGTERM') ending.kill('SIGCONT')
    const killLater = setTimeout(() => ending.kill('SIGKILL'), stopWithinMs)
    await ended
    clearTimeout(killLater)
  }

  return {
    name,
    origin,
    start,
    kill: () => end('SIGKILL'),
    async pause() {
      if (child === undefined || hasEnded(child)) return
      try {
        await pauseChild(child)
      } catch (error) {
        if (!hasEnded(child)) throw error
      }
    },
    resume() {
      child?.kill('SIGCONT')
    },
    stop: () => end('SIGTERM'),
    async revive() {
      if (child === undefined || !hasEnded(child)) return
      await ended
      await start()
    },
    mishaps: () => mishaps,
  }
}

const hasEnded = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null

async function isUp(url: string): Promise<boolean> {
  try {
    const { statusCode, body } = await request(url, { signal: AbortSignal.timeout(1_000) })
    await body.dump()
    return statusCode === 200
  } catch {
    return false
  }
}
