import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findNsqBinary } from '../scripts/nsqd-binary.ts'
import { startNsqd, type NsqProcess } from '../scripts/nsqd-process.ts'
import { startHoldfast, type Exit, type HoldfastProcess } from './holdfast-process.ts'
import type { Target } from './options.ts'
import { SetupError } from './setup-error.ts'

/** Holdfast as processes of this run, on free ports, with a temporary database. */
export interface Program {
  /** The origins of the API nodes. */
  readonly origins: readonly string[]
  readonly adminToken: string
  readonly processes: readonly RunningProcess[]
  /**
   * Stops all processes and removes the files. Resolves with how each ended. It may be called
   * again.
   */
  stop(): Promise<readonly Exit[]>
}

export interface RunningProcess {
  /** The name in reports. */
  readonly name: string
  readonly pid: number
  /** The origin of `/metrics`; null without metrics. */
  readonly metricsOrigin: string | null
}

type OwnProgram = Extract<Target, { kind: 'own program' }>

/** The processes started so far; a failed start stops them. */
interface Started {
  readonly folder: string
  readonly children: HoldfastProcess[]
  nsqd: NsqProcess | undefined
}

const interruptedExitCode = 130
const signals = ['SIGINT', 'SIGTERM'] as const

/**
 * Starts Holdfast and waits until all processes are ready.
 * @throws SetupError with the end of a process's output when it does not get ready.
 */
export async function startProgram(target: OwnProgram): Promise<Program> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-functional-test-'))
  const started: Started = { folder, children: [], nsqd: undefined }
  const stop = stopper(started)
  const adminToken = secret()
  const environment = {
    DATABASE_PATH: join(folder, 'holdfast.db'),
    PAYMENT_SIMULATOR_PATH: join(folder, 'payment-simulator.db'),
    ADMIN_TOKEN: adminToken,
    JWT_SECRET: secret(),
    LOG_LEVEL: 'warn',
    HOLD_SECONDS: `${target.holdSeconds}`,
    BROKER: target.broker,
  }
  try {
    const apis = await start(started, target, environment)
    return {
      origins: apis.map((api) => api.origin),
      adminToken,
      processes: processesOf(started),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function processesOf({ children, nsqd }: Started): RunningProcess[] {
  const ours = children.map(({ name, pid, origin }) => ({ name, pid, metricsOrigin: origin }))
  return nsqd === undefined ? ours : [...ours, { name: 'nsqd', pid: nsqd.pid, metricsOrigin: null }]
}

/** Resolves with the processes that serve shoppers. */
async function start(
  started: Started,
  { broker, apiNodes }: OwnProgram,
  environment: Readonly<Record<string, string>>,
): Promise<readonly HoldfastProcess[]> {
  const startOne = async (name: string, role: string, more = {}): Promise<HoldfastProcess> => {
    const child = await startHoldfast(name, { ...environment, ROLE: role, ...more })
    started.children.push(child)
    return child
  }
  switch (broker) {
    case 'embedded':
      return [await startOne('program', 'all')]
    case 'nsq': {
      const nsqd = await startNsqd({ binary: await requireNsqd() })
      started.nsqd = nsqd
      const more = { NSQD_TCP_ADDRESSES: nsqd.tcpAddress, NSQD_HTTP_ADDRESSES: nsqd.httpAddress }
      await startOne('worker', 'worker', more)
      const apis: HoldfastProcess[] = []
      while (apis.length < apiNodes) {
        const name = apiNodes === 1 ? 'api' : `api ${apis.length + 1}`
        apis.push(await startOne(name, 'api', more))
      }
      return apis
    }
  }
}

async function requireNsqd(): Promise<string> {
  const said: string[] = []
  const say = (line: string): void => void said.push(line)
  const binary = await findNsqBinary('nsqd', { environment: process.env, say })
  if (binary === undefined) throw new SetupError(`--broker nsq needs nsqd: ${said.join('; ')}`)
  return binary
}

/** Makes the stop of all processes; it also runs when this process ends. */
function stopper(started: Started): Program['stop'] {
  const stop = async (): Promise<readonly Exit[]> => {
    // API nodes stop first: their accepted requests need the worker and nsqd.
    const exits: Exit[] = []
    for (const child of started.children.toReversed()) exits.push(await child.stop())
    await started.nsqd?.dispose()
    for (const signal of signals) process.off(signal, leave)
    await rm(started.folder, { recursive: true, force: true })
    return exits
  }
  let stopping: Promise<readonly Exit[]> | undefined
  const stopOnce = (): Promise<readonly Exit[]> => (stopping ??= stop())
  const leave = (): void => {
    void stopOnce().then(() => process.exit(interruptedExitCode))
  }
  for (const signal of signals) process.on(signal, leave)
  return stopOnce
}

const secret = (): string => randomBytes(32).toString('hex')
