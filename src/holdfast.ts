import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createHttpServers } from './api/http/http-servers.ts'
import { createReadiness, type ReadinessCheck } from './api/http/readiness.ts'
import type { Broker } from './broker/broker.ts'
import {
  createEmbeddedBroker,
  developmentFaults,
  noFaults,
} from './broker/embedded/embedded-broker.ts'
import type { EmbeddedFaults } from './broker/embedded/embedded-channel.ts'
import { createTopicJanitor } from './broker/nsq/topic-janitor.ts'
import { createNsqBroker } from './broker/nsq/nsq-broker.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import type { Database } from './db/database.ts'
import { migrate, migrationStatus, readMigrations } from './db/migrate.ts'
import { createDatabaseFile } from './db/sqlite/database-file.ts'
import { openSqliteReader } from './db/sqlite/sqlite-reader.ts'
import { openSqlite } from './db/sqlite/sqlite-database.ts'
import { createLifecycle, type Service } from './lifecycle.ts'
import type { Logger } from './logger.ts'
import { addToCartResultTopicPrefix } from './messaging/topics.ts'
import { createMetrics } from './metrics.ts'
import { createHttpProvider } from './payments/http/http-provider.ts'
import type { PaymentLedger } from './payments/ledger.ts'
import type { PaymentProvider } from './payments/provider.ts'
import { createSimulatedProvider } from './payments/simulator/simulated-provider.ts'
import { createRoles, createApplication, type Application, type Runtime } from './roles.ts'

/** The composition root: this is the only file that names concrete adapters. */
export interface Holdfast extends Service {
  /** Returns the URL it listens on; only while started. */
  url(): string
  /** Where the admin routes are; the same unless they have a port of their own. */
  adminUrl(): string
}

/**
 * A service may take this long to stop. Open requests of shoppers last 5 s at most; `DRAIN_DELAY_MS`, in which
 * everything goes on, is added.
 */
const stopTimeoutMs = 6_000
const totalStopTimeoutMs = 9_000

/**
 * Builds the program for the configured role.
 * @throws DatabaseUnavailableError when the database file cannot be opened.
 */
export function createHoldfast(config: Config, runtime: Runtime): Holdfast {
  const { clock, logger, random } = runtime
  const metrics = createMetrics()
  const opened = openSqlite({
    path: config.databasePath,
    check: 'later',
    clock,
    random,
    defer: runtime.defer,
    onStatements: (count) => {
      metrics.databaseStatements.inc(count)
    },
  })
  const broker = createBroker(config, runtime)
  const reader = openSqliteReader(config.databasePath)
  const file = createDatabaseFile({
    path: config.databasePath,
    database: opened,
    reader,
    clock,
    logger,
    afterCheck: (database) => migrateDatabase(database, clock, logger),
  })
  const { database } = file
  const { provider, providerServices } = createProvider(config, runtime)
  const application = createApplication(config, runtime, {
    database,
    reader,
    broker,
    provider,
    metrics,
  })
  const roles = createRoles(application)
  let isStarted = false
  const checks = { ...baseChecks(application, () => isStarted), ...roles.checks }
  const readiness = createReadiness(checks, roles.warnings)
  const servers = createHttpServers({ ...application, ...roles, readiness, version: readVersion() })
  const janitors =
    config.role !== 'api' && config.broker === 'nsq' ? [janitor(config, runtime)] : []
  const services = [
    // It listens first, so that it is alive and says how far the check of the file has come.
    servers,
    file,
    ...providerServices,
    broker,
    ...janitors,
    ...roles.services,
    // It also stops first, so that requests under way are answered while everything else still works.
    { name: servers.name, start: () => Promise.resolve(), stop: () => servers.stop() },
  ]
  const lifecycle = createLifecycle({
    services,
    clock,
    logger,
    stopTimeoutMs: config.drainDelayMs + stopTimeoutMs,
    totalStopTimeoutMs: config.drainDelayMs + totalStopTimeoutMs,
  })
  return {
    name: 'holdfast',
    async start() {
      await lifecycle.start()
      isStarted = true
      readiness.markStarted()
    },
    stop() {
      file.abandon()
      return lifecycle.stop()
    },
    url: () => servers.url(),
    adminUrl: () => servers.adminUrl(),
  }
}

interface ProviderParts {
  readonly provider: PaymentProvider & PaymentLedger
  readonly providerServices: readonly Service[]
}

function createProvider(config: Config, runtime: Runtime): ProviderParts {
  const { clock, logger, random, defer } = runtime
  const { nodeEnv, paymentProviderUrl: url, paymentSimulatorPath: path } = config
  if (url !== undefined)
    return { provider: createHttpProvider({ url, clock }), providerServices: [] }
  if (nodeEnv === 'production') logger.warn('payments are simulated: set PAYMENT_PROVIDER_URL')
  const simulated = createSimulatedProvider({ path, clock, random, defer })
  return { provider: simulated, providerServices: [simulated] }
}

function createBroker(config: Config, { clock, logger, random, defer }: Runtime): Broker {
  if (config.broker === 'embedded') {
    const faults = embeddedFaultsFor(config.nodeEnv)
    return createEmbeddedBroker({ clock, logger, random, defer, faults: () => faults })
  }
  return createNsqBroker({
    tcpAddresses: config.nsqdTcpAddresses,
    httpAddresses: config.nsqdHttpAddresses,
    lookupdHttpAddresses: config.nsqlookupdHttpAddresses,
    clock,
    logger,
    random,
  })
}

/** The embedded broker reorders and loses finishes on purpose, but never for real shoppers. */
export function embeddedFaultsFor(nodeEnv: Config['nodeEnv']): EmbeddedFaults {
  return nodeEnv === 'production' ? noFaults : developmentFaults
}

const janitorEveryMs = 30_000

function janitor(config: Config, { clock, logger }: Runtime): Service {
  return createTopicJanitor({
    httpAddresses: config.nsqdHttpAddresses,
    prefix: addToCartResultTopicPrefix,
    everyMs: janitorEveryMs,
    clock,
    logger,
  })
}

/** Where the schema of this program lies, in `src` as in `dist`. */
export const migrationsFolder = fileURLToPath(new URL('../migrations/sqlite', import.meta.url))

async function migrateDatabase(database: Database, clock: Clock, logger: Logger): Promise<void> {
  const applied = await migrate(database, readMigrations(migrationsFolder), clock.now())
  if (applied.length > 0) logger.info({ applied }, 'database migrated')
}

function baseChecks(
  { database, broker }: Application,
  isStarted: () => boolean,
): Readonly<Record<string, ReadinessCheck>> {
  const migrations = readMigrations(migrationsFolder)
  return {
    async database() {
      const { pending } = await migrationStatus(database, migrations)
      if (pending.length > 0) return `migrations pending: ${pending.join(', ')}`
      return isStarted() ? 'ok' : 'the file is checked; the process is still starting'
    },
    broker() {
      const status = broker.status()
      return status.ready ? 'ok' : status.reason
    },
  }
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}
