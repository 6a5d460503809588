import { SetupError } from '../../functional_test/setup-error.ts'
import {
  startChild,
  untilAnswers,
  type ChildProcess,
  type Ending,
} from '../support/processes/child-process.ts'

/**
 * One process of the shop. It can be killed, paused and stopped, and starts again on the same port.
 */
export interface Part {
  readonly name: string
  readonly origin: string
  /**
   * Starts the process and waits until it is healthy.
   * @throws SetupError when it does not get healthy.
   */
  start(): Promise<void>
  /** Sends SIGKILL. */
  kill(): Promise<void>
  /** Sends SIGSTOP; the process sleeps until `resume`. */
  pause(): Promise<void>
  resume(): void
  /** Sends SIGTERM and waits for the end. */
  stop(): Promise<void>
  /** Starts it again when it has ended by itself. */
  revive(): Promise<void>
  /** Returns every unexpected end so far. */
  mishaps(): readonly Mishap[]
}

export interface Mishap {
  /** `crash`: it ended by itself. `stop`: at SIGTERM it did not exit with 0 in time. */
  readonly kind: 'crash' | 'stop'
  readonly what: string
}

export interface PartOptions {
  readonly name: string
  /** The arguments of node. */
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly origin: string
  /** A path that answers 200 when it is up. */
  readonly health: string
}

const upWithinMs = 120_000
const outputCharactersMax = 4_000
type Order = 'SIGTERM' | 'SIGKILL'

export function createPart(options: PartOptions): Part {
  const { name, command, environment, origin, health } = options
  const mishaps: Mishap[] = []
  let child: ChildProcess | undefined
  /** Resolves when the output is read to the end and the end is noted. */
  let ended = Promise.resolve()
  let order: Order | undefined

  function note({ code, signal }: Ending, output: string): void {
    const end = signal === null ? `exit code ${code}` : `ended by ${signal}`
    const isExpected = order === 'SIGTERM' ? code === 0 : signal === order
    if (isExpected) return
    const what = `${end}\n${output.slice(-outputCharactersMax)}`.trim()
    mishaps.push({ kind: order === 'SIGTERM' ? 'stop' : 'crash', what })
  }

  async function start(): Promise<void> {
    const started = startChild({
      name,
      command: [process.execPath, ...command],
      environment: { PATH: process.env['PATH'], ...environment },
      group: 'own',
    })
    child = started
    order = undefined
    ended = started.ended.then((ending) => {
      note(ending, started.output())
    })
    if (await untilAnswers(started, `${origin}${health}`, upWithinMs)) return
    const how = started.isRunning() ? 'did not come up' : 'ended at once'
    throw new SetupError(`${name} ${how}:\n${started.output()}`)
  }

  async function end(signal: Order): Promise<void> {
    if (!child?.isRunning()) return ended
    order = signal
    await (signal === 'SIGTERM' ? child.stop() : child.kill())
    await ended
  }

  return {
    name,
    origin,
    start,
    kill: () => end('SIGKILL'),
    async pause() {
      if (!child?.isRunning()) return
      try {
        await child.pause()
      } catch (error) {
        if (child.isRunning()) throw error
      }
    },
    resume() {
      child?.signal('SIGCONT')
    },
    stop: () => end('SIGTERM'),
    async revive() {
      if (child === undefined || child.isRunning()) return
      await ended
      await start()
    },
    mishaps: () => mishaps,
  }
}
