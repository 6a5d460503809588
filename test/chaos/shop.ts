import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SetupError } from '../../functional_test/setup-error.ts'
import { findNsqBinary } from '../../scripts/nsqd-binary.ts'
import { startNsqd, type NsqProcess } from '../../scripts/nsqd-process.ts'
import { findFreePorts } from '../support/processes/free-port.ts'
import { createPart, type Part } from './part.ts'

/** All processes of a shop on loopback addresses, with temporary files. */
export interface Shop {
  readonly nsqd: NsqProcess
  readonly provider: Part
  readonly worker: Part
  readonly apis: readonly Part[]
  /** All processes except nsqd. */
  readonly parts: readonly Part[]
  readonly adminToken: string
  readonly databasePath: string
  /** Stops all processes in order. It may be called again. */
  stop(): Promise<void>
}

const root = join(import.meta.dirname, '..', '..')
const program = [join(root, 'dist', 'main.js')]
const simulator = ['--import', 'tsx', join(root, 'scripts', 'payment-simulator.ts')]
/** Holds are short, so that abandoned ones come back while other bots still want them. */
const holdSeconds = 6
const apiNodes = 2

/**
 * Starts nsqd, the payment provider, a worker and two API nodes.
 * @throws SetupError
 */
export async function startShop(): Promise<Shop> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-chaos-'))
  const nsqd = await startNsqd({ binary: await requireNsqd() })
  const shop = await prepareShop(folder, nsqd)
  try {
    for (const part of shop.parts) await part.start()
    return shop
  } catch (error) {
    await shop.stop()
    throw error
  }
}

async function prepareShop(folder: string, nsqd: NsqProcess): Promise<Shop> {
  const [providerPort = 0, workerPort = 0, ...apiPorts] = await findFreePorts(2 + apiNodes)
  const databasePath = join(folder, 'holdfast.db')
  const adminToken = secret()
  const webhookSecret = secret()
  const provider = createPart({
    name: 'provider',
    command: [
      ...simulator,
      '--port',
      String(providerPort),
      '--path',
      join(folder, 'provider.db'),
      '--webhooks',
      `${originOf(apiPorts[0] ?? 0)}/v1/webhooks/payments`,
      '--slow-ms',
      '1000',
    ],
    environment: { PAYMENT_WEBHOOK_SECRET: webhookSecret },
    origin: originOf(providerPort),
    health: '/simulator',
  })
  const environment = {
    NODE_ENV: 'test',
    LOG_LEVEL: 'error',
    BROKER: 'nsq',
    NSQD_TCP_ADDRESSES: nsqd.tcpAddress,
    NSQD_HTTP_ADDRESSES: nsqd.httpAddress,
    DATABASE_PATH: databasePath,
    PAYMENT_PROVIDER_URL: provider.origin,
    PAYMENT_WEBHOOK_SECRET: webhookSecret,
    JWT_SECRET: secret(),
    ADMIN_TOKEN: adminToken,
    HOLD_SECONDS: String(holdSeconds),
  }
  const part = (name: string, role: string, port: number): Part =>
    createPart({
      name,
      command: program,
      origin: originOf(port),
      health: '/livez',
      environment: { ...environment, ROLE: role, PORT: String(port) },
    })
  const worker = part('worker', 'worker', workerPort)
  const apis = apiPorts.map((port, index) => part(`api ${index + 1}`, 'api', port))
  const parts = [provider, worker, ...apis]
  const stop = async (): Promise<void> => {
    for (const each of parts.toReversed()) await each.stop()
    await nsqd.dispose()
    await rm(folder, { recursive: true, force: true })
  }
  let stopping: Promise<void> | undefined
  return {
    nsqd,
    provider,
    worker,
    apis,
    parts,
    adminToken,
    databasePath,
    stop: () => (stopping ??= stop()),
  }
}

async function requireNsqd(): Promise<string> {
  const said: string[] = []
  const say = (line: string): void => void said.push(line)
  const binary = await findNsqBinary('nsqd', { environment: process.env, say })
  if (binary === undefined) throw new SetupError(`chaos needs nsqd: ${said.join('; ')}`)
  return binary
}

const originOf = (port: number): string => `http://127.0.0.1:${port}`
const secret = (): string => randomBytes(32).toString('hex')
