import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { request } from 'undici'
import { endWithThisProcess } from '../scripts/nsqd-process.ts'
import { SetupError } from './setup-error.ts'
import { now, pause } from './time.ts'

/** One Holdfast process that this program has started. */
export interface Child {
  /** As it is told in reports. */
  readonly name: string
  readonly pid: number
  readonly origin: string
  /** SIGTERM, wait. Says how the process went. Calling it again is harmless. */
  stop(): Promise<Exit>
}

export interface Exit {
  readonly name: string
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly when: 'when asked to' | 'before it was asked to'
  /** The end of what it wrote. */
  readonly output: string
}

const root = join(import.meta.dirname, '..')
/** What `npm start` runs: builds first when the build is old. */
const program = join(root, 'scripts', 'start.js')
const readyWithinMs = 180_000
/** DESIGN promises less than 10 s. */
const stopWithinMs = 15_000
const outputCharactersMax = 8_000

/** @throws SetupError with the end of the program's output when it does not become ready. */
export async function startChild(
  name: string,
  environment: Readonly<Record<string, string>>,
): Promise<Child> {
  const port = await freePort()
  const spawned = spawn(process.execPath, [program], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, HOST: '127.0.0.1', PORT: `${port}`, ...environment },
  })
  endWithThisProcess(spawned)
  const origin = `http://127.0.0.1:${port}`
  const stop = stopper(name, spawned)
  if (!(await isReady(spawned, origin))) {
    const { output } = await stop()
    throw new SetupError(`${name} did not become ready on ${origin}:\n${output}`)
  }
  return { name, pid: spawned.pid ?? 0, origin, stop }
}

/** Stops it once and remembers how it went. */
function stopper(name: string, child: ChildProcess): () => Promise<Exit> {
  let output = ''
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-outputCharactersMax)
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  const exited = new Promise<void>((resolve) => {
    child.once('close', resolve)
    child.once('error', (error) => {
      output += error.message
      resolve()
    })
  })
  const stop = async (): Promise<Exit> => {
    const when = isRunning(child) ? 'when asked to' : 'before it was asked to'
    child.kill('SIGTERM')
    const killer = setTimeout(() => child.kill('SIGKILL'), stopWithinMs)
    await exited
    clearTimeout(killer)
    return { name, code: child.exitCode, signal: child.signalCode, when, output }
  }
  let stopping: Promise<Exit> | undefined
  return () => (stopping ??= stop())
}

async function isReady(child: ChildProcess, origin: string): Promise<boolean> {
  const until = now() + readyWithinMs
  while (isRunning(child) && now() < until) {
    if (await answersReady(origin)) return true
    await pause(50)
  }
  return false
}

const isRunning = (child: ChildProcess): boolean =>
  child.pid !== undefined && child.exitCode === null && child.signalCode === null

async function answersReady(origin: string): Promise<boolean> {
  try {
    const response = await request(`${origin}/readyz`, { signal: AbortSignal.timeout(2_000) })
    await response.body.dump()
    return response.statusCode === 200
  } catch {
    return false
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  if (address === null || typeof address === 'string') throw new SetupError('no free port')
  return address.port
}
