import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
import { SetupError } from './setup-error.ts'
import { now, pause } from './time.ts'

/** Holdfast as a process of our own, on a free port, with a database that goes away with it. */
export interface ServerUnderTest {
  readonly origin: string
  readonly adminToken: string
  /** SIGTERM, wait, remove the files. Says how the process went. Calling it again is harmless. */
  stop(): Promise<Exit>
}

export interface Exit {
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
const interruptedExitCode = 130

/** @throws SetupError with the end of the program's output when it does not become ready. */
export async function startServer(holdSeconds: number): Promise<ServerUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-functional-test-'))
  const port = await freePort()
  const adminToken = secret()
  const child = spawn(process.execPath, [program], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      HOST: '127.0.0.1',
      PORT: `${port}`,
      DATABASE_PATH: join(folder, 'holdfast.db'),
      PAYMENT_SIMULATOR_PATH: join(folder, 'payment-simulator.db'),
      ADMIN_TOKEN: adminToken,
      JWT_SECRET: secret(),
      LOG_LEVEL: 'warn',
      HOLD_SECONDS: `${holdSeconds}`,
    },
  })
  const origin = `http://127.0.0.1:${port}`
  const stop = stopper(child, folder)
  if (!(await isReady(child, origin))) {
    const { output } = await stop()
    throw new SetupError(`the program did not become ready on ${origin}:\n${output}`)
  }
  return { origin, adminToken, stop }
}

/** Stops it once and remembers how it went. Whoever ends this program ends that one as well. */
function stopper(child: ChildProcess, folder: string): () => Promise<Exit> {
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
  const kill = (): void => {
    child.kill('SIGKILL')
  }
  const leave = (): void => {
    void stopOnce().then(() => process.exit(interruptedExitCode))
  }
  process.once('exit', kill).once('SIGINT', leave).once('SIGTERM', leave)
  const stop = async (): Promise<Exit> => {
    const when = isRunning(child) ? 'when asked to' : 'before it was asked to'
    child.kill('SIGTERM')
    const killer = setTimeout(kill, stopWithinMs)
    await exited
    clearTimeout(killer)
    process.off('exit', kill).off('SIGINT', leave).off('SIGTERM', leave)
    await rm(folder, { recursive: true, force: true })
    return { code: child.exitCode, signal: child.signalCode, when, output }
  }
  let stopping: Promise<Exit> | undefined
  const stopOnce = (): Promise<Exit> => (stopping ??= stop())
  return stopOnce
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

const secret = (): string => randomBytes(32).toString('hex')
