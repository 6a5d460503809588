import { join } from 'node:path'
import { Agent } from 'undici'
import { systemClock, type Clock } from '../../src/clock.ts'
import { loadConfig } from '../../src/config.ts'
import { createHoldfast, type Holdfast } from '../../src/holdfast.ts'
import { newUuid } from '../../src/ids.ts'
import { createLogger, type Logger } from '../../src/logger.ts'
import { createCall, type Call } from './http.ts'
import { createTemporaryFolder } from './temporary-folder.ts'
import { testRandom } from './seed.ts'

/** The whole program in this process, on a free port, with its files in a temporary folder. */
export interface TestApp {
  readonly url: string
  readonly call: Call
  readonly holdfast: Holdfast
  readonly folder: string
  readonly databasePath: string
  /** Stops it and removes its files. */
  stop(): Promise<void>
}

export interface TestAppOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly clock?: Clock
  /** The logger of the program; by default log lines are dropped. */
  readonly logger?: Logger
}

export const testAdminToken = 'admin-token-of-the-tests'
export const testJwtSecret = 'jwt-secret-of-the-tests-0123456789abcdef'

export async function startApp({
  environment,
  clock,
  logger,
}: TestAppOptions = {}): Promise<TestApp> {
  const folder = createTemporaryFolder()
  const databasePath = join(folder.path, 'holdfast.db')
  const config = loadConfig(
    {
      NODE_ENV: 'test',
      PORT: '0',
      LOG_LEVEL: 'silent',
      ADMIN_TOKEN: testAdminToken,
      JWT_SECRET: testJwtSecret,
      DATABASE_PATH: databasePath,
      PAYMENT_SIMULATOR_PATH: join(folder.path, 'payment-simulator.db'),
      ...environment,
    },
    newUuid,
  )
  const holdfast = createHoldfast(config, {
    clock: clock ?? systemClock,
    newId: newUuid,
    random: testRandom(),
    logger: logger ?? createLogger(config.logLevel, {}),
    defer: setImmediate,
  })
  await holdfast.start()
  const url = holdfast.url()
  const connections = new Agent()
  return {
    url,
    holdfast,
    databasePath,
    folder: folder.path,
    call: createCall(url, connections),
    async stop() {
      // A stop waits for requests on idle connections by its clock, so the test closes its
      // connections.
      await Promise.all([connections.close(), holdfast.stop()])
      folder.remove()
    },
  }
}
