import { join } from 'node:path'
import {
  startChild,
  untilAnswers,
  type ChildProcess,
} from '../test/support/processes/child-process.ts'
import { findFreePort } from '../test/support/processes/free-port.ts'
import { SetupError } from './setup-error.ts'

/** One Holdfast process that this program has started. */
export interface HoldfastProcess {
  /** The name that reports say. */
  readonly name: string
  readonly pid: number
  readonly origin: string
  /** SIGTERM, then waits for its end and says how it went. Calling it again is harmless. */
  stop(): Promise<Exit>
}

export interface Exit {
  readonly name: string
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly when: 'when asked to' | 'before it was asked to'
  /** The end of what it printed. */
  readonly output: string
}

const root = join(import.meta.dirname, '..')
/** The script behind `npm start`: it builds first when the build is old. */
const program = join(root, 'scripts', 'start.js')
const readyWithinMs = 180_000
const outputCharactersMax = 8_000

/**
 * Starts a process and waits until it is ready.
 * @throws SetupError with the end of its output when it does not get ready.
 */
export async function startHoldfast(
  name: string,
  environment: Readonly<Record<string, string>>,
): Promise<HoldfastProcess> {
  const port = await findFreePort()
  const origin = `http://127.0.0.1:${port}`
  const child = startChild({
    name,
    command: [process.execPath, program],
    folder: root,
    environment: { ...process.env, HOST: '127.0.0.1', PORT: `${port}`, ...environment },
  })
  let stopping: Promise<Exit> | undefined
  const stop = (): Promise<Exit> => (stopping ??= end(child))
  if (!(await untilAnswers(child, `${origin}/readyz`, readyWithinMs))) {
    const { output } = await stop()
    throw new SetupError(`${name} did not become ready on ${origin}:\n${output}`)
  }
  return { name, pid: child.pid, origin, stop }
}

async function end(child: ChildProcess): Promise<Exit> {
  const when = child.isRunning() ? 'when asked to' : 'before it was asked to'
  await child.stop()
  const { code, signal } = await child.ended
  const output = child.output().slice(-outputCharactersMax)
  return { name: child.name, code, signal, when, output }
}
