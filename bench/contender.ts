import { join } from 'node:path'
import { startNsqd, type NsqProcess } from '../scripts/nsqd-process.ts'
import type { Cell } from './plan.ts'
import { repository, startServer, type ServerProcess } from './processes.ts'
import { until } from './until.ts'

/** A contender's processes, ready to serve one cell. */
export interface Contender {
  /** The origins for shoppers. */
  readonly origins: readonly string[]
  readonly processes: readonly ContenderProcess[]
  /** The access of an operator; only Holdfast has it. */
  readonly admin: Admin | undefined
  /** The worker; only Holdfast over NSQ has one. */
  readonly worker: ServerProcess | undefined
  /** Stops all processes. Resolves with a text for each that did not end well. */
  stop(): Promise<readonly string[]>
}

export interface ContenderProcess {
  readonly name: string
  readonly pid: number
  /** The origin of its HTTP server; nsqd has none of this kind. */
  readonly origin?: string
  readonly inspectorUrl?: string | undefined
}

export interface Admin {
  readonly token: string
  /** The origin of an API node. */
  readonly origin: string
  /** The origins of all Holdfast processes, API nodes and worker. */
  readonly everywhere: readonly string[]
}

export interface BenchContext {
  readonly databasePath: string
  /** A folder for other files; it is removed after the cell. */
  readonly folder: string
  readonly jwtSecret: string
  readonly nsqdBinary: string | undefined
  readonly profileFolder: string | undefined
  /** `yes` when Holdfast's processes are started with an inspector, to read their heap. */
  readonly inspected: 'yes' | 'no'
}

const adminToken = 'the-operator-of-the-benchmark-0123456789'
const messageKeys = 'bench:the-message-key-of-the-benchmark'
const holdfastProgram = join(repository, 'dist', 'main.js')

export function startContender(cell: Cell, context: BenchContext): Promise<Contender> {
  switch (cell.contender) {
    case 'bare':
    case 'express':
    case 'easy':
      return startRival(cell, context)
    case 'embedded':
      return startHoldfast(cell, context, undefined)
    case 'nsq':
      return startOverNsq(cell, context)
  }
}

async function startRival(cell: Cell, context: BenchContext): Promise<Contender> {
  const server = await startServer({
    name: cell.contender,
    arguments: ['--import', 'tsx', join(import.meta.dirname, 'contenders', `${cell.contender}.ts`)],
    environment: {
      ANSWER: cell.workload === 'sold-out' ? 'sold_out' : 'held',
      DATABASE_PATH: context.databasePath,
      PAYMENT_SIMULATOR_PATH: join(context.folder, 'payment-simulator.db'),
      JWT_SECRET: context.jwtSecret,
    },
  })
  return {
    origins: [server.origin],
    processes: [server],
    admin: undefined,
    worker: undefined,
    stop: () => stopAll([server]),
  }
}

async function startOverNsq(cell: Cell, context: BenchContext): Promise<Contender> {
  if (context.nsqdBinary === undefined) throw new Error('nsqd is missing')
  const nsqd = await startNsqd({
    binary: context.nsqdBinary,
    dataPath: join(context.folder, 'nsqd'),
  })
  try {
    const holdfast = await startHoldfast(cell, context, nsqd)
    return {
      ...holdfast,
      processes: [...holdfast.processes, { name: 'nsqd', pid: nsqd.pid }],
      async stop() {
        const wrong = await holdfast.stop()
        await nsqd.dispose()
        return wrong
      },
    }
  } catch (error) {
    await nsqd.dispose()
    throw error
  }
}

async function startHoldfast(
  cell: Cell,
  context: BenchContext,
  nsqd: NsqProcess | undefined,
): Promise<Contender> {
  const roles =
    nsqd === undefined ? ['all'] : ['worker', ...Array<string>(cell.apiNodes).fill('api')]
  const starting = roles.map((role, index) => {
    const environment = { ROLE: role, ...environmentOf(cell, context, nsqd) }
    const name = `${cell.id.replace('/', '-')}.${role}-${index}`
    return startServer({ name: role, arguments: programOf(name, context), environment })
  })
  const started = await all(starting)
  try {
    await Promise.all(started.map(untilReady))
  } catch (error) {
    await stopAll(started)
    throw error
  }
  const serving = started.filter(({ name }) => name !== 'worker').map(({ origin }) => origin)
  return {
    origins: serving,
    processes: started,
    admin: {
      token: adminToken,
      origin: serving[0] ?? '',
      everywhere: started.map(({ origin }) => origin),
    },
    worker: started.find(({ name }) => name === 'worker'),
    stop: () => stopAll(started),
  }
}

function environmentOf(cell: Cell, context: BenchContext, nsqd: NsqProcess | undefined) {
  return {
    PORT: '0',
    LOG_LEVEL: 'warn',
    ADMIN_TOKEN: adminToken,
    LOCAL_ISSUER: 'on',
    JWT_SECRET: context.jwtSecret,
    // The rate limits are off, because few callers send everything here.
    SHOPPER_RATE: '0',
    ADD_TO_CART_USER_RATE: '0',
    MESSAGE_KEYS: messageKeys,
    DATABASE_PATH: context.databasePath,
    PAYMENT_SIMULATOR_PATH: join(context.folder, 'payment-simulator.db'),
    ADD_TO_CART_ROUTING: cell.routing,
    // Waiting requests must stay open while the worker is stopped, so the 202 comes very late.
    ...(cell.workload === 'waiting' && {
      NODE_ENV: 'test',
      ADD_TO_CART_WAIT_MS: '60000',
      ADD_TO_CART_MAX_AGE_MS: '60000',
    }),
    ...(nsqd !== undefined && {
      BROKER: 'nsq',
      NSQD_TCP_ADDRESSES: nsqd.tcpAddress,
      NSQD_HTTP_ADDRESSES: nsqd.httpAddress,
    }),
  }
}

function programOf(name: string, { profileFolder, inspected }: BenchContext): string[] {
  const inspect = inspected === 'yes' ? ['--inspect=127.0.0.1:0'] : []
  if (profileFolder === undefined) return [...inspect, holdfastProgram]
  const to = ['--cpu-prof-dir', profileFolder, '--cpu-prof-name', `${name}.cpuprofile`]
  return ['--cpu-prof', ...to, ...inspect, holdfastProgram]
}

const readyWithinMs = 20_000

async function untilReady({ name, origin }: ServerProcess): Promise<void> {
  const isReady = async (): Promise<boolean> => {
    const response = await fetch(`${origin}/readyz`)
    await response.arrayBuffer()
    return response.ok
  }
  await until(isReady, readyWithinMs, () => `${name} is ready`)
}

/** Waits for all starts; when one fails, the others are stopped. */
async function all(starting: readonly Promise<ServerProcess>[]): Promise<ServerProcess[]> {
  const outcomes = await Promise.allSettled(starting)
  const started = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  const failed = outcomes.find((each) => each.status === 'rejected')
  if (failed === undefined) return started
  await stopAll(started)
  throw failed.reason
}

/** Stops in reverse order of the start, so that shoppers are answered until the end. */
async function stopAll(started: readonly ServerProcess[]): Promise<readonly string[]> {
  const wrong: string[] = []
  for (const each of [...started].reverse()) {
    const why = await each.stop()
    if (why !== undefined) wrong.push(why)
  }
  return wrong
}
