import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'undici'
import { endWithThisProcess, pauseChild } from '../scripts/nsqd-process.ts'
import { SetupError } from '../functional_test/setup-error.ts'
import { now, pause } from '../functional_test/time.ts'

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
  /** SIGTERM. The exit code; null when it had to be killed. */
  stop(): Promise<number | null>
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

export function createPart(options: PartOptions): Part {
  const { name, command, environment, origin, health } = options
  let child: ChildProcess | undefined
  let output = ''

  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-outputCharactersMax)
  }

  async function start(): Promise<void> {
    const started = spawn(process.execPath, command, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', ...environment },
      // Ctrl-C is for us; we end the others in order.
      detached: true,
    })
    child = started
    started.stdout.on('data', keep)
    started.stderr.on('data', keep)
    endWithThisProcess(started)
    const deadline = now() + upWithinMs
    while (!(await isUp(`${origin}${health}`))) {
      if (hasEnded(started)) throw new SetupError(`${name} ended at once:\n${output}`)
      if (now() > deadline) throw new SetupError(`${name} did not come up:\n${output}`)
      await pause(25)
    }
  }

  async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    if (child === undefined) return 0
    const ending = child
    if (hasEnded(ending)) return ending.exitCode
    const exited = once(ending, 'exit')
    ending.kill(signal)
    if (signal === 'SIGTERM') ending.kill('SIGCONT')
    const killLater = setTimeout(() => ending.kill('SIGKILL'), stopWithinMs)
    await exited
    clearTimeout(killLater)
    return ending.exitCode
  }

  return {
    ...{ name, origin, start },
    async kill() {
      await end('SIGKILL')
    },
    async pause() {
      if (child !== undefined) await pauseChild(child)
    },
    resume() {
      child?.kill('SIGCONT')
    },
    stop: () => end('SIGTERM'),
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
